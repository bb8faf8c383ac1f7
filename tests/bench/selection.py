"""``make bench``: how good selection is, against RDKit's MaxMinPicker and greedy starts, and how good it can be.

Writes docs/results/bench-selection.md and docs/_static/selection.png (value against time). ``--quick``: no million
vectors, no plot. Times are processor seconds of one thread.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import resource  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from statistics import median  # noqa: E402

import numpy as np  # noqa: E402
from harness import Row, write  # noqa: E402
from pools import COUNT, POOLS, N  # noqa: E402

from fflabels import select, select_vectors  # noqa: E402
from fflabels.selection.construct import farthest_first, largest_inside  # noqa: E402

DOCS = Path(__file__).resolve().parents[2] / "docs"
PLOTTED = ("Fourier, 3 waves", "morphology", "Gaussian, 256 dimensions")
BUDGETS = (0, 300, 1000, 3000, 10_000, 40_000, 150_000)
CERTIFICATES = ("morphology", "Fourier, 3 waves", "Fourier, f < 6", "Gaussian, 64 dimensions")


def timed(run):
    """Return what a call returns and its processor seconds."""
    begin = time.process_time()
    found = run()
    return found, time.process_time() - begin


def picked_by_rdkit(matrix, seeds):
    """Return the value and seconds of MaxMinPicker for each seed; its triangle of distances is made before."""
    from rdkit.SimDivFilters.rdSimDivPickers import MaxMinPicker

    inner = np.where(np.eye(len(matrix), dtype=bool), -np.inf, matrix)
    distances = (1 - matrix.astype(np.float64))[np.tril_indices(len(matrix), -1)]
    found = []
    for seed in seeds:
        picks, seconds = timed(lambda seed=seed: list(MaxMinPicker().Pick(distances, len(matrix), N, [], seed)))
        found.append((largest_inside(inner, picks), seconds))
    return found


def picked_greedily(matrix, starts):
    """Return the value and seconds of farthest-first construction from each start."""
    inner = np.where(np.eye(len(matrix), dtype=bool), -np.inf, matrix)
    found = []
    for start in starts:
        chosen, seconds = timed(lambda start=start: farthest_first(inner, N, int(start)))
        found.append((largest_inside(inner, chosen), seconds))
    return found


def against_peers(rows, matrices):
    """Our value in about a second, as a share of RDKit's and of the best of 50 greedy starts."""
    slowest = 0.0
    for name, (_, floor_rdkit, floor_greedy) in POOLS.items():
        matrix = matrices[name]
        found, seconds = timed(lambda matrix=matrix: select(matrix, N))
        slowest = max(slowest, seconds)
        rdkit = median(value for value, _ in picked_by_rdkit(matrix, range(5)))
        values = np.array([value for value, _ in picked_greedily(matrix, range(COUNT))])
        draws = np.random.default_rng(0).integers(0, COUNT, (200, 50))
        greedy = float(np.median(values[draws].min(axis=1)))
        for peer, value, floor in (("RDKit MaxMinPicker (median of 5 seeds)", rdkit, floor_rdkit),
                                   ("the best of 50 greedy starts (median of 200 draws)", greedy, floor_greedy)):  # fmt: skip
            ratio = found.score / value
            rows.append(
                Row(f"{name}: largest similarity, against {peer}", f"{ratio:.3f}× ({found.score:.4f} against {value:.4f})",
                    ratio <= floor, f"≤ {floor}×")
            )  # fmt: skip
    rows.append(Row("the slowest of these", f"{slowest:.2f} s", slowest <= 1, "≤ 1 s"))


def certificates(rows, matrices):
    """How far from optimal it is proved to be."""
    for name in CERTIFICATES:
        for seconds, floor in ((10, 0.04), (60, 0.02)):
            found, used = timed(lambda name=name, seconds=seconds: select(matrices[name], N, certify=seconds))
            proved = "OPTIMAL" if found.optimal else f"gap {100 * found.gap:.0f} %"
            owed = name == "morphology"
            rows.append(
                Row(f"{name}: certificate, {seconds} s allowed", f"{proved} ({found.score:.4f}, no set below {found.bound:.4f}; {used:.1f} s)",
                    found.gap <= floor if owed else None, f"gap ≤ {100 * floor:.0f} %" if owed else "–", "OPTIMAL in 180 s" if owed else "–")
            )  # fmt: skip
            if found.optimal:
                break


def against_lazy_picks(rows):
    """100,000 vectors, against RDKit's LazyPick, which asks for the distances that it needs."""
    from rdkit.SimDivFilters.rdSimDivPickers import MaxMinPicker

    x = np.random.default_rng(0).standard_normal((100_000, 256), dtype=np.float32)
    units = x - x.mean(axis=1, keepdims=True)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    listed = list(units)

    def distance(i, j):
        return 1 - abs(float(listed[i] @ listed[j]))

    picks, their_seconds = timed(lambda: list(MaxMinPicker().LazyPick(distance, len(x), N, [], 0)))
    inside = np.abs(units[picks] @ units[picks].T)
    theirs = float(inside[~np.eye(N, dtype=bool)].max())
    ours, our_seconds = timed(lambda: select_vectors(x, N, iterations=1000))
    rows.append(
        Row("100,000 × 256 normal vectors, against RDKit LazyPick",
            f"{ours.score / theirs:.3f}× ({ours.score:.4f} in {our_seconds:.2f} s against {theirs:.4f} in {their_seconds:.2f} s)",
            ours.score < theirs and our_seconds <= their_seconds, "better in no more time")
    )  # fmt: skip


def a_million_vectors(rows):
    """More candidates than a matrix could hold."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    x = np.random.default_rng(0).standard_normal((1_000_000, 256), dtype=np.float32)
    found, seconds = timed(lambda: select_vectors(x, N))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows.append(
        Row(
            "1,000,000 × 256 normal vectors, seconds",
            f"{seconds:.1f} s (largest {found.score:.4f})",
            seconds <= 10,
            "10 s",
        )
    )
    rows.append(
        Row("the same, peak resident memory of the whole process",
            f"{peak * 1024 / x.nbytes:.2f}× the data ({before / 2**20:.2f} GiB of it before the call)", peak * 1024 < 2.5 * x.nbytes, "2.5×")
    )  # fmt: skip


def a_million_labels(rows):
    """The command, from a million candidates."""
    program = "from fflabels_cli.app import fflabels; import sys; sys.argv[0] = 'fflabels'; fflabels()"
    options = [
        "select",
        "--n",
        "100",
        "--candidates",
        "1000000",
        "--kind",
        "fourier",
        "--param",
        "frequencies=continuous",
    ]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", program, *options], check=True, cwd=folder)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    rows.append(
        Row(f"`fflabels {' '.join(options)}`, resident memory ({used.ru_utime + used.ru_stime:.0f} s)",
            f"{used.ru_maxrss / 2**20:.2f} GiB", used.ru_maxrss <= 2 << 20, "2 GiB")
    )  # fmt: skip


def plot(matrices):
    """Value against time: ours by budget, the peers by restarts."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(PLOTTED), figsize=(11, 3.6), constrained_layout=True)
    for axis, name in zip(axes, PLOTTED, strict=True):
        matrix = matrices[name]
        ours = [timed(lambda m=matrix, budget=budget: select(m, N, iterations=budget)) for budget in BUDGETS]
        axis.plot([s for _, s in ours], [found.score for found, _ in ours], "o-", label="fflabels", color="C0")
        for label, restarts, colour in (
            ("greedy, restarted", picked_greedily(matrix, np.random.default_rng(0).permutation(COUNT)), "C1"),
            ("RDKit MaxMinPicker, restarted", picked_by_rdkit(matrix, range(1000)), "C2"),
        ):
            values, seconds = np.array(restarts).T
            axis.plot(seconds.cumsum(), np.minimum.accumulate(values), label=label, color=colour)
        axis.set(title=name, xscale="log", xlabel="processor seconds, one thread")
        axis.grid(alpha=0.3)
    proof = select(matrices["morphology"], N, certify=30)
    if proof.optimal:
        axes[PLOTTED.index("morphology")].axhline(proof.score, color="grey", lw=0.8, ls="--", label="proved optimal")
    axes[0].set_ylabel(f"largest similarity of {N} of {COUNT}")
    axes[PLOTTED.index("morphology")].legend(fontsize=8)
    figure.savefig(DOCS / "_static" / "selection.png", dpi=130)


def main():
    """Run everything; exit 1 when a floor is missed."""
    quick = "--quick" in sys.argv
    matrices = {name: make() for name, (make, *_) in POOLS.items()}
    rows, notes = [], [f"each pool: {COUNT} candidates, {N} chosen; tests/bench/pools.py makes the pools"]
    against_peers(rows, matrices)
    certificates(rows, matrices)
    against_lazy_picks(rows)
    if not quick:
        a_million_vectors(rows)
        a_million_labels(rows)
        plot(matrices)
    path = DOCS / "results" / "bench-selection.md" if not quick else Path("bench-selection-quick.md")
    if not write("Selection compared with other methods", rows, notes, path, "make bench"):
        sys.exit("a floor was missed")


if __name__ == "__main__":
    main()
