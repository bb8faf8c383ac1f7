"""How alike labels are: signatures → pearson or shift similarity, or an observer's d′ → a summary."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from fflabels.arrays import Array, Shape, check_shape
from fflabels.correlation import Block, Correlation, Pearson, Shift, Signature
from fflabels.errors import FFLabelsError, NoEffectWarning, nearest
from fflabels.guard import check_range, checked_imprint
from fflabels.images import References, load_references
from fflabels.labeler import Labeler
from fflabels.observer import DEFAULT_INTENSITY, NEEDED, Observer, Seen
from fflabels.progress import Progress, silent
from fflabels.recipe import Recipe

Metric = Literal["pearson", "shift", "dprime"]
METRICS: tuple[Metric, ...] = get_args(Metric)
_CORRELATIONS: dict[str, type[Correlation]] = {"pearson": Pearson, "shift": Shift}

Matrix: TypeAlias = npt.NDArray[np.float32]

FLAT = 1e-4
"""An image whose residual has a standard deviation below this (a fortieth of a grey level) is not changed."""

GRID = float(1 << 20)
"""Similarities are rounded to multiples of 2⁻²⁰, so that the last bits of a sum decide nothing."""

MAX_COMPARED = 20_000
"""The most labels that are compared all with all: the matrix takes 1.5 GiB."""

BATCH = 512
"""Labels whose distances from all others are made at once: 80 MiB for 20,000."""

BLOCK_BYTES = 512 << 20
"""The most that the signatures held at once for one side of a block may take."""


@dataclass(frozen=True)
class Effect:
    """What one recipe does to the reference images.

    Attributes
    ----------
    signature
        (M, C, H, W) float32: the residual T(x) − x of each image, centred and of unit length, or zeros where the
        recipe leaves an image as it is. Image-independent labels: the one pattern, centred and of unit length.
    changed
        How many of the M images are changed.
    visibility
        RMS of imprint(x) − x over the images, divided by their RMS contrast.
    """

    signature: npt.NDArray[np.float32]
    changed: int
    visibility: float


@dataclass(frozen=True)
class Correlations:
    """Pearson correlations of candidates, (n, n) above the diagonal, and whose they are: labeler and images' digest."""

    labeler: Labeler[Any]
    references: str
    upper: Matrix


class Summary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The largest and the mean similarity over all pairs of a set; both 0 for a set of one.

    Attributes
    ----------
    max, mean
        By how much.
    pair
        The two labels that are most alike; None for a set of one, and for the mean of several sets.
    """

    max: float
    mean: float
    pair: tuple[int, int] | None = None


def effect(labeler: Labeler[Any], recipe: Recipe, references: References) -> Effect:
    """Return what `recipe` does to the reference images.

    Raises
    ------
    FFLabelsError
        When the imprint has a wrong shape or type, is not finite, or leaves [0, 1].
    """
    x = _read_only(references.images)
    pixels = x[0].size
    alone = labeler.image_independent
    images = _read_only(np.zeros((1, *references.shape), np.float32)) if alone else x
    imprint = np.asarray(checked_imprint(labeler, images, recipe))
    check_range(labeler, recipe, imprint)
    residual = (imprint if alone else imprint - x).reshape(len(imprint), pixels)
    squares = float(np.square(imprint - x).sum(dtype=np.float64)) if alone else None
    mean = residual.mean(axis=1)
    centred = residual - mean[:, None]
    length = np.sqrt(np.einsum("np,np->n", centred, centred))
    if squares is None:
        squares = float((np.square(length) + pixels * np.square(mean)).sum(dtype=np.float64))
    changed = length > FLAT * np.sqrt(pixels)
    centred *= np.where(changed, 1 / np.where(changed, length, 1), 0)[:, None]
    return Effect(
        centred.reshape(-1, *references.shape),
        int(changed.sum()),
        float(np.sqrt(squares / x.size) / references.contrast),
    )


def _read_only(images: Matrix) -> Matrix:
    view = images.view()
    view.flags.writeable = False
    return view


def similarity(
    recipes: Sequence[Recipe],
    labeler: Labeler[Any],
    *,
    shape: Shape,
    metric: Metric = "pearson",
    references: str | Array | References | None = None,
    intensity: float = DEFAULT_INTENSITY,
    progress: Progress = silent,
) -> Matrix:
    """Return how alike every two labels are, 0 (unrelated) to 1 (the same).

    Parameters
    ----------
    recipes
        n recipes of `labeler`.
    shape
        (C, H, W) of the images that they are drawn on.
    metric
        ``pearson`` (the paper's): the absolute mean over the images of the residuals' Pearson correlation.
        ``shift``: the largest of that over all cyclic shifts of one label against the other, to which
        convolutions are blind [ours]. Image-independent labels: of their patterns.
        ``dprime``: 1/(1 + d′²), d′ how many standard deviations they lie apart to an untrained local observer, see
        `Observer` [ours].
    references
        As for `load_references`; 64 crops of photographs unless given.
    intensity
        The label intensity K of ``dprime``.

    Returns
    -------
    array
        (n, n) float32, symmetric, diagonal 1, multiples of 2⁻²⁰. A label that changes no image at all is like
        its equals (1) and unlike all others (0), with a `NoEffectWarning`.

    Notes
    -----
    Where a label leaves some images as they are, the mean is over the images that it changes:
    Σᵢ rᵢ / √(mₐ·m_b), m the number of changed images. Memory is bounded by `BLOCK_BYTES` a side and the result.
    """
    check_metric(metric)
    check_count(len(recipes), "recipes")
    found = load_references(references, check_shape(shape))
    if metric == "dprime":
        return _dprime_similarity(Observer(found, intensity).look(labeler, recipes, progress))
    known: Correlations | None = getattr(recipes, "correlations", None)
    if metric == "pearson" and known and (known.labeler, known.references) == (labeler, found.digest):
        return _finished(known.upper)
    correlation = _CORRELATIONS[metric](_signature_shape(labeler, found))
    stacks = _Stacks(labeler, recipes, found, correlation)
    n = len(recipes)
    result = np.zeros((n, n), np.float32)
    done, pairs = 0, n * (n + 1) // 2
    for i in range(0, n, stacks.size):
        for j in range(i, n, stacks.size):
            for rows, columns, tile in correlation.tiles(stacks[i], stacks[j], i == j):
                result[i + rows.start : i + rows.stop, j + columns.start : j + columns.stop] = tile
                done += tile.size
                progress(f"{metric} similarity", min(done, pairs), pairs)
    matrix = _finished(result)
    idle = sorted(stacks.idle)
    matrix[np.ix_(idle, idle)] = 1
    if idle:
        warnings.warn(
            f"labels without effect on {found.name}: {', '.join(map(str, idle))}", NoEffectWarning, stacklevel=2
        )
    return matrix


def dprime(similarity: float) -> float:
    """Return d′ for a similarity by ``dprime``: the distance that 1/(1 + d′²) was made of."""
    return float(np.sqrt(max(1 / max(similarity, 1 / GRID) - 1, 0)))


def _dprime_similarity(seen: Seen) -> Matrix:
    result = np.zeros((len(seen), len(seen)), np.float32)
    for k in range(0, len(seen), BATCH):
        result[k : k + BATCH] = 1 / (1 + cdist(seen[k : k + BATCH], seen, "sqeuclidean"))
    return _finished(result)


def _finished(correlations: Matrix) -> Matrix:
    """Return similarities: absolute, symmetric, rounded, 1 on the diagonal; of the entries above it."""
    matrix: Matrix = np.abs(np.triu(correlations, 1))
    matrix += matrix.T
    matrix *= GRID
    np.round(matrix, out=matrix)
    matrix /= GRID
    np.minimum(matrix, 1, out=matrix)
    np.fill_diagonal(matrix, 1)
    return matrix


def visibility(recipes: Sequence[Recipe], labeler: Labeler[Any], references: References) -> list[float]:
    """Return each recipe's visibility: RMS change of the reference images over their RMS contrast [ours]."""
    return [effect(labeler, recipe, references).visibility for recipe in recipes]


def summarize(matrix: Matrix) -> Summary:
    """Return the largest and the mean entry off the diagonal, rounded to 6 digits, and where the largest is."""
    if len(matrix) < 2:
        return Summary(0.0, 0.0)
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    ((i, j, largest),) = worst_pairs(matrix, 1)
    return Summary(round(largest, 6), round(float(pairs.mean(dtype=np.float64)), 6), (i, j))


def worst_pairs(matrix: Matrix, count: int = 5) -> list[tuple[int, int, float]]:
    """Return the most similar pairs (i, j, similarity), worst first, ties by index."""
    rows, columns = np.triu_indices(len(matrix), 1)
    order = np.argsort(-matrix[rows, columns], kind="stable")[:count]
    return [(int(rows[k]), int(columns[k]), float(matrix[rows[k], columns[k]])) for k in order]


def metrics_on(references: References) -> tuple[Metric, ...]:
    """Return the metrics that there are images enough for: ``dprime`` needs two."""
    return METRICS if len(references.images) >= NEEDED else tuple(m for m in METRICS if m != "dprime")


def check_metric(metric: str) -> None:
    """Refuse an unknown metric by name."""
    if metric not in METRICS:
        raise FFLabelsError("unknown metric", where="metric", got=metric, hint=nearest(metric, METRICS))


def check_count(count: int, where: str) -> None:
    """Refuse more labels than can be compared all with all."""
    if count > MAX_COMPARED:
        raise FFLabelsError(
            "too many to compare all with all", where=where, got=count, expected=f"at most {MAX_COMPARED}"
        )


class _Stacks:
    """Stacked signatures of blocks of recipes, made when asked for, the last two kept."""

    def __init__(
        self, labeler: Labeler[Any], recipes: Sequence[Recipe], references: References, correlation: Correlation
    ) -> None:
        self.labeler, self.recipes, self.references, self.correlation = labeler, recipes, references, correlation
        self.size = max(1, BLOCK_BYTES // correlation.bytes_each())
        self.kept: dict[int, Block] = {}
        self.idle: set[int] = set()

    def __getitem__(self, start: int) -> Block:
        if start not in self.kept:
            if len(self.kept) > 1:
                del self.kept[max(self.kept)]
            part = range(start, min(start + self.size, len(self.recipes)))
            self.kept[start] = self.correlation.stack((self._signature(k) for k in part), len(part))
        return self.kept[start]

    def _signature(self, k: int) -> Signature:
        found = effect(self.labeler, self.recipes[k], self.references)
        if not found.changed:
            self.idle.add(k)
        return found.signature / np.float32(np.sqrt(max(found.changed, 1)))


def _signature_shape(labeler: Labeler[Any], references: References) -> tuple[int, ...]:
    images, *shape = references.images.shape
    return (1 if labeler.image_independent else images, *shape)
