"""``pearson``, the paper's metric: the mean correlation of two labels' residuals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fflabels.codes import is_code
from fflabels.effect import Correlations
from fflabels.metrics.blocks import Block, Correlation, Signature, Tile, correlate
from fflabels.metrics.metric import Matrix, Metric, finished
from fflabels.progress import Progress
from fflabels.recipe import Recipe

if TYPE_CHECKING:
    from fflabels.brief import Brief


class Pearson(Correlation):
    """Σ over images and pixels of the product: one matrix product."""

    additive = True

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.size = int(np.prod(shape))

    def bytes_each(self) -> int:
        """Return 4 bytes per value."""
        return 4 * self.size

    def stack(self, signatures: Iterable[Signature], count: int) -> Block:
        """Return (count, M·C·H·W) float32."""
        block = np.empty((count, self.size), np.float32)
        for k, signature in enumerate(signatures):
            block[k] = signature.ravel()
        return block

    def tiles(self, a: Block, b: Block, same: bool) -> Iterator[Tile]:
        """Yield the one tile that there is."""
        yield slice(0, len(a)), slice(0, len(b)), self.summand(a, b)

    def bytes_of_sum(self) -> int:
        """Return 4, of one float32."""
        return 4

    def summand(self, a: Block, b: Block) -> Block:
        """Return the products (rows, columns)."""
        return a @ b.T

    def of_sum(self, total: Block) -> Matrix:
        """Return the sum itself."""
        return total


def compute(recipes: Sequence[Recipe], brief: Brief, progress: Progress) -> Matrix:
    """Return the absolute mean over the images of the residuals' Pearson correlation, (n, n); of codes the signed one.

    Candidates bring correlations that the search for repeats has computed; they are used if made on the same images.
    """
    known: Correlations | None = getattr(recipes, "correlations", None)
    if known and (known.labeler, known.references) == (brief.labeler, brief.references.digest):
        return finished(known.upper, signed=is_code(brief.labeler))
    return correlate("pearson", Pearson, recipes, brief, progress)


METRIC = Metric("pearson", compute, tie_breaker="shift", codes=True, by_vectors=True)
