"""Losses: functions of goodness. To add one, write a function of a few lines.

A loss takes ``g_BK`` (B images; column 0 the positive, the other columns its negatives) and a `LogitScale`, and returns
one value per image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from torch import Tensor
from torch.nn.functional import cross_entropy, softplus

from fflabels.errors import registered


class LogitScale(NamedTuple):
    """Turns goodness into a logit: (g − θ)/T for the BCE loss, α·g for losses that compare positive and negative."""

    theta: float
    temperature: float
    alpha: float


Loss: TypeAlias = Callable[[Tensor, LogitScale], Tensor]

LOSSES: dict[str, Loss] = {}


def get_loss(name: str) -> Loss:
    """Return the loss registered under a name; the error for an unknown name suggests the nearest."""
    return registered(LOSSES, name, "loss", "train.loss")


def loss(name: str) -> Callable[[Loss], Loss]:
    """Register a loss under `name`."""

    def register(function: Loss) -> Loss:
        LOSSES[name] = function
        return function

    return register


@loss("bce")
def _bce(g_BK: Tensor, scale: LogitScale) -> Tensor:
    """Binary cross-entropy of σ((g − θ)/T), positives against negatives (paper), from logits because σ saturates."""
    logit = (g_BK - scale.theta) / scale.temperature
    return 0.5 * (softplus(-logit[:, 0]) + softplus(logit[:, 1:]).mean(1))


@loss("softplus")
def _softplus(g_BK: Tensor, scale: LogitScale) -> Tensor:
    """softplus(−α·(g⁺ − g⁻)), symmetric in positive and negative (SymBa, Lee and Song 2023)."""
    return softplus(scale.alpha * (g_BK[:, 1:] - g_BK[:, :1])).mean(1)


@loss("softmax")
def _softmax(g_BK: Tensor, scale: LogitScale) -> Tensor:
    """Cross-entropy of a softmax over α·g of the positive and its negatives [after Hinton 2022, section 4]."""
    target = g_BK.new_zeros(len(g_BK)).long()
    return cross_entropy(scale.alpha * g_BK, target, reduction="none")


def discriminates(g_BK: Tensor, name: str, scale: LogitScale) -> Tensor:
    """Return each image's discrimination accuracy between positive and negatives, (B,).

    For the BCE loss a positive is right if σ((g − θ)/T) > 0.5, a negative if not (paper). For losses that compare, a
    negative is right if its goodness is below the positive's.
    """
    if name == "bce":
        above = (g_BK > scale.theta).float()
        return 0.5 * (above[:, 0] + 1 - above[:, 1:].mean(1))
    return (g_BK[:, :1] > g_BK[:, 1:]).float().mean(1)
