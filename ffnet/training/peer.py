"""Peer normalisation: a loss that pulls the mean activities of a layer's channels towards each other [base].

Letters of shapes: N samples, C channels, H×W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ffnet.model.fast_cpu.maps import accumulate_dtype
from ffnet.model.gradients import Offset
from ffnet.system.ranks import SINGLE, Ranks

MOMENTUM = 0.9
START = 0.5
"""The initial running mean of every channel [base]."""


class PeerNormalization:
    """The loss strength · mean over channels of (m̄ − m_c)², where m_c is the running mean activity of channel c.

    The mean activity is taken over the pixels of the positive samples. The gradient of the loss is the same at all
    pixels of a channel, so dead channels and saturated samples keep a gradient.

    Parameters
    ----------
    strength
        Multiplies the loss; 0.03 in the base code.
    biases
        The bias of each layer, which sets shape, type and device of the running means.
    ranks
        The processes that train the net together.

    Attributes
    ----------
    means
        The running means (C,) of each layer, kept in checkpoints.
    """

    def __init__(self, strength: float, biases: Sequence[Tensor], ranks: Ranks = SINGLE) -> None:
        self.strength, self.ranks = strength, ranks
        self.means = [torch.full_like(bias_C.detach(), START) for bias_C in biases]

    def loss(self, k: int, activity_C: Tensor) -> Tensor:
        """Update the running means of layer k, from 0, with a step's mean activities; return the loss."""
        mean_C = MOMENTUM * self.means[k] + (1 - MOMENTUM) * activity_C
        self.means[k].copy_(mean_C.detach())
        return self.strength * (mean_C.mean() - mean_C).square().mean()

    def offset(self, k: int, y_NCHW: Tensor, positives: int) -> Offset:
        """Return ∂loss/∂y of layer k; the first samples are the positives."""
        activity_C = self.ranks.mean(mean_activity(y_NCHW, positives).to(self.means[k].dtype))
        with torch.enable_grad():
            activity_C.requires_grad_()
            (slope_C,) = torch.autograd.grad(self.loss(k, activity_C), [activity_C])
        return Offset(slope_C / (positives * y_NCHW.shape[2] * y_NCHW.shape[3]), positives)


def mean_activity(y_NCHW: Tensor, positives: int) -> Tensor:
    """Return each channel's mean activity (C,) over the pixels of the first samples, in float32 (float64)."""
    return y_NCHW[:positives].mean((0, 2, 3), dtype=accumulate_dtype(y_NCHW))
