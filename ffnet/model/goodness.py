"""Goodness: functions of a layer's channel mean squares.

Each takes ``s_NC`` (mean over the pixels of y², a channel; float32) and the number of pixels, and returns ``g_N``.
A learned one takes ``weight_C`` too: a weight a channel, which the layer learns by the same loss.
A new one is a function of a few lines, registered with its name and its threshold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from torch import Tensor

from fflabels.errors import FFLabelsError, nearest

EPSILON = 1e-6
"""Keeps the logarithm of a silent layer finite."""

FLOOR = 1e-2
"""Mean y² below which a single channel's logarithm flattens out."""


class Goodness(NamedTuple):
    """A goodness, its default threshold θ given channels and pixels, and, of a learned one, how its weights begin."""

    of: Callable[..., Tensor]
    theta: Callable[[int, int], float]
    begin: Callable[[int], Tensor] | None = None


GOODNESS: dict[str, Goodness] = {}


Function: TypeAlias = Callable[..., Tensor]


def goodness(
    name: str, theta: Callable[[int, int], float], begin: Callable[[int], Tensor] | None = None
) -> Callable[[Function], Function]:
    """Register a goodness under `name`.

    Parameters
    ----------
    name
        What configurations call it.
    theta
        Channels, pixels → its default threshold.
    begin
        Channels → the first weights of a learned one.
    """

    def register(function: Function) -> Function:
        GOODNESS[name] = Goodness(function, theta, begin)
        return function

    return register


def get_goodness(name: str) -> Goodness:
    """Return the goodness of a name, or name the nearest."""
    if name not in GOODNESS:
        raise FFLabelsError("unknown goodness", where="train.goodness", got=name, hint=nearest(name, GOODNESS))
    return GOODNESS[name]


def _neurons(channels: int, pixels: int) -> float:
    return float(channels * pixels)


def _one(channels: int, pixels: int) -> float:
    return 1.0


def _zero(channels: int, pixels: int) -> float:
    return 0.0


@goodness("sum", theta=_neurons)
def _sum_of_squares(s_NC: Tensor, pixels: int) -> Tensor:
    """Σ y² (paper); θ = N, the number of neurons."""
    return s_NC.sum(1) * pixels


@goodness("mean", theta=_one)
def _mean_of_squares(s_NC: Tensor, pixels: int) -> Tensor:
    """Mean y²: the paper's divided by N."""
    return s_NC.mean(1)


@goodness("log", theta=_zero)
def _log_mean(s_NC: Tensor, pixels: int) -> Tensor:
    """log(mean y² + ε): the loss sees the ratio of positive to negative, which no scale saturates [ours]."""
    return (s_NC.mean(1) + EPSILON).log()


@goodness("contrast", theta=_zero)
def _channel_contrast(s_NC: Tensor, pixels: int) -> Tensor:
    """Log mean y² of the first half of the channels − log mean y² of the others [ours]."""
    half = s_NC.shape[1] // 2
    first, second = s_NC[:, :half].mean(1), s_NC[:, half:].mean(1)
    return (first + EPSILON).log() - (second + EPSILON).log()


@goodness("log-contrast", theta=_zero)
def _log_contrast(s_NC: Tensor, pixels: int) -> Tensor:
    """Mean over the first half of the channels of log mean y² − that over the others [ours]."""
    log_NC, half = (s_NC + FLOOR).log(), s_NC.shape[1] // 2
    return log_NC[:, :half].mean(1) - log_NC[:, half:].mean(1)
