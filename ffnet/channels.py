"""Goodness with a weight for every channel, fitted after training: one linear map, the same for all labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

DECAY = 1e-2
"""Of the squares of the weights, where each channel varies by 1."""

ROUNDS = 100
"""Iterations of the fit, at most: it is convex."""

FLAT = 1e-4
"""A channel whose logarithm deviates by less than this says nothing."""


def fit_weights(logs_NCF: Tensor, classes_N: Tensor) -> Tensor:
    """Return the weights (channels,) that maximise the likelihood of the right classes under a softmax over the labels.

    Parameters
    ----------
    logs_NCF
        What every label leaves in the channels: images × labels × channels.
    classes_N
        The right classes.
    """
    deviation_F = logs_NCF.std((0, 1))
    unit_F = torch.where(deviation_F > FLAT, 1 / deviation_F, 0.0)
    with torch.enable_grad():
        weight_F = torch.zeros_like(unit_F).requires_grad_()
        optimizer = torch.optim.LBFGS([weight_F], max_iter=ROUNDS, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            scores_NC = logs_NCF @ (weight_F * unit_F)
            found = F.cross_entropy(scores_NC, classes_N) + DECAY * weight_F.square().sum()
            found.backward()  # type: ignore[no-untyped-call]
            return found

        optimizer.step(loss)  # type: ignore[no-untyped-call]
    return weight_F.detach() * unit_F
