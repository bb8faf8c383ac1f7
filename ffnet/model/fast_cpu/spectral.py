"""Convolution in the Fourier domain, as one small matrix product between channels per frequency.

A direct k×k convolution takes k² multiplications per pixel and pair of channels. In the Fourier domain a map has
P×(P//2 + 1) frequencies, P = H + k//2, with three multiplications each: with those of the transforms, an eleventh for
28×28 pixels, k = 7 and 128 channels. The result is exact up to rounding.

The algorithm is bilinear: y = Aᵀ[(G w) ⊙ (B x)], with small matrices A, B, G along each axis. Along the width they are
a DFT of real numbers; along the height a DFT of complex numbers, whose products are three real products each (Gauss).
⊙ is a matrix product: samples × channels times channels × filters. The gradient of the weights is the transpose:
∂w = Gᵀ[(A ∂y)ᵀ ⊙ (B x)].

Maps are pixels first in memory, (H, W, N, C), so every step multiplies contiguous matrices.

Letters of shapes: N samples (S of them with a gradient), I channels, O filters, H×W pixels, K filter taps,
U frequencies along the width, V along the height, J = 3·V products along the height, 2 real and imaginary part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from ffnet.model.fast_cpu.scratch import Scratch

PASSES = 4
"""The frequencies are processed in this many parts: more parts take less memory and somewhat more time."""

GAIN = 2.5
"""Required ratio of direct to spectral multiplications, since products of small matrices run at half the speed."""


RowMap: TypeAlias = Callable[[Tensor], Tensor]
"""A function from one row of maps, (W, N, C), to another."""


class Block(NamedTuple):
    """The matrices along the width for a part of the frequencies."""

    rows: Tensor
    """B, (2U, W)."""
    taps: Tensor
    """G, (2U, K)."""
    back: Tensor
    """Aᵀ, (W, 2U)."""


class Basis(NamedTuple):
    """The matrices for one size of maps and one size of filters."""

    rows: Tensor
    """B along the width, (2, U, W)."""
    row_taps: Tensor
    """G along the width, (2, U, K)."""
    rows_back: Tensor
    """Aᵀ along the width, (W, 2, U)."""
    columns: Tensor
    """B along the height, (J, H2)."""
    column_taps: Tensor
    """G along the height, (J, K2)."""
    columns_back: Tensor
    """Aᵀ along the height, (H2, J)."""

    def blocks(self) -> Iterator[Block]:
        """Yield the matrices along the width for each part of the frequencies."""
        frequencies, width = self.rows.shape[1:]
        size = -(-frequencies // PASSES)
        for start in range(0, frequencies, size):
            part = slice(start, start + size)
            rows, taps = self.rows[:, part].flatten(0, 1), self.row_taps[:, part].flatten(0, 1)
            yield Block(rows, taps, self.rows_back[:, :, part].reshape(width, -1))


@cache
def basis(height: int, width: int, kernel: int, dtype: torch.dtype) -> Basis:
    """Return the matrices, computed in float64 and converted to `dtype`.

    The period is the length of the map plus half a filter, so values that wrap around land on pixels that are cut off.
    """
    reach = kernel // 2
    taps = torch.arange(kernel, dtype=torch.float64) - reach

    def angles(frequencies: int, positions: Tensor, period: int) -> Tensor:
        return torch.arange(frequencies, dtype=torch.float64)[:, None] * positions * (2 * torch.pi / period)

    def stacked(cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
        """Return the real and the imaginary part of (cos + i·sin)·(a + i·b) as matrices that act on (a, b)."""
        return torch.stack([cos, -sin], 2).flatten(1), torch.stack([sin, cos], 2).flatten(1)

    # Along the width: a DFT of real numbers. Only frequencies u ≥ 0 are kept; all but 0 and period/2 stand for −u too.
    x, period = torch.arange(width, dtype=torch.float64), width + reach
    frequencies = period // 2 + 1
    pixel_UW, tap_UK = angles(frequencies, x, period), angles(frequencies, taps, period)
    multiplicity_U = torch.full((frequencies, 1), 2.0, dtype=torch.float64)
    multiplicity_U[0] = 1
    if period % 2 == 0:
        multiplicity_U[-1] = 1
    rows = torch.stack([pixel_UW.cos(), -pixel_UW.sin()])
    row_taps = torch.stack([tap_UK.cos(), tap_UK.sin()])  # the complex conjugate, because a layer correlates
    rows_back = (rows * multiplicity_U / period).permute(2, 0, 1)

    # Along the height: a DFT of complex numbers. Gauss multiplies two of them with three real products:
    # with p = (a + b)·c, q = a·(d − c), r = b·(c + d), (a + i·b)·(c + i·d) = (p − r) + i·(p + q).
    y, period = torch.arange(height, dtype=torch.float64), height + reach
    pixel_VH, tap_VK = angles(period, y, period), angles(period, taps, period)
    re, im = stacked(pixel_VH.cos(), -pixel_VH.sin())
    columns = torch.cat([re + im, re, im])
    re, im = stacked(tap_VK.cos(), tap_VK.sin())
    column_taps = torch.cat([re, im - re, re + im])
    cos, sin = pixel_VH.T.cos() / period, pixel_VH.T.sin() / period
    columns_back = torch.stack([torch.cat([cos - sin, -sin, -cos], 1), torch.cat([sin + cos, cos, -sin], 1)], 1)
    matrices = (rows, row_taps, rows_back, columns, column_taps, columns_back.flatten(0, 1))
    return Basis(*(matrix.to(dtype).contiguous() for matrix in matrices))


@cache
def pays(samples: int, channels: int, filters: int, height: int, width: int, kernel: int) -> bool:
    """Return whether it saves enough multiplications to be faster: a fixed rule, so that runs are reproducible."""
    return saving(samples, channels, filters, height, width, kernel) > GAIN


def saving(samples: int, channels: int, filters: int, height: int, width: int, kernel: int) -> float:
    """Return how many times more multiplications the direct convolution needs."""
    columns, rows = height + kernel // 2, (width + kernel // 2) // 2 + 1
    products = 3 * columns * rows
    of_maps = samples * (channels + filters) * height * 2 * (width * rows + products)
    of_filters = channels * filters * kernel * 2 * (kernel * rows + products)
    spectral = of_maps + of_filters + samples * channels * filters * products
    return samples * channels * filters * height * width * kernel**2 / spectral


def convolve(x_NIHW: Tensor, weight_OIKK: Tensor, scratch: Scratch) -> Tensor:
    """Return the convolution with same padding and stride 1, (N, O, H, W), pixels first in memory.

    The result is in the memory of `scratch`, but does not overwrite `x_NIHW`, which may be there too.
    """
    # Get the matrices, and the memory of the result.
    samples, channels, height, width = x_NIHW.shape
    filters, kernel = weight_OIKK.shape[0], weight_OIKK.shape[2]
    matrices = basis(height, width, kernel, x_NIHW.dtype)
    weight_KKOI = weight_OIKK.permute(2, 3, 0, 1).reshape(kernel, kernel, -1)
    y_HWNO = scratch.take_beside(x_NIHW, "map", (height, width, samples * filters))
    for part, block in enumerate(matrices.blocks()):
        # Transform filters and maps along the width.
        frequencies = len(block.taps) // 2
        taps_KUOI = (block.taps @ weight_KKOI).view(2 * kernel, frequencies, -1)
        x_HUNI = _rows(x_NIHW, block.rows, scratch.take("x", (height, 2 * frequencies, samples * channels), x_NIHW))

        # For each frequency: transform along the height, multiply channels by filters, transform back.
        y_HUNO = scratch.take("y", (2 * height, frequencies, samples * filters), x_NIHW)
        for u in range(frequencies):
            x_JNI = (matrices.columns @ x_HUNI[:, u]).view(-1, samples, channels)
            taps_JOI = (matrices.column_taps @ taps_KUOI[:, u]).view(-1, filters, channels)
            y_JNO = torch.bmm(x_JNI, taps_JOI.transpose(1, 2))
            torch.mm(matrices.columns_back, y_JNO.flatten(1), out=y_HUNO[:, u])

        # Transform back along the width; add to the other parts.
        y_HUNO = y_HUNO.view(height, 2 * frequencies, -1)
        y_HWNO.baddbmm_(block.back.expand(height, -1, -1), y_HUNO, beta=float(part > 0))
    return y_HWNO.view(height, width, samples, filters).permute(2, 3, 0, 1)


def weight_gradient(
    x_NIHW: Tensor, y_NOHW: Tensor, row_gradient: RowMap, samples_S: Tensor | None, kernel: int, scratch: Scratch
) -> tuple[Tensor, Tensor]:
    """Return the gradient with respect to the weights, (O, I, K, K), and to the bias, (O,).

    Parameters
    ----------
    x_NIHW, y_NOHW
        Input of the convolution, and activity.
    row_gradient
        A row of activities (W, S, O) → the gradient with respect to the convolution there.
    samples_S
        The samples that have a gradient; default: all.
    """
    # Get the matrices, and the memory of the result.
    height, width = x_NIHW.shape[2:]
    channels, filters = x_NIHW.shape[1], y_NOHW.shape[1]
    samples = len(x_NIHW) if samples_S is None else len(samples_S)
    matrices = basis(height, width, kernel, x_NIHW.dtype)
    grad_weight_KKOI = x_NIHW.new_zeros(kernel, kernel, filters * channels)
    grad_bias_O = x_NIHW.new_zeros(filters)
    for part, block in enumerate(matrices.blocks()):
        # Transform input and gradient along the width.
        frequencies = len(block.taps) // 2
        out = scratch.take("x", (height, 2 * frequencies, samples * channels), x_NIHW)
        x_HUNI = _rows(x_NIHW, block.rows, out, samples_S)
        out = scratch.take("y", (height, 2 * frequencies, samples * filters), x_NIHW)
        y_HUNO = _rows(y_NOHW, block.back.T.contiguous(), out, samples_S, row_gradient)

        # For each frequency: transform along the height, multiply filters by channels, transform back.
        taps_KUOI = x_NIHW.new_empty(2 * kernel, frequencies, filters * channels)
        for u in range(frequencies):
            x_JNI = (matrices.columns @ x_HUNI[:, u]).view(-1, samples, channels)
            y_JNO = (matrices.columns_back.T @ y_HUNO[:, u]).view(-1, samples, filters)
            taps_JOI = torch.bmm(y_JNO.transpose(1, 2), x_JNI)
            torch.mm(matrices.column_taps.T, taps_JOI.flatten(1), out=taps_KUOI[:, u])

        # Transform back along the width; add to the other parts.
        taps_KUOI = taps_KUOI.view(kernel, 2 * frequencies, -1)
        grad_weight_KKOI.baddbmm_(block.taps.T.expand(kernel, -1, -1), taps_KUOI)
        if part == 0:  # frequency 0 of a row is proportional to its sum over the pixels
            grad_bias_O = y_HUNO[::2, 0].sum(0).view(samples, filters).sum(0) / block.back[0, 0]
    return grad_weight_KKOI.view(kernel, kernel, filters, channels).permute(2, 3, 0, 1), grad_bias_O


def _rows(
    maps_NCHW: Tensor, matrix: Tensor, out: Tensor, samples_S: Tensor | None = None, of_row: RowMap | None = None
) -> Tensor:
    """Return all rows of the chosen samples transformed along the width, (2H, U, N·C), in `out`.

    `of_row` is applied to each row first.
    """
    for row_UNC, row_WNC in zip(out, maps_NCHW.permute(2, 3, 0, 1), strict=True):
        if samples_S is not None:
            row_WNC = row_WNC.index_select(1, samples_S)
        if of_row:
            row_WNC = of_row(row_WNC)
        torch.mm(matrix, row_WNC.reshape(len(row_WNC), -1), out=row_UNC)
    return out.view(2 * len(out), len(matrix) // 2, -1)
