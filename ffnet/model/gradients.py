"""Pieces of a layer's gradient in closed form: through relu, through max pooling, of a convolution's filters.

Letters of shapes: N samples, C channels, H×W pixels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ffnet.model.fast_cpu.maps import accumulate_dtype, product_gradient, suits_product_gradient


class Offset(NamedTuple):
    """∂loss/∂y of a loss that depends only on the mean activities of the first samples: the same at all pixels."""

    slope: Tensor
    """∂loss/∂y at each pixel of a channel, (C,)."""
    samples: int
    """Number of first samples; the others have no gradient."""


class FullGradientReLU(torch.autograd.Function):
    """relu whose gradient is 1 everywhere [base]."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        """Return relu(x)."""
        return x.relu()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep nothing."""

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor) -> Tensor:  # noqa: ARG004 - autograd's signature
        """Return the gradient unchanged."""
        return grad_y


def without_negligible(slope: Tensor) -> Tensor:
    """Return ∂loss/∂s; on a CPU with 0 for values near the smallest normal number, below 10⁻³⁰ in float32 [ours].

    They change no weight, but their products with activities are subnormal numbers, and a few of those make a
    convolution up to ten times slower on some CPUs.
    """
    if slope.device.type != "cpu":
        return slope
    return torch.where(slope.abs() < 1e8 * torch.finfo(slope.dtype).tiny, 0, slope)


def before_pooling(grad_NCHW: Tensor, winners_NCHW: Tensor, width: int, size: tuple[int, int]) -> Tensor:
    """Return the gradient with respect to the input of a max pooling, given that with respect to its result.

    Parameters
    ----------
    grad_NCHW, winners_NCHW
        The gradient, and the indices that `torch.nn.functional.max_pool2d` returned.
    width, size
        Width of the pooling's windows; height and width of its input.
    """
    channels_last = grad_NCHW.is_contiguous(memory_format=torch.channels_last)
    like_NCHW = torch.empty(  # only its shape and layout are read
        (*grad_NCHW.shape[:2], *size),
        dtype=grad_NCHW.dtype,
        device=grad_NCHW.device,
        memory_format=torch.channels_last if channels_last else torch.contiguous_format,
    )
    side = [width] * 2
    backward = torch.ops.aten.max_pool2d_with_indices_backward
    before_NCHW: Tensor = backward(grad_NCHW, like_NCHW, side, side, [0, 0], [1, 1], False, winners_NCHW)
    return before_NCHW


def convolution_gradient(x_NCHW: Tensor, grad_y_NCHW: Tensor, weight: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Return the gradient with respect to weight and bias of a convolution with same padding."""
    filters, kernel = weight.shape[0], weight.shape[2]
    if stride == 1 and suits_product_gradient(grad_y_NCHW):
        return product_gradient(x_NCHW, grad_y_NCHW, kernel)
    _, grad_weight, grad_bias = torch.ops.aten.convolution_backward(
        grad_y_NCHW,
        x_NCHW,
        weight.to(grad_y_NCHW.dtype),
        [filters],
        [stride] * 2,
        [kernel // 2] * 2,
        [1, 1],
        False,
        [0, 0],
        1,
        [False, True, True],
    )
    return grad_weight, grad_bias


def constant_gradient(x_NCHW: Tensor, offset: Offset, kernel: int, stride: int) -> tuple[Tensor, Tensor]:
    """Return the gradient with respect to weight and bias of a convolution whose result has the gradient `offset`.

    Since it is the same at all pixels, the samples are added up first and convolved once.
    """
    x_NHWC = x_NCHW[: offset.samples].permute(0, 2, 3, 1)  # as a layer's maps are in memory: a faster sum
    x_CHW = x_NHWC.sum(0, dtype=accumulate_dtype(x_NCHW)).permute(2, 0, 1)
    taps_TP = F.unfold(x_CHW[None], kernel, padding=kernel // 2, stride=stride)[0]  # T = C·K² taps, P pixels
    grad_weight = offset.slope[:, None] * taps_TP.sum(1)
    pixels = offset.samples * taps_TP.shape[1]
    return grad_weight.view(-1, len(x_CHW), kernel, kernel), offset.slope * pixels
