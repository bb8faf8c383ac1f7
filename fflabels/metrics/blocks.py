"""Correlations of all pairs of signatures, a block of them against a block, in bounded memory."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
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

FEW = 64
"""If fewer signatures than this fit in a block, and they are not additive, more rows than columns are kept."""

BESIDE = 3
"""Room for this many signatures is then reserved as working memory for making and correlating them."""

MANY = 3
"""With more blocks than these, signatures are made image by image instead of anew for every pair of blocks."""


SUM_BYTES = 128 << 20
"""Limit for each of these: the sums of one block of pairs, one image's summand, and the stack of either side."""


class Correlation(Protocol):
    """A metric's way of stacking signatures of `shape` (M, C, H, W) and of correlating two stacks.

    Attributes
    ----------
    additive
        Whether the correlations on all images are the sums of those on some. If not, `summand` of two stacks adds up
        over images, and `of_sum` makes correlations of the sum.
    """

    additive: bool

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

    def bytes_of_sum(self) -> int:
        """Return what the sum of one pair takes."""
        ...

    def summand(self, a: Block, b: Block) -> Block:
        """Return what adds up over images, of all pairs of two blocks of signatures that are of unit length on each."""
        ...

    def of_sum(self, total: Block) -> Matrix:
        """Return the correlations of all pairs of two blocks, times the number of images."""
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
    if correlation.additive and not single and len(recipes) > MANY * stacks.size:
        result, changed = _image_by_image(name, correlation_type, recipes, brief, progress)
    elif not correlation.additive and not single and (side := _side(correlation)) > 2 * stacks.rows:
        result, changed = _sum_by_sum(name, correlation_type, recipes, brief, side, progress)
    else:
        pairs_done = _PairProgress(name, len(recipes), 1, progress)
        result = _block_by_block(stacks, pairs_done)
        changed = stacks.changed
    matrix = finished(result, signed=is_code(brief.labeler))
    idle = np.flatnonzero(changed == 0).tolist()
    matrix[np.ix_(idle, idle)] = 1
    if idle:
        listing = ", ".join(map(str, idle))
        warnings.warn(f"labels without effect on {brief.references.name}: {listing}", NoEffectWarning, stacklevel=5)
    return matrix


def _block_by_block(stacks: _Stacks, pairs_done: _PairProgress) -> Matrix:
    """Return the correlations of all pairs: a block of rows is kept while the columns beside it pass."""
    n, rows, columns = len(stacks.recipes), stacks.rows, stacks.columns
    result = np.zeros((n, n), np.float32)

    def correlate_blocks(a: Block, i: int, b: Block, j: int) -> None:
        for down, across, tile in stacks.correlation.tiles(a, b, i == j):
            result[i + down.start : i + down.stop, j + across.start : j + across.stop] = tile
            pairs_done.add(tile.size)

    block = beside = None
    for i in range(0, n, rows):
        block = beside if rows == columns else None  # dropped before the next one is made: memory
        block = stacks.made(i, rows) if block is None else block
        correlate_blocks(block, i, block, i)
        for j in reversed(range(i + rows, n, columns)):  # ends beside the rows, at what may be the next rows
            beside = None
            beside = stacks.made(j, columns)
            correlate_blocks(block, i, beside, j)
    return result


def _image_by_image(
    name: str, correlation_type: type[Correlation], recipes: Sequence[Recipe], brief: Brief, progress: Progress
) -> tuple[Matrix, npt.NDArray[np.int64]]:
    """Return the correlations, summed over a few images at a time, and how many images each label changes.

    All labels' signatures on these few are held together, so that each is made once instead of once per block.
    """
    n, (images, *shape) = len(recipes), brief.references.images.shape
    together = max(1, BLOCK_BYTES // (n * correlation_type((1, *shape)).bytes_each()))
    pairs_done = _PairProgress(name, n, -(-images // together), progress)
    result, changed = np.zeros((n, n), np.float32), np.zeros(n, np.int64)
    for first in range(0, images, together):
        some = replace(brief, references=brief.references.part(slice(first, first + together)))
        stacks = _Stacks(recipes, some, correlation_type(some.references.images.shape), raw=True)
        result += _block_by_block(stacks, pairs_done)
        changed += stacks.changed
    return _per_image(result, changed), changed


def _side(correlation: Correlation) -> int:
    """Return how many rows and columns of sums `SUM_BYTES` hold."""
    return max(1, math.isqrt(SUM_BYTES // correlation.bytes_of_sum()))


def _sum_by_sum(
    name: str, correlation_type: type[Correlation], recipes: Sequence[Recipe], brief: Brief, side: int,
    progress: Progress,
) -> tuple[Matrix, npt.NDArray[np.int64]]:  # fmt: skip
    """Return the correlations, made of sums over the images, and how many images each label changes.

    For signatures so large that only a few would fit in memory: the sums of `side` by `side` pairs are held, and the
    signatures on a few images at a time.
    """
    n, (images, *shape) = len(recipes), brief.references.images.shape
    together = max(1, SUM_BYTES // (side * correlation_type((1, *shape)).bytes_each()))
    parts = [brief.references.part(slice(first, first + together)) for first in range(0, images, together)]
    pairs_done = _PairProgress(name, n, 1, progress)
    result, changed = np.zeros((n, n), np.float32), np.zeros(n, np.int64)
    for i in range(0, n, side):
        for j in range(i, n, side):
            total: Block | None = None
            for some in parts:
                correlation = correlation_type(some.images.shape)
                stacks = _Stacks(recipes, replace(brief, references=some), correlation, raw=True)
                rows = stacks.made(i, side)
                summand = correlation.summand(rows, rows if i == j else stacks.made(j, side))
                total = summand if total is None else np.add(total, summand, out=total)
                changed += stacks.changed if i == j else 0
            assert total is not None
            tile = correlation.of_sum(total)
            result[i : i + side, j : j + side] = tile
            pairs_done.add(tile.size)
    return _per_image(result, changed), changed


def _per_image(sums: Matrix, changed: npt.NDArray[np.int64]) -> Matrix:
    """Return Σᵢ rᵢ / √(mₐ·m_b) of the sums of all pairs."""
    scale = 1 / np.sqrt(np.maximum(changed, 1))
    return (sums * scale[:, None] * scale).astype(np.float32)


class _PairProgress:
    """Reports how many of all pairs are done; each pair counts once per round."""

    def __init__(self, name: str, n: int, rounds: int, progress: Progress) -> None:
        self.name, self.done, self.total, self.progress = name, 0, rounds * n * (n + 1) // 2, progress

    def add(self, pairs: int) -> None:
        """Report more pairs."""
        self.done = min(self.done + pairs, self.total)
        self.progress(f"{self.name} similarity", self.done, self.total)


class _Stacks:
    """Stacked signatures of blocks of recipes, made when asked for.

    Signatures are of unit length over all images that a label changes, or `raw`: of unit length on each.

    Attributes
    ----------
    size
        How many signatures `BLOCK_BYTES` hold.
    rows, columns
        How many are held for either side, with `FEW` of them unequally: the more rows, the less often columns are made.
    """

    def __init__(self, recipes: Sequence[Recipe], brief: Brief, correlation: Correlation, *, raw: bool = False) -> None:
        self.recipes, self.brief, self.correlation = recipes, brief, correlation
        self.size = max(1, BLOCK_BYTES // correlation.bytes_each())
        self.rows = self.columns = self.size
        if self.size < FEW and not correlation.additive:
            self.columns = max(1, self.size // 8)
            self.rows = max(1, 2 * self.size - self.columns - BESIDE)
        self.raw, self.changed = raw, np.zeros(len(recipes), np.int64)

    def made(self, start: int, count: int) -> Block:
        """Return the signatures of `count` recipes, or of those that there are, as one block."""
        part = range(start, min(start + count, len(self.recipes)))
        return self.correlation.stack((self._signature(k) for k in part), len(part))

    def _signature(self, k: int) -> Signature:
        seen = effect(self.brief.labeler, self.recipes[k], self.brief.references)
        self.changed[k] = seen.changed
        return seen.signature if self.raw else seen.signature / np.float32(np.sqrt(max(seen.changed, 1)))
