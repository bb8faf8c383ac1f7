"""Codes for given classes: classes that look alike get codes that are alike [ours].

With a hundred classes, layers learn such codes sooner than codes chosen without looking at the classes; with ten, no
difference was seen. A channel whose weight separates animals from vehicles is easier to learn than one that separates
two random halves of the classes. Narrow layers tell groups of classes apart: their codes keep the axes of largest
weight.

Letters of shapes: n classes, M images, F features, W channels.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fflabels.assignment import SILENT, PairMatrix, check_classes, correlation, look
from fflabels.checks import check_integer, check_seed
from fflabels.codes import check_code_shape
from fflabels.errors import FFLabelsError
from fflabels.images import References, load_classed
from fflabels.labelers.code import Code, CodeRecipe
from fflabels.labelset import LabelSet
from fflabels.metrics import GRID
from fflabels.progress import Progress, silent
from fflabels.scores import Provenance

SHARE = 0.9
"""How closely codes follow the likeness of the classes: 0 not at all, 1 as closely as the channels allow."""

RIDGE = 0.1
"""This times the mean variance within a class is added to every feature's variance."""

IMAGES = 200
"""The most images per class that are looked at, where they come from files."""

SHAPE = (3, 32, 32)
"""The shape that such images are brought to."""

NOISE = 1e-7
"""Size of what is added to a likeness before its axes are computed."""

SLACK = 1e-5
"""How far a likeness may be off by rounding."""

DIGITS = 4
"""The values of codes are rounded to this many decimals."""


def class_likeness(references: str | Path | References, *, progress: Progress = silent) -> PairMatrix:
    """Return how much classes look alike, (n, n): from −1 to 1, with 1 on the diagonal.

    An untrained observer looks at the images: 64 random 5×5 filters with ReLU, averaged in 4×4 cells. The likeness of
    two classes is the correlation of their mean features, after these are whitened by the covariance within the classes
    plus a ridge. (`fflabels.assign` divides each feature by its own deviation within the classes instead.) Rounded to
    multiples of 2⁻²⁰.

    Parameters
    ----------
    references
        Images with their classes, 0 to n − 1, each at least once: `References`, or a source for `load_classed`, whose
        images are brought to the shape (3, 32, 32): up to 200 of each class, and 6,400 in all.
    progress
        Called with the name of the step, the number of images done, and their total.

    Raises
    ------
    FFLabelsError
        When the classes are not known, or are not 0 to n − 1, each at least once; for a single class.

    Examples
    --------
    >>> from fflabels import class_likeness
    >>> class_likeness("digits").shape
    (10, 10)
    """
    if not isinstance(references, References):
        references = load_classed(references, SHAPE, each=IMAGES)
    classes = check_classes(references)
    if not classes.any():
        raise FFLabelsError("a single class", where=f"references {references.name}: classes", expected="two or more")
    seen_MF = look(references, progress)
    mean = np.stack([seen_MF[classes == k].mean(axis=0) for k in range(int(classes.max()) + 1)])

    # Whiten the differences between class means by the covariance within the classes.
    seen_MF -= mean[classes]
    within = seen_MF.T @ seen_MF / len(seen_MF)
    within.flat[:: len(within) + 1] += max(RIDGE * np.trace(within) / len(within), SILENT)
    offset = np.linalg.solve(np.linalg.cholesky(within), (mean - mean.mean(axis=0)).T).T
    unit = offset / np.maximum(np.linalg.norm(offset, axis=1, keepdims=True), np.finfo(float).tiny)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, 1)
    likeness: PairMatrix = np.round((cosines + cosines.T) / 2 * GRID) / GRID
    return likeness


def codes_from_likeness(likeness: npt.ArrayLike, width: int, *, share: float = SHARE, seed: int = 0) -> LabelSet:
    """Return one code per class over `width` channels; the more two classes are alike, the more their codes are.

    The correlations of the codes are `share` times the likeness of the classes, as closely as the channels allow:
    centred codes over W channels span W − 1 dimensions. With fewer dimensions than classes the axes of largest weight
    are kept: classes that are much alike then share a code. The directions are random: which channels serve which
    axis depends on the seed alone.

    Parameters
    ----------
    likeness
        (n, n), for instance of `class_likeness`: symmetric, from −1 to 1, 1 on the diagonal, no negative eigenvalue.
    width
        The number of channels W, at least 2.
    share
        0 (codes that do not follow the classes) to 1.
    seed
        Of the directions.

    Raises
    ------
    FFLabelsError
        When `likeness` is no such matrix, another value is out of range, or all codes would be the same.

    Examples
    --------
    >>> import numpy as np
    >>> from fflabels import codes_from_likeness
    >>> alike = [[1, 0.8, 0], [0.8, 1, 0], [0, 0, 1]]  # the first two classes look alike
    >>> codes = codes_from_likeness(alike, 64)
    >>> np.corrcoef(codes.codes()).round(2).tolist()
    [[1.0, 0.72, -0.0], [0.72, 1.0, -0.0], [-0.0, -0.0, 1.0]]
    """
    likeness = _checked(likeness)
    width = check_code_shape((check_integer(width, "width"), 1, 1), "width")
    if not 0 <= share <= 1:
        raise FFLabelsError("out of range", where="share", got=share, expected="0 to 1")
    seed = check_seed(seed)
    wanted = share * likeness + (1 - share) * np.eye(len(likeness))

    # The axes of largest weight, as many as there are dimensions. Between axes of equal weight a little noise decides:
    # else they would be those of single classes, and the classes left out would have no code.
    noise = np.random.default_rng(0).standard_normal(wanted.shape) * NOISE
    values, axes = np.linalg.eigh(wanted + noise + noise.T)
    kept = min(len(wanted), width - 1)
    values, axes = values[-kept:], axes[:, -kept:]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(kept)])  # a sign that every machine agrees on

    # Turn them into random orthogonal directions of mean 0.
    directions = np.random.default_rng(seed).standard_normal((width, kept))
    directions = np.linalg.qr(directions - directions.mean(axis=0))[0].T
    codes = (axes * np.sqrt(np.maximum(values, 0))) @ directions
    shown = np.round(0.5 + 0.5 * codes / np.abs(codes).max(axis=1, keepdims=True), DIGITS)
    recipes = [CodeRecipe(tuple(code)) for code in shown.tolist()]
    if len(set(recipes)) < 2:
        where, got = ("width", str(width)) if width < 3 else ("likeness", f"all alike, share {share:g}")
        raise FFLabelsError("no code tells any two classes apart", where=where, got=got)
    labels = LabelSet(recipes, Code(), Provenance("classes", seed=seed))
    return replace(labels, scores=labels.score((width, 1, 1)).scores)


def follows(labels: LabelSet, likeness: PairMatrix) -> float:
    """Return the correlation, over all pairs of classes, of the codes' correlations with the classes' likeness."""
    of_codes: PairMatrix = np.corrcoef(labels.codes())  # type: ignore[assignment]
    return correlation(of_codes, likeness)


def _checked(likeness: npt.ArrayLike) -> PairMatrix:
    """Return the likeness as float64; refuse what is no matrix of correlations."""
    try:
        matrix = np.asarray(likeness, dtype=np.float64)
    except (TypeError, ValueError):
        raise FFLabelsError("not a matrix of numbers", where="likeness", got=type(likeness).__name__) from None
    if matrix.ndim != 2 or len(matrix) != matrix.shape[1] or len(matrix) < 2:
        raise FFLabelsError("not a square matrix", where="likeness", got=matrix.shape, expected="(n, n), n at least 2")
    worst = float(matrix.flat[np.abs(matrix).argmax()])
    if not abs(worst) <= 1 + SLACK:  # or not a number
        raise FFLabelsError("out of range", where="likeness", got=worst, expected="−1 to 1")
    if np.abs(matrix - matrix.T).max() > SLACK:
        raise FFLabelsError("not symmetric", where="likeness", expected="the same value for (i, j) and (j, i)")
    if np.abs(matrix.diagonal() - 1).max() > SLACK:
        raise FFLabelsError("a class that is not like itself", where="likeness", expected="1 on the diagonal")
    if (least := np.linalg.eigvalsh(matrix)[0]) < -1e-4 * len(matrix):
        raise FFLabelsError(
            "cannot be correlations", where="likeness", got=f"an eigenvalue of {least:.3g}", expected="none below 0"
        )
    return matrix
