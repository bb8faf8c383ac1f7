"""Norms: normalise a layer's input before its convolution. To add one, write a function of a few lines.

Norms have no parameters, so a layer's loss never needs the gradient of its input. Statistics are taken over all images
of a step, positives and negatives together, of all ranks. Letters of shapes: N samples, C channels, H×W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from fflabels.errors import registered
from ffnet.model.fast_cpu.maps import mean_squares
from ffnet.system.ranks import Ranks

EPSILON = 1e-5
MOMENTUM = 0.1
"""Weight of a step in the running statistics."""

Running: TypeAlias = Mapping[str, Tensor]
"""Running statistics by name; training updates them in place."""


@dataclass(frozen=True)
class Norm:
    """A norm.

    Attributes
    ----------
    apply
        Input (N, C, H, W), running statistics, whether in training, ranks → the normalised input.
    running
        Channels → the initial running statistics; the layer stores them as buffers of these names.
    in_place
        Input in training (on a CPU, pixels first in memory), running statistics → the normalised input in the same
        memory. None: `apply` is used there, too.
    """

    apply: Callable[[Tensor, Running, bool, Ranks], Tensor]
    running: Callable[[int], dict[str, Tensor]] = lambda channels: {}
    in_place: Callable[[Tensor, Running], Tensor] | None = None


NORMS: dict[str, Norm] = {}


def get_norm(name: str) -> Norm:
    """Return the norm registered under a name; the error for an unknown name suggests the nearest."""
    return registered(NORMS, name, "norm", "net.norm")


# layer: x/√mean x², the mean per sample over channels and pixels (paper, MNIST).


def _layer_scale(x_NCHW: Tensor) -> Tensor:
    scale_N = (mean_squares(x_NCHW).mean(1) + EPSILON).rsqrt()
    return scale_N.to(x_NCHW.dtype)[:, None, None, None]


NORMS["layer"] = Norm(
    apply=lambda x_NCHW, running, training, ranks: x_NCHW * _layer_scale(x_NCHW),
    in_place=lambda x_NCHW, running: x_NCHW.mul_(_layer_scale(x_NCHW)),
)


# batch: batch normalisation without parameters (paper, CIFAR).


def _batch(x_NCHW: Tensor, running: Running, training: bool, ranks: Ranks) -> Tensor:
    mean_C, var_C = running["running_mean"], running["running_var"]
    if not training or ranks.size == 1:
        return F.batch_norm(x_NCHW, mean_C, var_C, training=training, momentum=MOMENTUM, eps=EPSILON)
    step_mean_C, step_var_C, count = ranks.statistics(x_NCHW)
    mean_C.lerp_(step_mean_C.to(mean_C.dtype), MOMENTUM)
    var_C.lerp_((step_var_C * count / (count - 1)).to(var_C.dtype), MOMENTUM)
    return F.batch_norm(x_NCHW, step_mean_C.to(mean_C.dtype), step_var_C.to(var_C.dtype), eps=EPSILON)


def _batch_in_place(x_NCHW: Tensor, running: Running) -> Tensor:
    pixels = x_NCHW.numel() // x_NCHW.shape[1]
    mean_C = x_NCHW.mean((0, 2, 3))
    var_C = mean_squares(x_NCHW.sub_(mean_C[:, None, None])).mean(0)
    running["running_mean"].lerp_(mean_C, MOMENTUM)
    running["running_var"].lerp_(var_C * (pixels / max(pixels - 1, 1)), MOMENTUM)
    return x_NCHW.mul_((var_C + EPSILON).rsqrt()[:, None, None])


NORMS["batch"] = Norm(
    apply=_batch,
    running=lambda channels: {"running_mean": torch.zeros(channels), "running_var": torch.ones(channels)},
    in_place=_batch_in_place,
)


# rms: x/√mean x², one running mean for the whole layer [ours].


def _rms(x_NCHW: Tensor, running: Running, training: bool, ranks: Ranks) -> Tensor:
    square = running["running_square"]
    if training:
        step_square = ranks.mean(x_NCHW.to(square.dtype).square().mean())
        square.lerp_(step_square.detach(), MOMENTUM)
        square = step_square
    return x_NCHW * (square + EPSILON).rsqrt().to(x_NCHW.dtype)


def _rms_in_place(x_NCHW: Tensor, running: Running) -> Tensor:
    square = mean_squares(x_NCHW).mean()
    running["running_square"].lerp_(square, MOMENTUM)
    return x_NCHW.mul_((square + EPSILON).rsqrt())


NORMS["rms"] = Norm(apply=_rms, running=lambda channels: {"running_square": torch.ones(())}, in_place=_rms_in_place)


NORMS["none"] = Norm(apply=lambda x_NCHW, running, training, ranks: x_NCHW, in_place=lambda x_NCHW, running: x_NCHW)
