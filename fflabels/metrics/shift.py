"""``shift``: the largest correlation of two labels over all cyclic shifts of one against the other [ours]."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fflabels.metrics.blocks import BLOCK_BYTES, FEW, Block, Correlation, Signature, Tile, correlate
from fflabels.metrics.metric import Matrix, Metric
from fflabels.progress import Progress
from fflabels.recipe import Recipe

if TYPE_CHECKING:
    from fflabels.brief import Brief

TILE = 64
"""Pairs of 64 × 64 labels go through one inverse transform: 16 MiB at 32×32, near the processor."""

TILE_BYTES = 64 << 20
"""The most memory of a tile's correlations: fewer pairs go together where images are larger than 64×64."""


class Shift(Correlation):
    """The largest |Σ| over all cyclic shifts of one label against the other, by the correlation theorem."""

    additive = False

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.planes = shape[0] * shape[1]
        self.height, self.width = shape[2:]

    def bytes_each(self) -> int:
        """Return 8 bytes per value of the half spectrum."""
        return 8 * self.planes * self.height * (self.width // 2 + 1)

    def stack(self, signatures: Iterable[Signature], count: int) -> Block:
        """Return the half spectra, (H, W//2 + 1, count, M·C) complex64."""
        from scipy import fft  # takes a moment to import

        block = np.empty((self.height, self.width // 2 + 1, count, self.planes), np.complex64)
        for k, signature in enumerate(signatures):
            spectra = fft.rfft2(signature).reshape(self.planes, self.height, -1)
            block[:, :, k] = np.moveaxis(spectra, 0, -1)
        return block

    def tiles(self, a: Block, b: Block, same: bool) -> Iterator[Tile]:
        """Yield tiles of `TILE` × `TILE` pairs: cross-spectra summed over images, back-transformed, largest taken."""
        from scipy import fft  # takes a moment to import

        size = max(1, min(TILE, math.isqrt(TILE_BYTES // (4 * self.height * self.width))))
        few = BLOCK_BYTES // self.bytes_each() < FEW
        conjugates = min(size, max(1, TILE_BYTES // self.bytes_each())) if few else size  # they take memory, too
        for rows in _parts(a.shape[2], conjugates):
            conjugate = a[:, :, rows].conj()
            for columns in _parts(b.shape[2], size):
                if same and columns.stop <= rows.start:
                    continue
                cross = np.matmul(conjugate, b[:, :, columns].swapaxes(2, 3))
                everywhere = fft.irfft2(cross, s=(self.height, self.width), axes=(0, 1), overwrite_x=True)
                yield rows, columns, np.maximum(everywhere.max((0, 1)), -everywhere.min((0, 1)))

    def bytes_of_sum(self) -> int:
        """Return 8 bytes per value of one plane's half spectrum."""
        return 8 * self.height * (self.width // 2 + 1)

    def summand(self, a: Block, b: Block) -> Block:
        """Return the cross-spectra, (H, W//2 + 1, rows, columns) complex64."""
        cross: Block = np.matmul(a.conj(), b.swapaxes(2, 3))
        return cross

    def of_sum(self, total: Block) -> Matrix:
        """Return the largest |Σ| over all shifts, row by row: (rows, columns)."""
        from scipy import fft  # takes a moment to import

        largest = np.empty(total.shape[2:], np.float32)
        for k in range(len(largest)):
            everywhere = fft.irfft2(total[:, :, k], s=(self.height, self.width), axes=(0, 1))
            largest[k] = np.maximum(everywhere.max((0, 1)), -everywhere.min((0, 1)))
        return largest


def compute(recipes: Sequence[Recipe], brief: Brief, progress: Progress) -> Matrix:
    """Return the largest absolute mean correlation over all cyclic shifts, (n, n): convolutions are blind to shifts."""
    return correlate("shift", Shift, recipes, brief, progress)


METRIC = Metric("shift", compute)


def _parts(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
