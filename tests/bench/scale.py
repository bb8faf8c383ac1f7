"""``make bench``: steps on one and two ranks of this machine, the time of a reduction, and a cost model of both.

``python tests/bench/scale.py`` starts its own ranks with torchrun; they talk by gloo, each has one thread.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import json  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from statistics import median  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402
from harness import Row, write  # noqa: E402

import ffnet  # noqa: E402
from fflabels import named_set  # noqa: E402
from ffnet.data.dataset import Split  # noqa: E402
from ffnet.system.ranks import SINGLE, join_ranks  # noqa: E402
from ffnet.training.draws import Draws  # noqa: E402
from ffnet.training.forward_forward import FFLearner  # noqa: E402

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "bench-scale.md"
BYTES = [2**k for k in range(8, 25, 4)]
AT_THE_INPUT = ["dtype=float32", "labels.layers.set=none"]
NETS = [  # name of the row, preset, settings, batches
    ("pairs-mnist", "pairs-mnist", AT_THE_INPUT, (64, 256)),
    ("pairs-cifar10", "pairs-cifar10", AT_THE_INPUT, (64, 256)),
    (
        "paper-mnist with 3×32 filters 5×5",
        "paper-mnist",
        ["net.widths=[32,32,32]", "net.kernel=5", "dtype=float32"],
        (48, 192),
    ),
]
ROUNDS = 7


def steps_of(preset, settings, batch, ranks):
    """Return a function that takes the next step on random images."""
    config = ffnet.load_preset(preset).config.override(
        [*settings, f"train.batch={batch}", "labels.set=fourier:paper10"]
    )
    shape = (1, 28, 28) if config.data.name == "mnist" else (3, 32, 32)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (2 * batch, *shape), generator=generator, dtype=torch.uint8)
    train = Split(images, torch.randint(0, 10, (2 * batch,), generator=generator))
    net = ffnet.FFNet(config, shape, named_set("fourier:paper10"))
    learner, draws = FFLearner(net, len(train), ranks), Draws(config, train.classes, 10, 0)
    return net, lambda: learner.step(train, draws, 0)


def seconds_of(run, rounds=ROUNDS):
    """Return the median seconds of a call after a warm-up."""
    run()
    found = []
    for _ in range(rounds):
        begin = time.perf_counter()
        run()
        found.append(time.perf_counter() - begin)
    return median(found)


def reductions(net, norm, hard):
    """Return the bytes of the gradients of a step, and how many small reductions it waits for."""
    return sum(4 * p.numel() for p in net.parameters()), len(net.layers) * (norm in ("batch", "rms")) + 1 + 3 * hard


def measure(target):
    """Take all times on two ranks; those of one rank are taken on both at once, so that both cores are as busy."""
    torch.set_num_threads(1)
    ranks = join_ranks()
    found = {"reduce": {}, "steps": []}
    for size in BYTES:
        tensor = torch.ones(size // 4)
        found["reduce"][size] = seconds_of(lambda tensor=tensor: dist.all_reduce(tensor), 30)
    for name, preset, settings, batches in NETS:
        for batch in batches:
            net, together = steps_of(preset, settings, batch, ranks)
            _, half = steps_of(preset, settings, batch // 2, SINGLE)
            _, alone = steps_of(preset, settings, batch, SINGLE)
            times = []
            for run in (alone, half, together):
                dist.barrier()
                times.append(seconds_of(run))
            config = net.config
            volume = reductions(net, config.net.norm, config.train.negatives == "hard")
            found["steps"].append([name, batch, *times, *volume])
    if ranks.first:
        target.write_text(json.dumps(found))


def report(found):
    """Fit the model and write the page."""
    sizes = np.array([float(size) for size in found["reduce"]])
    seconds = np.array(list(found["reduce"].values()))
    latency, per_byte = np.linalg.lstsq(
        np.stack([np.ones_like(sizes), sizes], 1) / seconds[:, None], np.ones_like(seconds), rcond=None
    )[0]
    waited = [small * latency + volume * per_byte for *_, volume, small in found["steps"]]
    slack = median(
        (together - w) / half for (_, _, _, half, together, _, _), w in zip(found["steps"], waited, strict=True)
    )
    rows = []
    for (name, batch, alone, half, together, volume, small), w in zip(found["steps"], waited, strict=True):
        foretold = slack * half + w
        rows.append(Row(f"{name}, batch {batch}, {volume / 2**20:.2f} MiB of gradients, n = {small}",
                        f"1 rank {1e3 * alone:.1f} ms, 2 ranks {1e3 * together:.1f} ms: {alone / together:.2f}×; "
                        f"model {1e3 * foretold:.1f} ms ({100 * (foretold / together - 1):+.0f} %)"))  # fmt: skip
    notes = [
        "model of a step on R ranks: c·t(B/R) + n·a + b·V, where t(B/R) is the step of one rank on its share (measured), n the number of small "
        "reductions that it waits for (batch statistics of each layer, metrics, hard negatives), V the bytes of the gradients",
        f"fitted to the reductions below: a = {1e6 * latency:.0f} µs, 1/b = {1e-6 / per_byte:.0f} MB/s; "
        f"to the steps above: c = {slack:.2f}, since at every reduction the faster rank waits for the slower",
        "one reduction by gloo, two ranks: "
        + ", ".join(f"{size} B {1e6 * s:.0f} µs" for size, s in found["reduce"].items()),
        "the model counts nothing as overlapped: the two ranks have two cores, which gloo's threads share with the steps",
        "both ranks on one machine of two shared cores, float32, labels in the image alone; "
        "nothing was measured on a GPU or over a network",
    ]
    return write("Time of a step on several ranks", rows, notes, RESULTS, "make bench")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "times.json"
            launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
            subprocess.run([*launch, __file__, str(target)], check=True)
            report(json.loads(target.read_text()))
