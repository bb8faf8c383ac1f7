"""One local layer: normalise, convolve, rectify; the input of its goodness and the closed-form gradient of its loss.

- y = relu(conv(norm(x)) + b); the norm has no parameters (`ffnet.model.norms`)
- a goodness depends only on s_NC, the mean of y² over pixels
- ∂loss/∂w follows in closed form from ∂loss/∂s: no graph over the network, no gradient of the input [ours]
- on a CPU, large filters use Fourier transforms, and samples without a gradient are left out [ours]

Letters of shapes: N samples, C channels, H×W pixels, S samples with a gradient.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffnet.config.sections import Convolution
from ffnet.model.fast_cpu import spectral
from ffnet.model.fast_cpu.maps import max_pool, needs_pytorch_ops, pixels_first
from ffnet.model.fast_cpu.scratch import Scratch
from ffnet.model.gradients import (
    FullGradientReLU,
    Offset,
    before_pooling,
    constant_gradient,
    convolution_gradient,
    without_negligible,
)
from ffnet.model.initial import Filters, get_init
from ffnet.model.norms import get_norm
from ffnet.model.regions import WHOLE, Regions, region_squares, times_slope
from ffnet.system.ranks import SINGLE, Ranks


class LocalLayer(nn.Module):
    """One layer, y = relu(conv(norm(x)) + b), and the max pooling after it.

    Parameters
    ----------
    channels, width
        Number of input channels and of filters.
    kernel, stride, pool
        Width of the filters (same padding), stride of the convolution, width of the max pooling.
    norm
        Norm of the input: a name in `ffnet.model.norms.NORMS`.
    convolution
        ``auto``: use Fourier transforms where they are faster (`ffnet.model.fast_cpu.spectral`), equal up to rounding;
        ``direct``: never.
    regions
        Number of regions along the height and along the width (at most one per pixel). Goodness treats each region of
        a channel as a channel of its own [ours].
    goodness_weight
        The weights (width × regions,) of a learned goodness, or the codes (labels, width × regions); None for others.
    learn_goodness
        Whether these weights or codes are learned.
    init, size, generator
        Distribution of the initial weights (`ffnet.model.initial`), height and width of the input maps, and the
        generator.
    full_gradient
        Whether relu's gradient is taken as 1 everywhere, even where the activity is 0 [base].
    """

    goodness_weight: Tensor | None

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        kernel: int,
        stride: int = 1,
        pool: int = 1,
        norm: str = "layer",
        convolution: Convolution = "auto",
        regions: Regions = WHOLE,
        goodness_weight: Tensor | None = None,
        learn_goodness: bool = True,
        init: str = "torch",
        size: tuple[int, int] = (1, 1),
        full_gradient: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.stride, self.pool, self.padding = stride, pool, kernel // 2
        self.norm, self.convolution, self.regions = norm, convolution, regions
        self.full_gradient = full_gradient
        weight, bias = get_init(init)(Filters(width, channels, kernel, stride, size), generator)
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
        self.bias = nn.Parameter(bias)
        if learn_goodness and goodness_weight is not None:
            goodness_weight = nn.Parameter(goodness_weight)
            self.register_parameter("goodness_weight", goodness_weight)
        else:
            self.register_buffer("goodness_weight", goodness_weight)
        self.statistics = tuple(running := get_norm(norm).running(channels))
        for name, tensor in running.items():
            self.register_buffer(name, tensor)

    def _running(self) -> dict[str, Tensor]:
        """Return the norm's running statistics."""
        return {name: self.get_buffer(name) for name in self.statistics}

    def normalize(self, x_NCHW: Tensor, ranks: Ranks = SINGLE) -> Tensor:
        """Return the normalised input; training mode updates the running statistics."""
        return get_norm(self.norm).apply(x_NCHW, self._running(), self.training, ranks)

    def normalize_(self, x_NCHW: Tensor, scratch: Scratch, ranks: Ranks = SINGLE) -> Tensor:
        """Return the normalised input in training; on a CPU, overwrite the input where that is faster."""
        if self._uses_spectral(x_NCHW) and not pixels_first(x_NCHW):
            height, width = x_NCHW.shape[2:]
            x_HWNC = scratch.take_beside(x_NCHW, "map", (height, width, *x_NCHW.shape[:2]))
            x_NCHW = x_HWNC.copy_(x_NCHW.permute(2, 3, 0, 1)).permute(2, 3, 0, 1)
        in_place = get_norm(self.norm).in_place
        if in_place and pixels_first(x_NCHW) and not (ranks.size > 1 and self.statistics):
            return in_place(x_NCHW, self._running())
        return self.normalize(x_NCHW, ranks)

    def activity(self, normal_NCHW: Tensor, scratch: Scratch | None = None) -> Tensor:
        """Return relu(conv(x̂) + b) in the type of x̂; a spectral convolution returns it in the memory of `scratch`."""
        if self._uses_spectral(normal_NCHW):
            y_NCHW = spectral.convolve(normal_NCHW, self.weight, scratch or Scratch())
            return y_NCHW.add_(self.bias[:, None, None]).relu_()
        y_NCHW = self._convolve(normal_NCHW)
        full_gradient = self.full_gradient and torch.is_grad_enabled()
        return FullGradientReLU.apply(y_NCHW) if full_gradient else y_NCHW.relu_()

    def _convolve(self, normal_NCHW: Tensor) -> Tensor:
        """Return conv(x̂) + b in the type of x̂, without Fourier transforms."""
        weight, bias = self.weight.to(normal_NCHW.dtype), self.bias.to(normal_NCHW.dtype)
        return F.conv2d(normal_NCHW, weight, bias, self.stride, self.padding)

    def _uses_spectral(self, x_NCHW: Tensor) -> bool:
        """Return whether x is convolved by Fourier transforms: on a CPU, where they are faster."""
        if self.convolution == "direct" or self.stride > 1 or self.regions != WHOLE:
            return False
        if needs_pytorch_ops() or x_NCHW.device.type != "cpu":
            return False
        filters, channels, kernel, _ = self.weight.shape
        height, width = x_NCHW.shape[2:]
        return x_NCHW.dtype == self.weight.dtype and spectral.pays(
            len(x_NCHW), channels, filters, height, width, kernel
        )

    def activity_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width of the activity, given those of the input."""
        return -(-height // self.stride), -(-width // self.stride)

    def pooled_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width of the pooled activity, given those of the input."""
        height, width = self.activity_size(height, width)
        return height // self.pool, width // self.pool

    @property
    def learned_goodness(self) -> list[nn.Parameter]:
        """The learned weights or codes of the goodness, or nothing."""
        return [self.goodness_weight] if isinstance(self.goodness_weight, nn.Parameter) else []

    def pooled(self, y_NCHW: Tensor) -> Tensor:
        """Return the pooled activity, the input of the next layer."""
        return max_pool(y_NCHW, self.pool)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the activity, before pooling."""
        return self.activity(self.normalize(x_NCHW))

    def squares(self, y_NCHW: Tensor) -> Tensor:
        """Return the input of goodness, (N, channels × regions): the mean of y² over each region's pixels."""
        return region_squares(y_NCHW, self.regions)

    def goodness_pixels(self, y_NCHW: Tensor) -> int:
        """Return the number of pixels per region, rounded up."""
        height, width = y_NCHW.shape[2:]
        return -(-height * width // math.prod(self.regions))

    def gradient(
        self,
        normal_NCHW: Tensor,
        y_NCHW: Tensor,
        slope_NC: Tensor,
        scratch: Scratch | None = None,
        *,
        offset: Offset | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the loss's gradient with respect to weight and bias, in closed form.

        On a CPU, samples without a gradient are left out; that of a saturated sigmoid is 0 or taken as 0.

        Parameters
        ----------
        normal_NCHW, y_NCHW
            Normalised input and activity.
        slope_NC
            ∂loss/∂s with s from `squares`. For whole maps ∂loss/∂y = (2/HW)·y·∂loss/∂s, and y is 0 where relu' is 0.
        scratch
            Memory to reuse.
        offset
            ∂loss/∂y of a second loss, a function of the mean activities; relu' makes it 0 where y is 0, unless
            `full_gradient`.
        """
        if offset is None or not self.full_gradient:
            return self._gradient(normal_NCHW, y_NCHW, slope_NC, scratch or Scratch(), offset)
        grad_weight, grad_bias = self._gradient(normal_NCHW, y_NCHW, slope_NC, scratch or Scratch())
        of_weight, of_bias = constant_gradient(normal_NCHW, offset, self.weight.shape[2], self.stride)
        return grad_weight.add_(of_weight), grad_bias.add_(of_bias)

    def _gradient(
        self, normal_NCHW: Tensor, y_NCHW: Tensor, slope_NC: Tensor, scratch: Scratch, offset: Offset | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the gradient of `gradient`; that of an offset is 0 where y is 0."""
        offset_NC = None
        if offset:
            offset_NC = slope_NC.new_zeros(y_NCHW.shape[:2])
            offset_NC[: offset.samples] = offset.slope

        # On a CPU, keep only the samples that have a gradient.
        samples_S = None
        if slope_NC.device.type == "cpu":
            slope_NC = without_negligible(slope_NC)
            learning_NC = slope_NC if offset_NC is None else slope_NC.abs() + offset_NC.abs()
            samples_S = learning_NC.any(1).nonzero()[:, 0]
            if not len(samples_S):
                return torch.zeros_like(self.weight), torch.zeros_like(self.bias)
            slope_NC, offset_NC = slope_NC[samples_S], None if offset_NC is None else offset_NC[samples_S]
            samples_S = None if len(samples_S) == len(y_NCHW) else samples_S

        # The gradient of the convolution.
        if self._uses_spectral(normal_NCHW):
            factor_NC = (slope_NC * (2 / (y_NCHW.shape[2] * y_NCHW.shape[3]))).to(y_NCHW.dtype)
            grad_weight, grad_bias = spectral.weight_gradient(
                normal_NCHW,
                y_NCHW,
                lambda row_WNC: self._plus_offset(row_WNC * factor_NC, row_WNC, offset_NC),
                samples_S,
                self.weight.shape[2],
                scratch,
            )
        else:
            if samples_S is not None:
                normal_NCHW, y_NCHW = normal_NCHW[samples_S], y_NCHW[samples_S]
            offset_NCHW = None if offset_NC is None else offset_NC[:, :, None, None]
            grad_y_NCHW = self._plus_offset(times_slope(y_NCHW, self.regions, slope_NC), y_NCHW, offset_NCHW)
            grad_weight, grad_bias = convolution_gradient(normal_NCHW, grad_y_NCHW, self.weight, self.stride)
        return torch.empty_like(self.weight).copy_(grad_weight), grad_bias.to(self.bias.dtype)

    def pooled_activity(self, normal_NCHW: Tensor, scratch: Scratch | None = None) -> tuple[Tensor, Tensor | None]:
        """Return the pooled activity, and which pixel of each window is the largest (None without pooling)."""
        if self.pool == 1 or self._uses_spectral(normal_NCHW):
            y_NCHW = self.activity(normal_NCHW, scratch)
            return (y_NCHW, None) if self.pool == 1 else F.max_pool2d(y_NCHW, self.pool, return_indices=True)
        # The largest activity is that of the largest sum: rectify fewer values, the same numbers.
        pooled_NCHW, winners_NCHW = F.max_pool2d(self._convolve(normal_NCHW), self.pool, return_indices=True)
        return pooled_NCHW.relu_(), winners_NCHW

    def gradient_after_pooling(
        self,
        normal_NCHW: Tensor,
        pooled_NCHW: Tensor,
        winners_NCHW: Tensor | None,
        slope_NC: Tensor,
        scratch: Scratch | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the gradient with respect to weight and bias of a loss that depends on the pooled activity.

        Parameters
        ----------
        normal_NCHW
            Normalised input.
        pooled_NCHW, winners_NCHW
            The result of `pooled_activity`. Only the largest pixel of each window has a gradient.
        slope_NC
            ∂loss/∂s with s from `squares` of the pooled activity.
        scratch
            Memory to reuse.
        """
        grad_NCHW = times_slope(pooled_NCHW, self.regions, without_negligible(slope_NC))
        if winners_NCHW is not None:
            size = self.activity_size(*normal_NCHW.shape[2:])
            grad_NCHW = before_pooling(grad_NCHW, winners_NCHW, self.pool, size)
        if self._uses_spectral(normal_NCHW):
            grad_weight, grad_bias = spectral.weight_gradient(
                normal_NCHW, grad_NCHW, lambda row_WNC: row_WNC, None, self.weight.shape[2], scratch or Scratch()
            )
        else:
            grad_weight, grad_bias = convolution_gradient(normal_NCHW, grad_NCHW, self.weight, self.stride)
        return torch.empty_like(self.weight).copy_(grad_weight), grad_bias.to(self.bias.dtype)

    def _plus_offset(self, grad_y: Tensor, y: Tensor, offset: Tensor | None) -> Tensor:
        """Return ∂loss/∂conv at activity y, given the gradient grad_y of one loss and the offset of a second one."""
        return grad_y if offset is None else grad_y.add_((y > 0) * offset.to(y.dtype))
