"""One local layer: normalise, convolve, rectify; its goodness and the closed-form gradient of its own loss.

Tensor names carry their shape: N samples, C channels, H×W pixels.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffnet.config import Norm
from ffnet.distributed import ALONE

EPSILON = 1e-5
MOMENTUM = 0.1


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
    generator
        Draws the weights: uniform within ±1/√(fan in), as PyTorch's convolutions.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        kernel: int,
        stride: int = 1,
        pool: int = 1,
        norm: Norm = "layer",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.stride, self.pool, self.norm, self.padding = stride, pool, norm, kernel // 2
        self.ranks = ALONE
        bound = 1 / math.sqrt(channels * kernel * kernel)
        weight = torch.empty(width, channels, kernel, kernel).uniform_(-bound, bound, generator=generator)
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
        self.bias = nn.Parameter(torch.empty(width).uniform_(-bound, bound, generator=generator))
        if norm == "batch":
            self.register_buffer("running_mean", torch.zeros(channels))
            self.register_buffer("running_var", torch.ones(channels))
        if norm == "rms":
            self.register_buffer("running_square", torch.ones(()))

    def normalize(self, x_NCHW: Tensor) -> Tensor:
        """Return the normalised input; in training mode running statistics follow."""
        match self.norm:
            case "layer":
                square_N = torch.linalg.vector_norm(x_NCHW.flatten(1), dim=1, dtype=_wide(x_NCHW)).square()
                scale_N = (square_N / x_NCHW[0].numel() + EPSILON).rsqrt()
                return cast(Tensor, x_NCHW * scale_N.to(x_NCHW.dtype)[:, None, None, None])
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

    def activity(self, normal_NCHW: Tensor) -> Tensor:
        """Return relu(conv(x̂) + b), in the type of x̂."""
        weight, bias = self.weight.to(normal_NCHW.dtype), self.bias.to(normal_NCHW.dtype)
        return F.conv2d(normal_NCHW, weight, bias, self.stride, self.padding).relu_()

    def pooled(self, y_NCHW: Tensor) -> Tensor:
        """Return what the next layer receives."""
        return F.max_pool2d(y_NCHW, self.pool) if self.pool > 1 else y_NCHW

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the activity, before pooling."""
        return self.activity(self.normalize(x_NCHW))

    def gradient(self, normal_NCHW: Tensor, y_NCHW: Tensor, slope_NC: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss's gradient by weight and bias, in closed form.

        Parameters
        ----------
        normal_NCHW, y_NCHW
            Normalised input and activity.
        slope_NC
            ∂loss/∂s, s the channels' mean squares: ∂loss/∂y = (2/HW)·y·∂loss/∂s, and y is 0 where relu' is.
        """
        pixels = y_NCHW.shape[2] * y_NCHW.shape[3]
        by_y_NCHW = y_NCHW * (slope_NC * (2 / pixels)).to(y_NCHW.dtype)[:, :, None, None]
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
        return by_weight.to(self.weight.dtype), by_bias.to(self.bias.dtype)


def mean_squares(y_NCHW: Tensor) -> Tensor:
    """Return s_NC: the mean over the pixels of y², summed in float32 (float64 for float64) whatever y is."""
    return y_NCHW.to(_wide(y_NCHW)).square().mean((2, 3))


def _wide(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32
