"""Which class carries which label: labels that are alike go to classes that look alike [ours]."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import quadratic_assignment

from fflabels.diversity import Metric, similarity
from fflabels.errors import FFLabelsError
from fflabels.images import REFERENCE_COUNT, References
from fflabels.labelset import LabelSet
from fflabels.observer import Observer
from fflabels.probe import pooling

Matrix = npt.NDArray[np.float64]

STARTS = 8
"""Random beginnings of the search for an assignment; the best end is taken."""

LEAST = 1e-6
"""Variance of a feature below which it tells no class."""


def assign(labels: LabelSet, references: References, *, metric: Metric = "shift", seed: int = 0) -> LabelSet:
    """Return the set in the order in which labels that are alike belong to classes that look alike.

    A class that a network has not told apart from its like yet has a label that it has not told apart either: what it
    learns of one serves the others. The sum over all pairs of classes of their likeness times their labels' similarity
    is made large, by the fast approximate algorithm for quadratic assignment (Vogelstein et al. 2015) and exchanges of
    two. Labels that are all as alike as one another, such as waves of ten frequencies, stay as they are.

    Parameters
    ----------
    labels
        As many as there are classes.
    references
        Images with their classes, 0 to n − 1, each at least once: `likeness` is of these.
    metric
        How labels are compared: by ``shift`` waves of one frequency and any phase are the same.
    seed
        Of the search.

    Raises
    ------
    FFLabelsError
        When there are no classes, or not one label a class.
    """
    alike = likeness(references)
    if len(alike) != len(labels):
        raise FFLabelsError(
            "not one label a class", where="labels", got=len(labels), expected=f"{len(alike)}, one a class"
        )
    few = References(references.images[:REFERENCE_COUNT], references.name)
    found = similarity(labels.recipes, labels.labeler, shape=few.shape, metric=metric, references=few)
    same = found.astype(np.float64)
    np.fill_diagonal(same, 0)
    order = _order(same, alike, seed)
    return LabelSet([labels.recipes[k] for k in order], labels.labeler, labels.provenance)


def likeness(references: References) -> Matrix:
    """Return how much classes look alike, (n, n): correlations of their means to an untrained observer, diagonal 0.

    What it sees are 64 random 5×5 filters after ReLU, averaged in 4×4 cells, in standard deviations within a class.

    Raises
    ------
    FFLabelsError
        When the classes are not known, or are not 0 to n − 1.
    """
    classes = references.classes
    if classes is None:
        raise FFLabelsError("classes are not known", where=f"references {references.name}")
    counts = np.bincount(classes)
    if not counts.all():
        raise FFLabelsError(
            "a class without an image", where=f"references {references.name}", got=int(counts.argmin()),
            expected=f"images of all classes from 0 to {len(counts) - 1}",
        )  # fmt: skip
    cells = pooling(references.shape)
    seen = Observer(references).cells(references.images, cells).reshape(len(classes), -1).astype(np.float64)
    member = np.eye(len(counts))[classes]
    mean = member.T @ seen / counts[:, None]
    within = np.square(seen - mean[classes]).mean(axis=0)
    offset = (mean - mean.mean(axis=0)) / np.sqrt(np.maximum(within, LEAST))
    offset /= np.maximum(np.linalg.norm(offset, axis=1, keepdims=True), LEAST)
    alike: Matrix = offset @ offset.T
    np.fill_diagonal(alike, 0)
    return alike


def _order(same: Matrix, alike: Matrix, seed: int) -> npt.NDArray[np.int64]:
    """Return which label each class carries: the assignment of the largest sum that was found, or as they are."""
    best = np.arange(len(same))
    largest = float((same * alike).sum())
    pairs = same[np.triu_indices(len(same), 1)]
    if not len(pairs) or np.ptp(pairs) < LEAST:
        return best
    for start in range(STARTS):
        rng = np.random.default_rng([seed, start])
        found = quadratic_assignment(alike, same, options={"maximize": True, "rng": rng, "P0": "randomized"})
        guess = np.stack([np.arange(len(same)), found.col_ind], axis=1)
        found = quadratic_assignment(
            alike, same, method="2opt", options={"maximize": True, "rng": rng, "partial_guess": guess}
        )
        if found.fun > largest + LEAST:
            best, largest = found.col_ind, float(found.fun)
    return best
