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

    Classes that look alike are told apart late; until then what a network learns of one serves the others, if their
    labels are alike too. The sum over all pairs of classes of their likeness times their labels' similarity is made
    large, by the fast approximate algorithm for quadratic assignment (Vogelstein et al. 2015) and exchanges of two.
    Labels that are all as alike as one another, such as waves of ten frequencies, stay as they are.

    Parameters
    ----------
    labels
        As many as there are classes.
    references
        Images with their classes, 0 to n − 1, each at least once.
    metric
        How labels are compared: by ``shift`` waves of one frequency are the same, whatever their phase.
    seed
        Of the search.

    Raises
    ------
    FFLabelsError
        When the classes are not known, or not one label a class.
    """
    alike, same = _both(labels, references, metric)
    order, largest = np.arange(len(same)), float((alike * same).sum())
    pairs = same[np.triu_indices(len(same), 1)]
    for start in range(STARTS if len(pairs) and np.ptp(pairs) > LEAST else 0):
        options = {"maximize": True, "rng": np.random.default_rng([seed, start])}
        found = quadratic_assignment(alike, same, options={**options, "P0": "randomized"})
        begin = np.stack([np.arange(len(same)), found.col_ind], axis=1)
        found = quadratic_assignment(alike, same, method="2opt", options={**options, "partial_guess": begin})
        if found.fun > largest + LEAST:
            order, largest = found.col_ind, float(found.fun)
    return labels.reordered(order.tolist())


def agreement(labels: LabelSet, references: References, *, metric: Metric = "shift") -> float:
    """Return the correlation, over all pairs of classes, of their likeness with their labels' similarity; −1 to 1.

    0 where all pairs are as alike as one another. See `assign` for the parameters.
    """
    alike, same = (matrix[np.triu_indices(len(labels), 1)] for matrix in _both(labels, references, metric))
    if not len(alike) or min(np.ptp(alike), np.ptp(same)) < LEAST:
        return 0.0
    return float(np.corrcoef(alike, same)[0, 1])


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
        raise FFLabelsError(
            "classes are not known", where=f"references {references.name}", expected="images with their classes"
        )
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


def _both(labels: LabelSet, references: References, metric: Metric) -> tuple[Matrix, Matrix]:
    """Return the classes' likeness and the labels' similarity, (n, n), diagonals 0."""
    alike = likeness(references)
    if len(alike) != len(labels):
        expected = f"{len(alike)}, one a class of {references.name}"
        raise FFLabelsError("not one label a class", where="labels", got=len(labels), expected=expected)
    few = References(references.images[:REFERENCE_COUNT], references.name)
    found = similarity(labels.recipes, labels.labeler, shape=few.shape, metric=metric, references=few)
    same = found.astype(np.float64)
    np.fill_diagonal(same, 0)
    return alike, same
