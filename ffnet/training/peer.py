"""Peer normalisation: a loss that pulls the mean activities of a layer's channels towards each other [base]."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ffnet.system.ranks import SINGLE, Ranks

MOMENTUM = 0.9
START = 0.5
"""The running mean of every channel before the first step [base]."""


class PeerNormalization:
    """strength · mean over channels of (m̄ − m_c)², m_c the running mean activity of channel c.

    The mean is taken over the positive samples and their pixels. The loss is linear in the activity y of a step, so
    that dead channels and saturated samples keep a gradient.

    Parameters
    ----------
    strength
        Multiplies the loss; 0.03 in the base code.
    biases
        Of every layer: the means have their shape, type and device.
    ranks
        The processes that train it together.

    Attributes
    ----------
    means
        The running means (C,) of every layer: state of the training, kept in checkpoints.
    """

    def __init__(self, strength: float, biases: Sequence[Tensor], ranks: Ranks = SINGLE) -> None:
        self.strength, self.ranks = strength, ranks
        self.means = [torch.full_like(bias_C.detach(), START) for bias_C in biases]

    def loss(self, k: int, activity_C: Tensor) -> Tensor:
        """Return the loss of layer k, from 0, given a step's mean activities; the running means follow."""
        mean_C = MOMENTUM * self.means[k] + (1 - MOMENTUM) * activity_C
        self.means[k].copy_(mean_C.detach())
        return self.strength * (mean_C.mean() - mean_C).square().mean()

    def offset(self, k: int, y_NCHW: Tensor, positives: int) -> Tensor:
        """Return ∂loss/∂y of layer k, (N, C), equal at all pixels, of activities whose first samples are positives."""
        activity_C = self.ranks.mean(mean_activity(y_NCHW, positives).to(self.means[k].dtype))
        with torch.enable_grad():
            activity_C.requires_grad_()
            (by_activity_C,) = torch.autograd.grad(self.loss(k, activity_C), [activity_C])
        offset_NC = by_activity_C.new_zeros(y_NCHW.shape[:2])
        offset_NC[:positives] = by_activity_C / (positives * y_NCHW.shape[2] * y_NCHW.shape[3])
        return offset_NC


def mean_activity(y_NCHW: Tensor, positives: int) -> Tensor:
    """Return each channel's mean activity (C,) over the first samples and their pixels, summed in float32 or wider."""
    wide = torch.float64 if y_NCHW.dtype == torch.float64 else torch.float32
    return y_NCHW[:positives].mean((0, 2, 3), dtype=wide)
