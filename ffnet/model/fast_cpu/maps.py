"""Sums, maxima and gradients over maps, written for a CPU's caches; a GPU uses PyTorch's own.

Letters of shapes: N samples, C channels, F filters, H×W pixels, P = N·H·W.
"""

from __future__ import annotations

import itertools
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional as F

VALUES = 1 << 16
"""Number of values squared at once, which fit a CPU's cache."""

SMALL_MAP = 16
"""On a CPU, maps of at most this many pixels get their weight gradient from one matrix product. PyTorch's convolutions
of maps that small are several times slower."""


def accumulate_dtype(x: Tensor) -> torch.dtype:
    """Return the type for sums over x: float64 for float64, else float32."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def needs_pytorch_ops() -> bool:
    """Return whether PyTorch's operations must be used, on a CPU as well: for autograd and compilers."""
    return torch.is_grad_enabled() or torch.compiler.is_compiling()


def pixels_first(x_NCHW: Tensor) -> bool:
    """Return whether x is in memory as (H, W, N, C), float32 or float64, like the result of a spectral convolution."""
    if x_NCHW.dtype != accumulate_dtype(x_NCHW):
        return False
    return x_NCHW.permute(2, 3, 0, 1).is_contiguous() and not x_NCHW.is_contiguous()


def mean_squares(y_NCHW: Tensor) -> Tensor:
    """Return s_NC, the mean of y² over pixels, in float32 (float64 for float64)."""
    dtype = accumulate_dtype(y_NCHW)
    if needs_pytorch_ops() or y_NCHW.device.type != "cpu":
        return y_NCHW.to(dtype).square().mean((2, 3))
    if not pixels_first(y_NCHW):
        samples = max(1, VALUES // max(1, y_NCHW[0].numel())) if len(y_NCHW) else 1
        return torch.cat([part.to(dtype).square().mean((2, 3)) for part in torch.split(y_NCHW, samples)])
    s_NC = y_NCHW.new_zeros(y_NCHW.shape[:2])
    pixels_PNC = y_NCHW.permute(2, 3, 0, 1).flatten(0, 1)
    for pixel_NC in pixels_PNC:
        s_NC.addcmul_(pixel_NC, pixel_NC)
    return s_NC.div_(len(pixels_PNC))


def max_pool(y_NCHW: Tensor, width: int) -> Tensor:
    """Return the maxima over squares of `width` × `width` pixels; a remainder at the border is dropped."""
    if width == 1:
        return y_NCHW
    if needs_pytorch_ops() or y_NCHW.device.type != "cpu":
        return F.max_pool2d(y_NCHW, width)
    bottom, right = (side // width * width for side in y_NCHW.shape[2:])
    rows_NCHW = reduce(torch.maximum, (y_NCHW[:, :, k:bottom:width] for k in range(width)))
    return reduce(torch.maximum, (rows_NCHW[..., k:right:width] for k in range(width)))


def suits_product_gradient(grad_y_NCHW: Tensor) -> bool:
    """Return whether `product_gradient` is faster than PyTorch's weight gradient: small maps on a CPU."""
    height, width = grad_y_NCHW.shape[2:]
    return height * width <= SMALL_MAP and grad_y_NCHW.device.type == "cpu"


def product_gradient(x_NCHW: Tensor, grad_y_NCHW: Tensor, kernel: int) -> tuple[Tensor, Tensor]:
    """Return the gradient of weight and bias of a convolution with stride 1, as one matrix product."""
    filters, height, width = grad_y_NCHW.shape[1:]
    padded_NHWC = F.pad(x_NCHW, [kernel // 2] * 4).permute(0, 2, 3, 1)
    shifts = itertools.product(range(kernel), repeat=2)
    taps_NHWC = [padded_NHWC[:, down : down + height, right : right + width] for down, right in shifts]
    grad_y_PF = grad_y_NCHW.permute(0, 2, 3, 1).flatten(0, 2)
    grad_weight = grad_y_PF.T @ torch.cat(taps_NHWC, 3).flatten(0, 2)
    return grad_weight.view(filters, kernel, kernel, -1).permute(0, 3, 1, 2), grad_y_PF.sum(0)
