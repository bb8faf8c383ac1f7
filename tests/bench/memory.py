"""``make bench``: peak memory of a training step, forward-forward against back-propagation of the same net.

Each figure is a process of its own: the rise of its resident memory, all allocations of all libraries included, from
before a step to the step's peak. It has taken a step before, so that weights, Adam's moments and compiled kernels are
there; gradients and the memory that the step uses again are given back and count. The allocator returns every block
of 64 KiB at once, so that what is resident is what is alive.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import subprocess  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from harness import Row, write  # noqa: E402

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "bench-memory.md"
MAPS = 64
"""Images of back-propagation and of label codes; positives and negatives of pairs."""
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_TOP_PAD_": "0"}
NETS = {
    "6 layers": "net.widths=[128,128,128,128,128,128]",
    "12 layers": "net.widths=[128,128,128,128,128,128,128,128,128,128,128,128]",
}
SETTINGS = ["net.pools=[]", "net.norm=batch"]
PAIRS = ["train.negatives=uniform"]
FILTERS = {"3×3": "net.kernel=3", "5×5": "net.kernel=5"}
"""Of the nets; the larger ones are convolved by Fourier transforms in float32. The floors are those of the smaller."""
STEPS = {
    "BP, float32": ["algorithm=bp"],
    "FF, float32": [],
    "FF, bfloat16": ["dtype=bfloat16"],
    "codes, float32": ["labels.goodness.set=code:hadamard", "labels.goodness.learn=true"],
    "codes, bfloat16": ["labels.goodness.set=code:hadamard", "labels.goodness.learn=true", "dtype=bfloat16"],
}


FLOORS = {"FF, float32": 3.5, "FF, bfloat16": 5.5, "codes, float32": 3.5, "codes, bfloat16": 5.5}
"""How many times less memory than back-propagation in float32 each step has to take."""


def status(field):
    """Return a figure of this process's memory in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def rise(settings):
    """Return by how many bytes the memory of this process rises within a step."""
    import torch

    import ffnet
    from fflabels import named_set
    from ffnet.labels.codes import choose_codes
    from ffnet.model.fast_cpu.scratch import Scratch
    from ffnet.runs.folder import build
    from ffnet.training.draws import Draws
    from ffnet.training.loop import make_learner

    torch.set_num_threads(1)
    pairs = "algorithm=bp" not in settings and not any(setting.startswith("labels.goodness") for setting in settings)
    config = ffnet.Config().override([*SETTINGS, *(PAIRS if pairs else []), *settings])
    config = config.override([f"train.batch={MAPS // 2 if pairs else MAPS}"])
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (MAPS, 3, 32, 32), generator=generator, dtype=torch.uint8)
    train = ffnet.data.dataset.Split(images, torch.arange(MAPS) % 10)
    labels = named_set("fourier:paper10") if pairs else choose_codes(config, 10) if config.has_codes else None
    net = build(config, (3, 32, 32), labels, 10)
    learner = make_learner(net, MAPS)
    draws = Draws(config, train.classes, 10, 0)
    learner.step(train, draws, 0)
    learner.optimizer.zero_grad(set_to_none=True)
    if config.algorithm == "ff":
        learner.scratch = Scratch()
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    learner.step(train, draws, 0)
    return status("VmHWM") - before


def measured(settings):
    """Return the same of a fresh process."""
    command = [sys.executable, __file__, *settings]
    return int(subprocess.run(command, env=os.environ | ALLOCATOR, capture_output=True, text=True, check=True).stdout)


def main():
    """Run everything; exit 1 when a floor is missed."""
    rows = []
    for size, kernel in FILTERS.items():
        peaks = {
            (step, depth): measured([width, kernel, *settings])
            for step, settings in STEPS.items()
            for depth, width in NETS.items()
        }
        rows += [Row(f"{step}, {depth}, {size}", f"{peak / 2**20:.0f} MiB") for (step, depth), peak in peaks.items()]
        for step, floor in FLOORS.items():
            ratios = [peaks["BP, float32", depth] / peaks[step, depth] for depth in NETS]
            growth = peaks[step, "12 layers"] / peaks[step, "6 layers"] - 1
            owed = size == "3×3"
            rows += [
                Row(f"{step}, 6 layers, {size}, as a share of BP's in float32", f"1/{ratios[0]:.2f}",
                    ratios[0] >= floor if owed else None, f"1/{floor}" if owed else "–"),
                Row(f"{step}, 12 layers, {size}, as a share of BP's in float32", f"1/{ratios[1]:.2f}"),
                Row(f"{step}, {size}, 12 layers against 6", f"{growth:+.1%}",
                    abs(growth) <= 0.1 if owed else None, "±10 %" if owed else "–"),
            ]  # fmt: skip
    notes = [
        f"128 filters per layer, images 3×32×32, batch norm, {MAPS} maps: an activity takes {MAPS // 2} MiB in float32",
        "measured: the rise of resident memory within a step, in a separate process, above weights and Adam's moments; "
        "only the weight gradients grow with depth",
    ]
    if not write("Memory of a training step", rows, notes, RESULTS, "make bench"):
        sys.exit("a floor was missed")


if __name__ == "__main__":
    if sys.argv[1:]:
        print(rise(sys.argv[1:]))
    else:
        main()
