"""``python tests/bench/against.py BASE``: training steps and inference of this tree against those of a commit.

Both trees run side by side, a process each, and take turns, 15 rounds; printed are the median ratio of CPU seconds and
the interval of its bootstrapped median (95 %). Only names that both trees have are used.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import contextlib  # noqa: E402
import importlib  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from statistics import median  # noqa: E402

ROUNDS = 15
ROOT = Path(__file__).resolve().parents[2]
OPEN = ["net.init=torch", "train.peer=0", "train.weight_decay=0", "train.relu_gradient=true", "net.first_layer=local"]
WORK = {
    "step, 3×16 5×5, float32": ("paper-mnist", ["net.widths=[16,16,16]", "net.kernel=5", *OPEN], 8),
    "step, 3×16 5×5, bfloat16": ("paper-mnist", ["net.widths=[16,16,16]", "net.kernel=5", "dtype=bfloat16", *OPEN], 8),
    "step, 3×64 7×7, spectral": ("paper-mnist", ["net.widths=[64,64,64]", *OPEN], 1),
    "step, best-cifar10, bfloat16": ("best-cifar10", ["dtype=bfloat16"], 4),
    "step, cifar6 at a quarter": ("paper-cifar10-fourier", ["net.widths=[32,32,64,64,64,128]", *OPEN], 4),
    "step, 3×16 5×5, the whole preset": ("paper-mnist", ["net.widths=[16,16,16]", "net.kernel=5"], 8),
    "step, cifar6 at a quarter, the whole preset": (
        "paper-cifar10-fourier",
        ["net.widths=[32,32,64,64,64,128]", "dtype=float32"],
        4,
    ),
    "goodness of 100 images, best-cifar10": ("best-cifar10", ["dtype=bfloat16"], 0),
}


def worker():
    """Do one piece of work whenever its name comes in, and answer with its CPU seconds."""
    import torch

    import ffnet
    from fflabels import named_set
    from fflabels.errors import FFLabelsError

    def found(name):
        for place in ("ffnet.learner", "ffnet.training.forward_forward", "ffnet.training.draws", "ffnet.data",
                      "ffnet.data.load", "ffnet.data.dataset"):  # fmt: skip
            try:
                return getattr(importlib.import_module(place), name)
            except (ImportError, AttributeError):
                continue
        raise ImportError(name)

    torch.set_num_threads(1)
    learner_of, draws_of, split_of = found("FFLearner"), found("Draws"), found("Split")
    ready = {}
    for line in sys.stdin:
        name = line.strip()
        if name not in ready:
            preset, settings, steps = WORK[name]
            of_pairs = f"pairs-{preset}"  # its name since best-… presets have label codes
            known = [each.name for each in ffnet.list_presets()]
            config = ffnet.load_preset(of_pairs if of_pairs in known else preset).config
            for setting in settings:
                with contextlib.suppress(FFLabelsError):  # one that the older tree does not have
                    config = config.override([setting])
            shape = (1, 28, 28) if config.data.name == "mnist" else (3, 32, 32)
            generator = torch.Generator().manual_seed(0)
            images = torch.randint(0, 256, (400, *shape), generator=generator, dtype=torch.uint8)
            train = split_of(images, torch.randint(0, 10, (400,), generator=generator))
            net = ffnet.FFNet(config, shape, named_set("fourier:paper10"))
            learner = learner_of(net, 400)
            draws = draws_of(config, train.classes, 10, 0)
            if steps:
                ready[name] = lambda learner=learner, train=train, draws=draws, steps=steps: [
                    learner.step(train, draws, k % len(draws)) for k in range(steps)
                ]
            else:
                ready[name] = lambda net=net, images=images: ffnet.goodness_scores(net.eval(), images[:100])
            ready[name]()
        begin = time.process_time()
        ready[name]()
        print(time.process_time() - begin, flush=True)


def main(commit):
    """Print a table."""
    import numpy as np

    with tempfile.TemporaryDirectory() as parent:
        base = Path(parent) / "base"
        subprocess.run(["git", "worktree", "add", "--detach", "--quiet", base, commit], cwd=ROOT, check=True)
        try:
            workers = [
                subprocess.Popen(
                    [sys.executable, __file__, "--worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                    cwd=tree, env={**os.environ, "PYTHONPATH": f"{tree}{os.pathsep}{tree / 'cli'}"},
                )
                for tree in (base, ROOT)
            ]  # fmt: skip
            rng = np.random.default_rng(0)
            for name in WORK:
                seconds = [[], []]
                for round_ in range(ROUNDS + 1):
                    for k in (0, 1) if round_ % 2 else (1, 0):
                        workers[k].stdin.write(name + "\n")
                        workers[k].stdin.flush()
                        seconds[k].append(float(workers[k].stdout.readline()))
                ratios = np.array(seconds[1][1:]) / np.array(seconds[0][1:])
                draws = np.median(rng.choice(ratios, (2000, len(ratios))), axis=1)
                low, high = np.quantile(draws, [0.025, 0.975])
                print(f"{name}: {median(ratios):.3f} ({low:.3f} … {high:.3f}) of the base's "
                      f"{1e3 * median(seconds[0][1:]):.0f} ms", flush=True)  # fmt: skip
            for process in workers:
                process.stdin.close()
                process.wait()
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", base], cwd=ROOT, check=True)


if __name__ == "__main__":
    worker() if sys.argv[1:] == ["--worker"] else main(sys.argv[1])
