"""How long d′ takes: 2000 candidates on 64 references, and the way of image-independent labels against the general one."""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import resource  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
from harness import Row, alternate, once, write  # noqa: E402

from fflabels import get_labeler, load_references, propose, similarity  # noqa: E402
from fflabels.observer import Observer  # noqa: E402

SHAPE = (1, 32, 32)
RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "bench-dprime.md"


def whole(rows):
    """2000 candidates of either kind, all pairs."""
    for kind in ("morph", "fourier"):
        labeler = get_labeler(kind)
        recipes = propose(labeler, 2000, shape=SHAPE).recipes
        seconds = once(
            lambda labeler=labeler, recipes=recipes: similarity(recipes, labeler, shape=SHAPE, metric="dprime")
        )
        goal = "60 s (goal 15)"
        rows.append(Row(f"dprime of 2000 {kind} candidates on 64 references", f"{seconds:.1f} s", seconds <= 60, goal))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    rows.append(Row("peak memory of both, with their candidates", f"{peak:.2f} GiB", peak < 2, "2 GiB"))


def ways(rows):
    """The same Fourier labels: a sum of two convolved images, or each embedded image convolved."""
    references = load_references(None, SHAPE)
    labeler, observer = get_labeler("fourier"), Observer(references)
    recipes = propose(labeler, 200, shape=SHAPE).recipes

    def general():
        found = [observer.features(labeler.embed(references.images, labeler.imprint(references.images, r), 0.35))
                 for r in recipes[:40]]  # fmt: skip
        return np.stack(found)

    def sums():
        return np.stack(list(observer.mixtures(labeler.patterns([r], SHAPE) for r in recipes)))

    np.testing.assert_allclose(sums()[:40], general(), atol=2e-5)
    seconds = alternate({"general": general, "sums": sums}, 5)
    ratio = 5 * seconds["general"] / seconds["sums"]
    rows.append(
        Row(
            "image-independent labels: convolutions added up, against convolving every embedded image",
            f"{ratio:.2f}×",
            ratio >= 3,
            "3×",
        )
    )


def main():
    """Run both; exit 1 when a floor is missed."""
    rows = []
    whole(rows)
    ways(rows)
    if not write("Time and memory of d′", rows, [], RESULTS, "python tests/bench/dprime.py"):
        sys.exit("a floor was missed")


if __name__ == "__main__":
    main()
