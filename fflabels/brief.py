"""Brief: the labeler, images and limits that candidates are drawn and compared by, kept together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fflabels.arrays import Shape
from fflabels.candidates import Candidates, propose
from fflabels.checks import check_count
from fflabels.images import References
from fflabels.labeler import Labeler
from fflabels.metrics import Matrix, get_metric
from fflabels.observer import DEFAULT_INTENSITY
from fflabels.progress import Progress, silent
from fflabels.recipe import Recipe


@dataclass(frozen=True)
class Brief:
    """Which labeler's labels are designed, on which images, within which limits.

    Attributes
    ----------
    labeler
        It draws the labels.
    references
        The images (M, C, H, W) that labels are judged on, at the shape of the data.
    intensity
        The label intensity K, for metrics that depend on it.
    min_visibility
        The candidates' floor of visibility; the labeler's own if None.
    seed
        Of the draws and of the search.
    """

    labeler: Labeler[Any]
    references: References
    intensity: float = DEFAULT_INTENSITY
    min_visibility: float | None = None
    seed: int = 0

    @property
    def shape(self) -> Shape:
        """Channels, height and width of the images."""
        return self.references.shape

    def candidates(self, n: int, *, at_least: int | None = None, progress: Progress = silent) -> Candidates:
        """Return n distinct, visible recipes, or `at_least` as many: see `propose`."""
        return propose(
            self.labeler, n, shape=self.shape, seed=self.seed, references=self.references,
            min_visibility=self.min_visibility, at_least=at_least, progress=progress,
        )  # fmt: skip

    def similarity(self, recipes: Sequence[Recipe], metric: str, progress: Progress = silent) -> Matrix:
        """Return how alike every two recipes are by a metric, (n, n)."""
        check_count(len(recipes), "recipes")
        return get_metric(metric).similarity(recipes, self, progress)
