"""Sums, maxima and gradients over maps, written for a CPU's caches; elsewhere PyTorch's own are taken.

Letters of shapes: N samples, C channels, F filters, H×W pixels, P = N·H·W.
"""

from __future__ import annotations

import itertools
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional as F

VALUES = 1 << 16
"""Squares are taken of about this many values at once: they fit a CPU's cache."""

SMALL_MAP = 16
"""On a CPU, maps of at most this many pixels get their weight gradient from one matrix product: convolutions of maps
that small are several times slower."""


def accumulate_dtype(x: Tensor) -> torch.dtype:
    """Return the type that sums over x are taken in: float64 for float64, else float32."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def pixels_first(x_NCHW: Tensor) -> bool:
    """Return whether x lies (H, W, N, C) in memory, in float32 or float64: so spectral convolutions leave it."""
    wide = x_NCHW.dtype == accumulate_dtype(x_NCHW)
    return wide and x_NCHW.permute(2, 3, 0, 1).is_contiguous() and not x_NCHW.is_contiguous()


def mean_squares(y_NCHW: Tensor) -> Tensor:
    """Return s_NC, the mean of y² over pixels, summed in float32 (float64 for float64) whatever y is."""
    wide = accumulate_dtype(y_NCHW)
    if torch.is_grad_enabled() or y_NCHW.device.type != "cpu":
        return y_NCHW.to(wide).square().mean((2, 3))
    if not pixels_first(y_NCHW):
        samples = max(1, VALUES // max(1, y_NCHW[0].numel())) if len(y_NCHW) else 1
        return torch.cat([part.to(wide).square().mean((2, 3)) for part in torch.split(y_NCHW, samples)])
    s_NC = y_NCHW.new_zeros(y_NCHW.shape[:2])
    pixels_PNC = y_NCHW.permute(2, 3, 0, 1).flatten(0, 1)
    for pixel_NC in pixels_PNC:
        s_NC.addcmul_(pixel_NC, pixel_NC)
    return s_NC.div_(len(pixels_PNC))


def max_pool(y_NCHW: Tensor, width: int) -> Tensor:
    """Return the maxima over squares of `width` pixels; a remainder at the border is dropped."""
    if width == 1:
        return y_NCHW
    if torch.is_grad_enabled() or y_NCHW.device.type != "cpu":
        return F.max_pool2d(y_NCHW, width)
    height, right = (side // width * width for side in y_NCHW.shape[2:])
    rows_NCHW = reduce(torch.maximum, (y_NCHW[:, :, k:height:width] for k in range(width)))
    return reduce(torch.maximum, (rows_NCHW[..., k:right:width] for k in range(width)))


def suits_product_gradient(by_y_NCHW: Tensor) -> bool:
    """Return whether `product_gradient` is the faster way to the weight gradient."""
    height, width = by_y_NCHW.shape[2:]
    return height * width <= SMALL_MAP and by_y_NCHW.device.type == "cpu"


def product_gradient(x_NCHW: Tensor, by_y_NCHW: Tensor, kernel: int) -> tuple[Tensor, Tensor]:
    """Return the gradient by weight and bias of a convolution of stride 1, as one matrix product."""
    filters, height, width = by_y_NCHW.shape[1:]
    padded_NHWC = F.pad(x_NCHW, [kernel // 2] * 4).permute(0, 2, 3, 1)
    shifts = itertools.product(range(kernel), repeat=2)
    taps_NHWC = [padded_NHWC[:, down : down + height, right : right + width] for down, right in shifts]
    by_y_PF = by_y_NCHW.permute(0, 2, 3, 1).flatten(0, 2)
    by_weight = by_y_PF.T @ torch.cat(taps_NHWC, 3).flatten(0, 2)
    return by_weight.view(filters, kernel, kernel, -1).permute(0, 3, 1, 2), by_y_PF.sum(0)
