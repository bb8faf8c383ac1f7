"""Correlations of all pairs of signatures, a block of them against a block, in bounded memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from fflabels.codes import is_code
from fflabels.effect import effect
from fflabels.errors import NoEffectWarning
from fflabels.metrics.metric import Matrix, finished
from fflabels.progress import Progress
from fflabels.recipe import Recipe

if TYPE_CHECKING:
    from fflabels.brief import Brief

Signature: TypeAlias = npt.NDArray[np.float32]
"""(M, C, H, W): one label's residuals on M images, of unit length in all."""

Block: TypeAlias = npt.NDArray[Any]
Tile: TypeAlias = tuple[slice, slice, npt.NDArray[np.float32]]
"""Rows and columns within a pair of blocks, and the correlations there."""

BLOCK_BYTES = 512 << 20
"""The most that the signatures held at once for one side of a block may take."""


class Correlation(Protocol):
    """A metric's way of stacking signatures of `shape` (M, C, H, W) and of correlating two stacks."""

    def __init__(self, shape: tuple[int, ...]) -> None: ...

    def bytes_each(self) -> int:
        """Return what one signature takes in a stack."""
        ...

    def stack(self, signatures: Iterable[Signature], count: int) -> Block:
        """Return `count` signatures as one block."""
        ...

    def tiles(self, a: Block, b: Block, same: bool) -> Iterator[Tile]:
        """Yield the correlations of two blocks; with ``same`` those below the diagonal may be left out."""
        ...


def correlate(
    name: str, correlation_type: type[Correlation], recipes: Sequence[Recipe], brief: Brief, progress: Progress
) -> Matrix:
    """Return the similarities of recipes whose signatures are correlated, (n, n).

    A label that changes no image at all is like its equals (1) and unlike all others (0), with a `NoEffectWarning`.
    Where a label leaves some images as they are, the mean is over the images that it changes: Σᵢ rᵢ / √(mₐ·m_b), m the
    number of changed images. Memory is bounded by `BLOCK_BYTES` a side and the result.
    """
    images, *shape = brief.references.images.shape
    single = brief.labeler.image_independent or not images
    correlation = correlation_type((1 if single else images, *shape))
    stacks = _Stacks(recipes, brief, correlation)
    n = len(recipes)
    result = np.zeros((n, n), np.float32)
    done, pairs = 0, n * (n + 1) // 2
    for i in range(0, n, stacks.size):
        for j in range(i, n, stacks.size):
            for rows, columns, tile in correlation.tiles(stacks[i], stacks[j], i == j):
                result[i + rows.start : i + rows.stop, j + columns.start : j + columns.stop] = tile
                done += tile.size
                progress(f"{name} similarity", min(done, pairs), pairs)
    matrix = finished(result, signed=is_code(brief.labeler))
    idle = sorted(stacks.idle)
    matrix[np.ix_(idle, idle)] = 1
    if idle:
        listing = ", ".join(map(str, idle))
        warnings.warn(f"labels without effect on {brief.references.name}: {listing}", NoEffectWarning, stacklevel=5)
    return matrix


class _Stacks:
    """Stacked signatures of blocks of recipes, made when asked for, the last two kept."""

    def __init__(self, recipes: Sequence[Recipe], brief: Brief, correlation: Correlation) -> None:
        self.recipes, self.brief, self.correlation = recipes, brief, correlation
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
        seen = effect(self.brief.labeler, self.recipes[k], self.brief.references)
        if not seen.changed:
            self.idle.add(k)
        return seen.signature / np.float32(np.sqrt(max(seen.changed, 1)))
