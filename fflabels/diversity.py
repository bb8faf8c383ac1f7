"""How alike labels are: the similarity of all pairs by any metric, its summary, the worst pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from fflabels.arrays import Array, Shape
from fflabels.brief import Brief
from fflabels.checks import check_count
from fflabels.codes import references_for
from fflabels.errors import FFLabelsError
from fflabels.images import References
from fflabels.metrics import Matrix, get_metric
from fflabels.metrics.metric import six_decimals
from fflabels.observer import DEFAULT_INTENSITY
from fflabels.progress import Progress, silent
from fflabels.recipe import Recipe
from fflabels.registry import LabelerLike, as_labeler


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


def similarity(
    recipes: Sequence[Recipe],
    labeler: LabelerLike,
    *,
    shape: Shape,
    metric: str = "pearson",
    references: str | Array | References | None = None,
    intensity: float = DEFAULT_INTENSITY,
    progress: Progress = silent,
) -> Matrix:
    """Return how alike every two labels are: 0 (unrelated) to 1 (the same), and for codes from −1 (opposite).

    Parameters
    ----------
    recipes
        n recipes of `labeler`, a labeler or its name.
    shape
        (C, H, W) of the images that they are drawn on; (W, 1, 1) for codes.
    metric
        ``pearson`` (the paper's): the absolute mean over the images of the residuals' Pearson correlation. Of codes the
        signed correlation over the channels, and no other metric: a code L gives goodness Σ L·e, so that L and −L are
        the easiest pair to tell apart, and −1 is best.
        ``shift``: the largest of that over all cyclic shifts of one label against the other, to which
        convolutions are blind [ours]. Image-independent labels: of their patterns.
        ``dprime``: 1/(1 + d′²), d′ how many standard deviations they lie apart to an untrained local observer, see
        `Observer` [ours].
    references
        As for `load_references`; default: 64 crops of photographs. Not for codes.
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
    Σᵢ rᵢ / √(mₐ·m_b), m the number of changed images. Memory is bounded: see `fflabels.metrics.blocks`.

    Examples
    --------
    >>> from fflabels import named_set, similarity
    >>> labels = named_set("fourier:paper10")
    >>> similarity(labels.recipes[:2], labels.labeler, shape=(1, 16, 16), references="digits").tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    get_metric(metric)
    check_count(len(recipes), "recipes")
    labeler = as_labeler(labeler)
    for i, recipe in enumerate(recipes):
        if not isinstance(recipe, labeler.recipe_type):
            raise FFLabelsError(
                "not a recipe of the labeler", where=f"recipes[{i}]", got=recipe, expected=labeler.recipe_type.__name__
            )
    brief = Brief(labeler, references_for(labeler, references, shape), intensity)
    return brief.similarity(recipes, metric, progress)


def summarize(matrix: Matrix, rounded: Callable[[float], float] = six_decimals) -> Summary:
    """Return the largest and the mean entry off the diagonal, rounded, and where the largest is."""
    if len(matrix) < 2:
        return Summary(0.0, 0.0)
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    ((i, j, largest),) = worst_pairs(matrix, 1)
    return Summary(rounded(largest), rounded(float(pairs.mean(dtype=np.float64))), (i, j))


def worst_pairs(matrix: Matrix, count: int = 5) -> list[tuple[int, int, float]]:
    """Return the most similar pairs (i, j, similarity), worst first, ties by index."""
    rows, columns = np.triu_indices(len(matrix), 1)
    order = np.argsort(-matrix[rows, columns], kind="stable")[:count]
    return [(int(rows[k]), int(columns[k]), float(matrix[rows[k], columns[k]])) for k in order]
