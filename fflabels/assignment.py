"""Which class carries which label: labels that are alike go to classes that look alike [ours]."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from fflabels.brief import Brief
from fflabels.checks import check_seed
from fflabels.codes import is_code
from fflabels.errors import FFLabelsError
from fflabels.images import REFERENCE_COUNT, References, evenly, load_classed, load_references
from fflabels.labelset import LabelSet
from fflabels.metrics import GRID
from fflabels.observer import Observer, pooling
from fflabels.progress import Progress, silent

PairMatrix = npt.NDArray[np.float64]
"""A number for each pair of classes or of labels, (n, n)."""

STARTS = 16
"""Searches from solutions of the relaxed problem, and as many from random orders; the best result is kept."""

TOGETHER = 256
"""Images per batch of the observer."""

SILENT = 1e-6
"""Floor for divisors: the variance within a class, and the length of a class's offset."""


def assign(
    labels: LabelSet,
    references: str | Path | References,
    *,
    metric: str = "shift",
    seed: int = 0,
    progress: Progress = silent,
) -> LabelSet:
    """Return the set reordered so that similar labels go to classes that look alike.

    A network separates classes that look alike late in training; until then, what it learns about one also serves the
    others if their labels are similar. The order maximises the sum over all pairs of classes of their likeness times
    their labels' similarity (quadratic assignment): by the fast approximate algorithm of Vogelstein et al. (2015), then
    from its results and from random orders by the best exchanges of two. Labels whose pairs are all equally similar,
    such as waves of ten frequencies, keep their order. `LabelSet.selection` is not kept.

    Parameters
    ----------
    labels
        One per class.
    references
        Images with their classes, 0 to n − 1, each at least once: as for `load_classed`, at the shape that the set was
        scored at, or `References`.
    metric
        How labels are compared: by ``shift`` waves of one frequency are the same, whatever their phase.
    seed
        Of the search.
    progress
        Called with the name of the step, the number of parts done, and their total.

    Raises
    ------
    FFLabelsError
        For codes, unknown classes, another number of labels than of classes, or a negative seed.

    Examples
    --------
    >>> from fflabels import assign, named_set
    >>> from fflabels.images import load_classed
    >>> images = load_classed("digits", (1, 16, 16))
    >>> assign(named_set("fourier:paper10"), images).provenance.method
    'built-in set paper10'
    """
    return assignment(labels, references, metric=metric, seed=seed, progress=progress).labels


class Assignment(NamedTuple):
    """The reordered set, and its `agreement` with the classes before and after."""

    labels: LabelSet
    before: float
    after: float


def assignment(
    labels: LabelSet,
    references: str | Path | References,
    *,
    metric: str = "shift",
    seed: int = 0,
    progress: Progress = silent,
) -> Assignment:
    """Return the set as `assign` does, and how well labels agree with classes before and after."""
    seed = check_seed(seed)
    if is_code(labels.labeler):
        raise FFLabelsError("codes are not compared by images", where="labels", got=labels.labeler.name)
    if not isinstance(references, References):
        references = load_classed(references, labels.shape)
    check_classes(references, len(labels))
    labels_nn = _similarity(labels, references, metric, progress)
    if len(set(_pairs(labels_nn).tolist())) < 2:
        return Assignment(labels, 0.0, 0.0)
    classes_nn = likeness(references, progress=progress)
    order = _largest(classes_nn, labels_nn, seed, progress)
    assigned, provenance = labels.reordered(order.tolist()), labels.provenance
    how = f"{provenance.method}, assigned by {metric} on {references.name}" + (f", seed {seed}" if seed else "")
    assigned = replace(assigned, provenance=msgspec.structs.replace(provenance, method=how))
    return Assignment(
        assigned, correlation(classes_nn, labels_nn), correlation(classes_nn, labels_nn[np.ix_(order, order)])
    )


def agreement(labels: LabelSet, references: References, *, metric: str = "shift") -> float:
    """Return the correlation, over all pairs of classes, of their likeness with their labels' similarity; −1 to 1.

    0 where all pairs are equally similar. See `assign` for the parameters and errors.
    """
    check_classes(references, len(labels))
    return correlation(likeness(references), _similarity(labels, references, metric))


def likeness(references: References, *, progress: Progress = silent) -> PairMatrix:
    """Return how much classes look alike, (n, n): correlations of their means to an untrained observer, diagonal 0.

    The observer has 64 random 5×5 filters with ReLU, averaged in 4×4 cells; differences are in standard deviations
    within a class. Rounded to multiples of 2⁻²⁰, so that the last bits of a sum decide nothing.

    Raises
    ------
    FFLabelsError
        When the classes are not known, or are not 0 to n − 1, each at least once.
    """
    classes = check_classes(references)
    seen = look(references, progress)
    counts = np.bincount(classes)
    mean = np.stack([seen[classes == k].mean(axis=0) for k in range(len(counts))])
    within = np.square(seen - mean[classes]).mean(axis=0)
    offset = (mean - mean.mean(axis=0)) / np.sqrt(np.maximum(within, SILENT))
    offset /= np.maximum(np.linalg.norm(offset, axis=1, keepdims=True), SILENT)
    alike: PairMatrix = np.round(offset @ offset.T * GRID) / GRID
    np.fill_diagonal(alike, 0)
    return alike


def look(references: References, progress: Progress = silent) -> PairMatrix:
    """Return what the observer sees of M images: its 64 filters' mean responses in each cell, (M, 64 × cells)."""
    eye, cells, images = Observer(references), pooling(references.shape), references.images
    seen = np.empty((len(images), eye.filters.shape[0] * cells.shape[1]))
    for first in range(0, len(images), TOGETHER):
        part = slice(first, first + TOGETHER)
        seen[part] = eye.cells(images[part], cells)[..., :-1].reshape(len(images[part]), -1)
        progress("looking at classes", min(first + TOGETHER, len(images)), len(images))
    return seen


def check_classes(references: References, expected: int | None = None) -> npt.NDArray[np.int64]:
    """Return the classes; refuse those that are not 0 to n − 1, each at least once, n as expected."""
    where, classes = f"references {references.name}: classes", references.classes
    if classes is None:
        raise FFLabelsError("not known", where=where, expected="images with their classes")
    if classes.shape != (len(references.images),) or classes.dtype.kind not in "iu" or classes.min(initial=0) < 0:
        raise FFLabelsError(
            "not one class per image", where=where,
            got=f"{classes.dtype} {classes.shape} from {classes.min(initial=0)}",
            expected=f"{len(references.images)} integers from 0",
        )  # fmt: skip
    present = np.unique(classes)
    count = max(int(classes.max(initial=-1)) + 1, expected or 1)
    if expected and len(present) == int(classes.max(initial=-1)) + 1 != expected:
        raise FFLabelsError("not one label per class", where="labels", got=expected, expected=f"{len(present)}")
    if len(present) < count:
        missing = int(np.append(present != np.arange(len(present)), True).argmax())
        raise FFLabelsError(
            "a class without an image", where=where, got=missing, expected=f"images of each from 0 to {count - 1}"
        )
    return classes


def _similarity(labels: LabelSet, references: References, metric: str, progress: Progress = silent) -> PairMatrix:
    """Return how alike labels are on some of the images, (n, n), diagonal 0."""
    few = References(references.images[evenly(len(references.images), REFERENCE_COUNT)], references.name)
    few = load_references(few, few.shape)
    labels_nn = (
        Brief(labels.labeler, few, labels.intensity).similarity(labels.recipes, metric, progress).astype(np.float64)
    )
    np.fill_diagonal(labels_nn, 0)
    return labels_nn


def _pairs(matrix: PairMatrix) -> PairMatrix:
    pairs: PairMatrix = matrix[np.triu_indices(len(matrix), 1)]
    return pairs


def correlation(one: PairMatrix, other: PairMatrix) -> float:
    """Return the correlation of two matrices' values above the diagonal; 0 where either's are all the same."""
    ours, theirs = _pairs(one), _pairs(other)
    if len(ours) < 2 or not np.ptp(ours) or not np.ptp(theirs):
        return 0.0
    return float(np.corrcoef(ours, theirs)[0, 1])


def _largest(classes_nn: PairMatrix, labels_nn: PairMatrix, seed: int, progress: Progress) -> npt.NDArray[np.int64]:
    """Return the order with the largest sum; the present order if none is better."""
    from scipy.optimize import quadratic_assignment  # takes a moment to import

    best = _exchanged(classes_nn, labels_nn, np.arange(len(labels_nn)))
    largest = _sum(classes_nn, labels_nn, best)
    for start in range(STARTS):
        rng = np.random.default_rng([seed, start])
        relaxed = quadratic_assignment(
            classes_nn, labels_nn, options={"maximize": True, "rng": rng, "P0": "randomized"}
        )
        for begin in (relaxed.col_ind, rng.permutation(len(labels_nn))):
            order = _exchanged(classes_nn, labels_nn, begin)
            if (value := _sum(classes_nn, labels_nn, order)) > largest:
                best, largest = order, value
        progress("assigning", start + 1, STARTS)
    return best


def _sum(classes_nn: PairMatrix, labels_nn: PairMatrix, order: npt.NDArray[np.int64]) -> float:
    return float((classes_nn * labels_nn[np.ix_(order, order)]).sum())


def _exchanged(classes_nn: PairMatrix, labels_nn: PairMatrix, order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the order after exchanges of two labels, the best one first, until none makes the sum larger."""
    order = np.array(order, np.int64)
    while True:
        now = labels_nn[np.ix_(order, order)]
        each = classes_nn @ now
        own = each.diagonal()
        # Half of what exchanging i and j adds: Σ (classes_ik − classes_jk)·(now_jk − now_ik) over k, neither i nor j.
        gain = each + each.T - own[:, None] - own[None, :] + 2 * classes_nn * now
        i, j = divmod(int(gain.argmax()), len(order))
        if gain[i, j] <= 1 / GRID:
            return order
        order[[i, j]] = order[[j, i]]
