"""One local layer: normalise, convolve, rectify; its goodness and the closed-form gradient of its own loss.

Tensor names carry their shape: N samples, C channels, H×W pixels.
"""

from __future__ import annotations

import itertools
import math
from functools import reduce
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffnet.config import Convolution, Norm
from ffnet.model.fast_cpu import spectral
from ffnet.model.fast_cpu.scratch import Scratch
from ffnet.model.initial import Filters, get_init
from ffnet.system.ranks import ALONE

EPSILON = 1e-5
MOMENTUM = 0.1
VALUES = 1 << 16
"""A processor takes squares of about so many values at once: they fit its cache."""

FEW = 16
"""Pixels up to which a processor takes the gradient by the weights as a matrix product: convolutions of maps as small
are several times as slow."""


class LocalLayer(nn.Module):
    """y = relu(conv(norm(x)) + b), and the pooling behind it.

    Parameters
    ----------
    channels, width
        Channels in, filters.
    kernel, stride, pool
        Of the filters (same padding), of the convolution, of the max pooling.
    norm
        Of the input; none has parameters. ``layer``: x/√mean x² a sample, over channels and pixels (paper). ``batch``:
        batch normalisation, positives and negatives together. ``rms``: x/√mean x², one running scalar [ours].
    convolution
        ``auto``: by Fourier transforms where faster (`ffnet.model.fast_cpu.spectral`), equal but for rounding;
        ``direct``: never.
    regions
        Goodness sees each channel in so many × so many regions of the map (no more than it has pixels), as channels of
        their own [ours].
    goodness_weight
        The first weights (width × regions,) of a learned goodness; None for others.
    init, size, generator
        How the first weights are drawn (`ffnet.model.initial`), for maps of which height and width, and the generator.
    full_gradient
        Whether relu's gradient is taken as 1 everywhere, also where the activity is 0 [base].
    """

    goodness_weight: nn.Parameter | None

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        kernel: int,
        stride: int = 1,
        pool: int = 1,
        norm: Norm = "layer",
        convolution: Convolution = "auto",
        regions: tuple[int, int] = (1, 1),
        goodness_weight: Tensor | None = None,
        init: str = "torch",
        size: tuple[int, int] = (1, 1),
        full_gradient: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.stride, self.pool, self.norm, self.padding = stride, pool, norm, kernel // 2
        self.convolution, self.regions, self.ranks = convolution, regions, ALONE
        self.full_gradient = full_gradient
        weight, bias = get_init(init)(Filters(width, channels, kernel, stride, size), generator)
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
        self.bias = nn.Parameter(bias)
        self.register_parameter("goodness_weight", None if goodness_weight is None else nn.Parameter(goodness_weight))
        if norm == "batch":
            self.register_buffer("running_mean", torch.zeros(channels))
            self.register_buffer("running_var", torch.ones(channels))
        if norm == "rms":
            self.register_buffer("running_square", torch.ones(()))

    def normalize(self, x_NCHW: Tensor) -> Tensor:
        """Return the normalised input; in training mode running statistics follow."""
        match self.norm:
            case "layer":
                return x_NCHW * self._layer_scale(x_NCHW)
            case "batch":
                mean, var = cast(Tensor, self.running_mean), cast(Tensor, self.running_var)
                if self.training and self.ranks.size > 1:
                    mean_C, var_C, count = self.ranks.statistics(x_NCHW)
                    mean.lerp_(mean_C.to(mean.dtype), MOMENTUM)
                    var.lerp_((var_C * count / (count - 1)).to(var.dtype), MOMENTUM)
                    return F.batch_norm(x_NCHW, mean_C.to(mean.dtype), var_C.to(var.dtype), eps=EPSILON)
                return F.batch_norm(x_NCHW, mean, var, training=self.training, momentum=MOMENTUM, eps=EPSILON)
            case "rms":
                running = cast(Tensor, self.running_square)
                if self.training:
                    square = self.ranks.mean(x_NCHW.to(running.dtype).square().mean())
                    running.lerp_(square.detach(), MOMENTUM)
                else:
                    square = running
                return x_NCHW * (square + EPSILON).rsqrt().to(x_NCHW.dtype)
        return x_NCHW

    def normalize_(self, x_NCHW: Tensor, scratch: Scratch) -> Tensor:
        """Return the normalised input of a step of training; where it pays, in the memory of the input."""
        if self._spectral(x_NCHW) and not pixels_first(x_NCHW):
            height, width = x_NCHW.shape[2:]
            x_HWNC = scratch.take_beside(x_NCHW, "map", (height, width, *x_NCHW.shape[:2]))
            x_NCHW = x_HWNC.copy_(x_NCHW.permute(2, 3, 0, 1)).permute(2, 3, 0, 1)
        if not pixels_first(x_NCHW) or (self.ranks.size > 1 and self.norm in ("batch", "rms")):
            return self.normalize(x_NCHW)
        match self.norm:
            case "layer":
                return x_NCHW.mul_(self._layer_scale(x_NCHW))
            case "batch":
                pixels = x_NCHW.numel() // x_NCHW.shape[1]
                mean_C = x_NCHW.mean((0, 2, 3))
                var_C = mean_squares(x_NCHW.sub_(mean_C[:, None, None])).mean(0)
                cast(Tensor, self.running_mean).lerp_(mean_C, MOMENTUM)
                cast(Tensor, self.running_var).lerp_(var_C * (pixels / max(pixels - 1, 1)), MOMENTUM)
                return x_NCHW.mul_((var_C + EPSILON).rsqrt()[:, None, None])
            case "rms":
                running = cast(Tensor, self.running_square)
                square = mean_squares(x_NCHW).mean()
                running.lerp_(square, MOMENTUM)
                return x_NCHW.mul_((square + EPSILON).rsqrt())
        return x_NCHW

    def _layer_scale(self, x_NCHW: Tensor) -> Tensor:
        scale_N = (mean_squares(x_NCHW).mean(1) + EPSILON).rsqrt()
        return scale_N.to(x_NCHW.dtype)[:, None, None, None]

    def activity(self, normal_NCHW: Tensor, scratch: Scratch | None = None) -> Tensor:
        """Return relu(conv(x̂) + b), in the type of x̂; where it pays, in `scratch`."""
        if self._spectral(normal_NCHW):
            y_NCHW = spectral.convolve(normal_NCHW, self.weight, scratch or Scratch())
            return y_NCHW.add_(self.bias[:, None, None]).relu_()
        weight, bias = self.weight.to(normal_NCHW.dtype), self.bias.to(normal_NCHW.dtype)
        y_NCHW = F.conv2d(normal_NCHW, weight, bias, self.stride, self.padding)
        if self.full_gradient and torch.is_grad_enabled():
            return cast(Tensor, _FullGradientReLU.apply(y_NCHW))
        return y_NCHW.relu_()

    def _spectral(self, x_NCHW: Tensor) -> bool:
        """Return whether x is convolved by Fourier transforms."""
        if self.convolution == "direct" or self.stride > 1 or torch.is_grad_enabled() or x_NCHW.device.type != "cpu":
            return False
        if self.regions != (1, 1):
            return False
        filters, channels, kernel, _ = self.weight.shape
        height, width = x_NCHW.shape[2:]
        return x_NCHW.dtype == self.weight.dtype and spectral.pays(
            len(x_NCHW), channels, filters, height, width, kernel
        )

    def activity_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the size of the activity for an input of such a size."""
        return -(-height // self.stride), -(-width // self.stride)

    def pooled_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the size of what the next layer receives."""
        height, width = self.activity_size(height, width)
        return height // self.pool, width // self.pool

    def pooled(self, y_NCHW: Tensor) -> Tensor:
        """Return what the next layer receives."""
        if self.pool == 1:
            return y_NCHW
        if torch.is_grad_enabled() or y_NCHW.device.type != "cpu":
            return F.max_pool2d(y_NCHW, self.pool)
        height, width = (side // self.pool * self.pool for side in y_NCHW.shape[2:])
        rows_NCHW = reduce(torch.maximum, (y_NCHW[:, :, k : height : self.pool] for k in range(self.pool)))
        return reduce(torch.maximum, (rows_NCHW[..., k : width : self.pool] for k in range(self.pool)))

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the activity, before pooling."""
        return self.activity(self.normalize(x_NCHW))

    def squares(self, y_NCHW: Tensor) -> Tensor:
        """Return what goodness sees, (N, channels): the mean over each region's pixels of y², the channel's first."""
        if self.regions == (1, 1):
            return mean_squares(y_NCHW)
        return F.adaptive_avg_pool2d(y_NCHW.to(_wide(y_NCHW)).square(), self.regions).flatten(1)

    def goodness_pixels(self, y_NCHW: Tensor) -> int:
        """Return how many pixels a region has, rounded up."""
        height, width = y_NCHW.shape[2:]
        return -(-height * width // math.prod(self.regions))

    def gradient(
        self,
        normal_NCHW: Tensor,
        y_NCHW: Tensor,
        slope_NC: Tensor,
        scratch: Scratch | None = None,
        *,
        offset_NC: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the loss's gradient by weight and bias, in closed form.

        On a CPU, samples without a gradient are left out: a saturated sigmoid's is exactly 0.

        Parameters
        ----------
        normal_NCHW, y_NCHW
            Normalised input and activity.
        slope_NC
            ∂loss/∂s, s as of `squares`; of whole maps ∂loss/∂y = (2/HW)·y·∂loss/∂s, and y is 0 where relu' is.
        scratch
            Memory to use.
        offset_NC
            ∂loss/∂y of a loss that is linear in y, such as of mean activities: the same at every pixel of a channel, 0
            where y is 0 unless the layer's gradient is full.
        """
        samples_S = None
        if slope_NC.device.type == "cpu":
            learning_NC = slope_NC if offset_NC is None else slope_NC.abs() + offset_NC.abs()
            samples_S = learning_NC.any(1).nonzero()[:, 0]
            if not len(samples_S):
                return torch.zeros_like(self.weight), torch.zeros_like(self.bias)
            slope_NC, offset_NC = slope_NC[samples_S], None if offset_NC is None else offset_NC[samples_S]
            samples_S = None if len(samples_S) == len(y_NCHW) else samples_S
        if self._spectral(normal_NCHW):
            factor_NC = (slope_NC * (2 / (y_NCHW.shape[2] * y_NCHW.shape[3]))).to(y_NCHW.dtype)
            by_weight, by_bias = spectral.weight_gradient(
                normal_NCHW,
                y_NCHW,
                lambda row_WNC: self._by_activity(row_WNC, factor_NC, offset_NC),
                samples_S,
                self.weight.shape[2],
                scratch or Scratch(),
            )
        else:
            if samples_S is not None:
                normal_NCHW, y_NCHW = normal_NCHW[samples_S], y_NCHW[samples_S]
            by_weight, by_bias = self._direct_gradient(normal_NCHW, y_NCHW, slope_NC, offset_NC)
        return torch.empty_like(self.weight).copy_(by_weight), by_bias.to(self.bias.dtype)

    def _by_activity(self, y: Tensor, factor: Tensor, offset: Tensor | None) -> Tensor:
        """Return the gradient by the convolution of activity y, given ∂loss/∂y = factor·y + offset."""
        by_y = y * factor.to(y.dtype)
        if offset is None:
            return by_y
        offset = offset.to(y.dtype)
        return by_y.add_(offset) if self.full_gradient else by_y.add_((y > 0) * offset)

    def _direct_gradient(
        self, normal_NCHW: Tensor, y_NCHW: Tensor, slope_NC: Tensor, offset_NC: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        if self.regions == (1, 1):
            factor_NCHW = (slope_NC * (2 / (y_NCHW.shape[2] * y_NCHW.shape[3])))[:, :, None, None]
        else:
            slope_NCRR = 2 * slope_NC.view(*y_NCHW.shape[:2], *self.regions)
            rows_RH, columns_RW = (
                _shares(side, count, slope_NC) for side, count in zip(y_NCHW.shape[2:], self.regions, strict=True)
            )
            factor_NCHW = rows_RH.T @ (slope_NCRR @ columns_RW)
        offset_NCHW = None if offset_NC is None else offset_NC[:, :, None, None]
        by_y_NCHW = self._by_activity(y_NCHW, factor_NCHW, offset_NCHW)
        height, width = y_NCHW.shape[2:]
        if self.stride == 1 and height * width <= FEW and y_NCHW.device.type == "cpu":
            return _product_gradient(normal_NCHW, by_y_NCHW, self.weight.shape[2])
        _, by_weight, by_bias = torch.ops.aten.convolution_backward(
            by_y_NCHW,
            normal_NCHW,
            self.weight.to(y_NCHW.dtype),
            [len(self.bias)],
            [self.stride] * 2,
            [self.padding] * 2,
            [1, 1],
            False,
            [0, 0],
            1,
            [False, True, True],
        )
        return by_weight, by_bias


class _FullGradientReLU(torch.autograd.Function):
    """relu whose gradient is 1 everywhere [base]."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        """Return relu(x)."""
        return x.relu()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep nothing."""

    @staticmethod
    def backward(ctx: Any, by_y: Tensor) -> Tensor:  # noqa: ARG004 - autograd's signature
        """Pass the gradient on as it is."""
        return by_y


def _product_gradient(x_NCHW: Tensor, by_y_NCHW: Tensor, kernel: int) -> tuple[Tensor, Tensor]:
    """Return the gradient by weight and bias as one matrix product over samples and pixels."""
    filters, height, width = by_y_NCHW.shape[1:]
    padded_NHWC = F.pad(x_NCHW, [kernel // 2] * 4).permute(0, 2, 3, 1)
    shifts = itertools.product(range(kernel), repeat=2)
    taps_NHWC = [padded_NHWC[:, down : down + height, right : right + width] for down, right in shifts]
    by_y_PF = by_y_NCHW.permute(0, 2, 3, 1).flatten(0, 2)
    by_weight = by_y_PF.T @ torch.cat(taps_NHWC, 3).flatten(0, 2)
    return by_weight.view(filters, kernel, kernel, -1).permute(0, 3, 1, 2), by_y_PF.sum(0)


def _shares(side: int, count: int, like: Tensor) -> Tensor:
    """Return (count, side): the share of each pixel in the mean over each region, as of adaptive average pooling.

    As a matrix, because that pooling's gradient adds up in no fixed order on a GPU.
    """
    region_R1, pixel_S = torch.arange(count, device=like.device)[:, None], torch.arange(side, device=like.device)
    inside_RS = (pixel_S >= region_R1 * side // count) & (pixel_S < -(-(region_R1 + 1) * side // count))
    inside_RS = inside_RS.to(like.dtype)
    return inside_RS / inside_RS.sum(1, keepdim=True)


def mean_squares(y_NCHW: Tensor) -> Tensor:
    """Return s_NC: the mean over the pixels of y², summed in float32 (float64 for float64) whatever y is."""
    wide = _wide(y_NCHW)
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


def pixels_first(x_NCHW: Tensor) -> bool:
    """Return whether x lies (H, W, N, C) in memory, in float32 or float64: so spectral convolutions leave it."""
    return x_NCHW.dtype == _wide(x_NCHW) and x_NCHW.permute(2, 3, 0, 1).is_contiguous() and not x_NCHW.is_contiguous()


def _wide(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32
