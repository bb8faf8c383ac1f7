"""Correlations of all pairs of signatures, a block of them against a block: plain, and the largest over shifts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft2, rfft2

Signature: TypeAlias = npt.NDArray[np.float32]
"""(M, C, H, W): one label's residuals on M images, of unit length in all."""

Block: TypeAlias = npt.NDArray[Any]
Tile: TypeAlias = tuple[slice, slice, npt.NDArray[np.float32]]
"""Rows and columns within a pair of blocks, and the correlations there."""

TILE = 64
"""Pairs of 64 × 64 labels go through one inverse transform: 16 MiB at 32×32, near the processor."""


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


class Pearson(Correlation):
    """Σ over images and pixels of the product: one matrix product."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.size = int(np.prod(shape))

    def bytes_each(self) -> int:
        """Return 4 a value."""
        return 4 * self.size

    def stack(self, signatures: Iterable[Signature], count: int) -> Block:
        """Return (count, M·C·H·W) float32."""
        block = np.empty((count, self.size), np.float32)
        for k, signature in enumerate(signatures):
            block[k] = signature.ravel()
        return block

    def tiles(self, a: Block, b: Block, same: bool) -> Iterator[Tile]:
        """Yield the one tile that there is."""
        yield slice(0, len(a)), slice(0, len(b)), a @ b.T


class Shift(Correlation):
    """The largest |Σ| over all cyclic shifts of one label against the other, by the correlation theorem."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.planes = shape[0] * shape[1]
        self.height, self.width = shape[2:]

    def bytes_each(self) -> int:
        """Return 8 a value of the half spectrum."""
        return 8 * self.planes * self.height * (self.width // 2 + 1)

    def stack(self, signatures: Iterable[Signature], count: int) -> Block:
        """Return the half spectra, (H, W//2 + 1, count, M·C) complex64."""
        block = np.empty((self.height, self.width // 2 + 1, count, self.planes), np.complex64)
        for k, signature in enumerate(signatures):
            spectra = rfft2(signature).reshape(self.planes, self.height, -1)
            block[:, :, k] = np.moveaxis(spectra, 0, -1)
        return block

    def tiles(self, a: Block, b: Block, same: bool) -> Iterator[Tile]:
        """Yield tiles of `TILE` × `TILE` pairs: cross-spectra summed over images, back-transformed, largest taken."""
        for rows in _parts(a.shape[2]):
            conjugate = a[:, :, rows].conj()
            for columns in _parts(b.shape[2]):
                if same and columns.stop <= rows.start:
                    continue
                cross = np.matmul(conjugate, b[:, :, columns].swapaxes(2, 3))
                everywhere = irfft2(cross, s=(self.height, self.width), axes=(0, 1), overwrite_x=True)
                yield rows, columns, np.maximum(everywhere.max((0, 1)), -everywhere.min((0, 1)))


def _parts(count: int) -> Iterator[slice]:
    for start in range(0, count, TILE):
        yield slice(start, min(start + TILE, count))
