"""What a similarity metric is, and the matrix that every metric returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from fflabels.errors import FFLabelsError
from fflabels.images import References
from fflabels.progress import Progress
from fflabels.recipe import Recipe

if TYPE_CHECKING:
    from fflabels.brief import Brief

Matrix: TypeAlias = npt.NDArray[np.float32]

GRID = float(1 << 20)
"""Similarities are rounded to multiples of 2⁻²⁰, so that the last bits of a sum decide nothing."""

Compute: TypeAlias = "Callable[[Sequence[Recipe], Brief, Progress], Matrix]"
"""Called with n recipes, the labeler and images to compare them by, and a progress function; returns (n, n)."""


def six_decimals(similarity: float) -> float:
    """Return six decimals of a similarity."""
    return round(similarity, 6)


@dataclass(frozen=True)
class Metric:
    """One way to say how alike labels are.

    Attributes
    ----------
    name
        What options and label-set files call it.
    compute
        Returns the similarities (n, n), 0 (unrelated) to 1 (the same), symmetric, with a diagonal of 1: see `finished`.
        Of codes −1 (opposite) to 1.
    title
        What tables call its score.
    score
        Returns the score of a similarity, in the metric's own unit; the similarity itself by default.
    text
        Returns a score as tables and titles show it.
    higher_is_better
        Whether a larger score means that labels are less alike. The similarity is always better small.
    min_images
        The number of different reference images it needs, and why, as an error says it (`needs`).
    uses_intensity
        Whether the similarities depend on the label intensity K.
    below_one
        Whether K has to be below 1, so that images show beside labels.
    rounded
        Returns a summary's similarity without the digits that differ between processors; six decimals by default.
    slow
        Whether the chance baseline takes fewer sets.
    tie_breaker
        The metric that chooses among sets whose largest similarity is 0; none by default.
    codes
        Whether it compares codes too, which have no images.
    by_vectors
        Whether it is the plain correlation of patterns, so that `select_vectors` finds sets among millions.
    """

    name: str
    compute: Compute
    title: str = ""
    score: Callable[[float], float] = float
    text: Callable[[float], str] = "{:.2f}".format
    higher_is_better: bool = False
    min_images: int = 1
    needs: str = ""
    uses_intensity: bool = False
    below_one: bool = False
    rounded: Callable[[float], float] = six_decimals
    slow: bool = False
    tie_breaker: str | None = None
    codes: bool = False
    by_vectors: bool = False

    def __post_init__(self) -> None:
        if not self.title:
            object.__setattr__(self, "title", self.name)

    def has_enough(self, references: References) -> bool:
        """Return whether there are as many different reference images as the metric needs; none are for codes."""
        if not len(references.images):
            return self.codes
        return self.min_images == 1 or references.different >= self.min_images

    def applies(self, references: References, intensity: float) -> bool:
        """Return whether it can be computed on reference images at a label intensity K."""
        return self.has_enough(references) and (intensity < 1 or not self.below_one)

    def check(self, references: References, intensity: float) -> None:
        """Refuse fewer different reference images than the metric needs, and a K at which they do not show."""
        if self.applies(references, intensity):
            return
        if not len(references.images):
            raise FFLabelsError("does not apply to codes", where="metric", got=self.name, hint="pearson does")
        if self.has_enough(references):
            raise FFLabelsError(
                f"no {self.name} at this label intensity", where="intensity", got=intensity,
                expected="below 1: at 1 the images do not show, and nothing varies within a label",
            )  # fmt: skip
        reason = f": {self.needs}" if self.needs else ""
        raise FFLabelsError(
            f"too few reference images for {self.name}", where=references.name, got=references.different,
            expected=f"at least {self.min_images}{reason}", hint="equal images count once",
        )  # fmt: skip

    def similarity(self, recipes: Sequence[Recipe], brief: Brief, progress: Progress) -> Matrix:
        """Return the similarities (n, n) of recipes, refusing a matrix of another shape."""
        self.check(brief.references, brief.intensity)
        matrix = np.asarray(self.compute(recipes, brief, progress), np.float32)
        if matrix.shape != (len(recipes), len(recipes)):
            raise FFLabelsError(
                "not a similarity of all pairs", where=f"metric {self.name}", got=f"shape {matrix.shape}",
                expected=f"{(len(recipes), len(recipes))}",
            )  # fmt: skip
        least = -1 if brief.labeler.pattern == "code" else 0
        if matrix.size and not (least <= matrix.min() <= matrix.max() <= 1):
            raise FFLabelsError(
                "similarities out of range", where=f"metric {self.name}",
                got=f"{matrix.min():.9g} to {matrix.max():.9g}", expected=f"{least} to 1",
                hint="fflabels.metrics.finished clips what rounding leaves",
            )  # fmt: skip
        if not np.array_equal(matrix, matrix.T):
            raise FFLabelsError(
                "not symmetric", where=f"metric {self.name}", hint="fflabels.metrics.finished makes it so"
            )
        return matrix


def finished(correlations: Matrix, *, signed: bool = False) -> Matrix:
    """Return similarities: symmetric, rounded, 1 on the diagonal; of the entries above it, absolute unless `signed`."""
    matrix: Matrix = np.triu(correlations, 1)
    if not signed:
        np.abs(matrix, out=matrix)
    matrix += matrix.T
    matrix *= GRID
    np.round(matrix, out=matrix)
    matrix += 0.0  # no negative zeros
    matrix /= GRID
    np.clip(matrix, -1, 1, out=matrix)
    np.fill_diagonal(matrix, 1)
    return matrix
