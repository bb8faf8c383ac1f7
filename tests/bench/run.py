"""``make bench``: what fflabels claims about its speed, measured. ``--quick`` leaves out what takes minutes."""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import sys  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402
from pathlib import Path  # noqa: E402
from statistics import geometric_mean  # noqa: E402

import numpy as np  # noqa: E402
import plain  # noqa: E402
from harness import Row, alternate, once, write  # noqa: E402

from fflabels import design, get_labeler, load_references, morphology, propose, select, similarity  # noqa: E402
from fflabels.operators import OPERATORS  # noqa: E402

SHAPE = (1, 32, 32)
RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "bench-fflabels.md"


def operators(rows, notes):
    """Batched grey operators against scikit-image image by image, every operator, footprint and three widths."""
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    x = np.random.default_rng(0).random((256, *SHAPE), dtype=np.float32)
    tensor = torch.from_numpy(x)
    np.empty(24 << 20, np.uint8).fill(
        0
    )  # after a large array the allocator keeps what it is given back, as in any long run
    ratios = {"NumPy": {}, "torch": {}}
    for kind in OPERATORS["morphology"]:
        for footprint in morphology.FOOTPRINTS:
            for width in (3, 5, 7):
                operator = kind(footprint, width)
                assert np.array_equal(
                    operator(x)[:4, 0], np.stack([plain.apply(operator, image[0]) for image in x[:4]])
                )
                variants = {
                    "plain": lambda op=operator: [plain.apply(op, image[0]) for image in x],
                    "NumPy": lambda op=operator: op(x),
                    "torch": lambda op=operator: op(tensor),
                }
                seconds = alternate(variants, 5, {"NumPy": 10, "torch": 10})
                for backend in ratios:
                    ratios[backend][footprint, kind.__name__, width] = seconds["plain"] / seconds[backend]
    for backend, floor in (("NumPy", 20), ("torch", 40)):
        found = ratios[backend]
        mean, least = geometric_mean(found.values()), min(found, key=found.get)
        rows.append(
            Row(
                f"grey operators on 256 images 1×32×32, {backend} arrays, against scikit-image image by image",
                f"{mean:.0f}× (geometric mean of {len(found)}; least {found[least]:.0f}×, {least[1]} {least[0]} {least[2]})",
                mean >= floor,
                f"{floor}×",
            )
        )
        by_footprint = {f: geometric_mean(v for k, v in found.items() if k[0] == f) for f in morphology.FOOTPRINTS}
        notes.append(
            f"{backend} (each turn runs ten batches in a row; a single batch with cold caches gains less), by footprint: "
            + ", ".join(f"{f} {r:.0f}×" for f, r in by_footprint.items())
        )


def mixed_batch(rows):
    """One batch of 128 images with 100 labels: stage by stage against label by label."""
    labeler, references = get_labeler("morph"), load_references(None, SHAPE)
    recipes = propose(labeler, 100, shape=SHAPE, references=references).recipes
    rng = np.random.default_rng(0)
    images, index = rng.random((128, *SHAPE), dtype=np.float32), rng.integers(0, 100, 128)
    variants = {
        "plain": lambda: [_plain_imprint(recipes[k], image) for k, image in zip(index, images, strict=True)],
        "batch": lambda: labeler.imprint_each(images, recipes, index),
    }
    seconds = alternate(variants, 5)
    measured = f"{seconds['plain'] / seconds['batch']:.1f}× ({seconds['batch'] * 1e3:.1f} ms)"
    rows.append(
        Row("a batch of 128 images with 100 mixed morphology labels, against scikit-image image by image", measured)
    )


def _plain_imprint(recipe, image):
    x = image[0]
    for operator in recipe.chain:
        x = plain.apply(operator, x)
    return x


def pipeline(rows, notes, *, quick):
    """2000 morphology candidates on 64 photographs → 100 labels."""
    labeler, references = get_labeler("morph"), load_references(None, SHAPE)
    begin = time.perf_counter()
    pool = propose(labeler, 2000, shape=SHAPE, references=references)
    proposed = time.perf_counter()
    matrix = similarity(pool, labeler, shape=SHAPE, references=references)
    compared = time.perf_counter()
    chosen = select(matrix, 100)
    ended = time.perf_counter()
    whole = once(lambda: design("morph", 100))
    notes.append(
        f"pearson, by step: candidates {proposed - begin:.1f} s, similarity {compared - proposed:.1f} s, "
        f"selection {ended - compared:.1f} s. The similarity is one matrix product of 2000 × 65,536 by its transpose, "
        f"2.6·10¹¹ multiply-adds (half of them, by symmetry), limited by the processor's arithmetic; candidates are limited by memory traffic"
    )
    if not quick:
        answer = {}
        seconds = once(
            lambda: answer.update(
                zip(
                    ("chosen", "alike"),
                    plain.select_labels(labeler, 2000, 100, references.images, pool.drawn),
                    strict=True,
                )
            )
        )
        inside = answer["alike"][np.ix_(answer["chosen"], answer["chosen"])]
        worst = np.triu(inside, 1).max()
        rows.append(
            Row(
                "2000 morphology candidates, 64 references → 100 labels by pearson, against the same in plain scikit-image",
                f"{seconds / whole:.1f}× ({whole:.1f} s against {seconds:.1f} s; largest pearson {chosen.score:.3f} against {worst:.3f})",
                seconds / whole >= 5,
                "5×",
            )
        )
    rows.append(Row("the same, seconds", f"{whole:.1f} s", None, "–", "10 s"))
    if not quick:
        shift = once(lambda: design("morph", 100, metric="shift"))
        rows.append(Row("the same by shift, seconds", f"{shift:.1f} s", None, "–", "120 s"))
        notes.append(
            "shift: limited by one inverse 32×32 transform per pair and one 64-term product per frequency and pair, for 2·10⁶ pairs"
        )


def main():
    """Run everything; exit 1 when a floor is missed."""
    quick = "--quick" in sys.argv
    rows, notes = [], []
    pipeline(rows, notes, quick=quick)
    mixed_batch(rows)
    operators(rows, notes)
    notes.append(
        "the plain version draws as many candidates, imprints them image by image, drops invisible and repeated ones by its own "
        "correlations (numpy.corrcoef, image by image), and makes one greedy pick; ours also scores by shift and chance"
    )
    path = RESULTS if not quick else Path("bench-quick.md")
    if not write("Speed of fflabels", rows, notes, path, "make bench"):
        sys.exit("a floor was missed")


if __name__ == "__main__":
    main()
