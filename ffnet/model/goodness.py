"""Goodness: one number per sample and layer, a function of the mean squared activity of each channel.

A goodness takes ``s_NC`` (the mean of y² over pixels, per channel, float32) and the number of pixels, and returns
``g_N``. A learned goodness also takes ``weight_C``, one weight per channel, which the layer learns by its own loss.
To add one, write a function of a few lines and register it with its name and threshold.

Where labels are codes over the channels, the goodness of all labels comes from one activity (`code_goodness`): it is a
weighted sum of the channels' energies, and a goodness that has an energy can be used.

Letters of shapes: N samples, C channels, L labels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from fflabels.errors import registered

if TYPE_CHECKING:  # the registry is read without PyTorch
    from torch import Tensor

EPSILON = 1e-6
"""Keeps the logarithm of a silent layer finite."""

FLOOR = 1e-2
"""Added to a channel's mean y² before its logarithm, which so flattens out below this value."""

CODE_POWER = -0.25
"""Codes over C channels are multiplied by this power of C, so that one learning rate suits the learned codes of narrow
and wide layers."""


class Goodness(NamedTuple):
    """A registered goodness.

    Attributes
    ----------
    of
        The function.
    theta
        Channels, pixels → the default threshold θ.
    first_weights
        Channels → the initial weights of a learned goodness; None for others.
    min_channels
        Number of channels that a layer needs at least.
    energy
        s_NC → the energy of each channel, where labels are codes; None for a goodness that is no sum over channels.
    """

    of: Callable[..., Tensor]
    theta: Callable[[int, int], float]
    first_weights: Callable[[int], Tensor] | None = None
    min_channels: int = 1
    energy: Callable[[Tensor], Tensor] | None = None


GOODNESS: dict[str, Goodness] = {}


Function: TypeAlias = "Callable[..., Tensor]"


def goodness(
    name: str,
    theta: Callable[[int, int], float],
    first_weights: Callable[[int], Tensor] | None = None,
    min_channels: int = 1,
    energy: Callable[[Tensor], Tensor] | None = None,
) -> Callable[[Function], Function]:
    """Register a goodness under `name`, its value of ``train.goodness``; for the rest see `Goodness`."""

    def register(function: Function) -> Function:
        GOODNESS[name] = Goodness(function, theta, first_weights, min_channels, energy)
        return function

    return register


def get_goodness(name: str) -> Goodness:
    """Return the goodness registered under a name; the error for an unknown name suggests the nearest."""
    return registered(GOODNESS, name, "goodness", "train.goodness")


def code_goodness(energy_NC: Tensor, weight_LC: Tensor) -> Tensor:
    """Return the goodness of every label, (N, L): Σ over channels of code × energy [ours].

    Parameters
    ----------
    energy_NC
        Energies; their mean over the channels is subtracted, so that only their contrast counts.
    weight_LC
        The codes, divided by C to the power of `CODE_POWER`.
    """
    contrast_NC = energy_NC - energy_NC.mean(1, keepdim=True)
    return contrast_NC @ weight_LC.T * float(weight_LC.shape[1] ** CODE_POWER)


@goodness("sum", theta=lambda channels, pixels: float(channels * pixels))
def _sum_of_squares(s_NC: Tensor, pixels: int) -> Tensor:
    """Σ y² (paper); θ = N, the number of neurons."""
    return s_NC.sum(1) * pixels


@goodness("mean", theta=lambda *_: 1.0, energy=lambda s_NC: s_NC)
def _mean_of_squares(s_NC: Tensor, pixels: int) -> Tensor:
    """Mean y²: the paper's goodness divided by the number of neurons."""
    return s_NC.mean(1)


@goodness("log", theta=lambda *_: 0.0)
def _log_mean(s_NC: Tensor, pixels: int) -> Tensor:
    """log(mean y² + ε) [ours]. The loss depends on the ratio of positive to negative, so no scale saturates it."""
    return (s_NC.mean(1) + EPSILON).log()


@goodness("contrast", theta=lambda *_: 0.0, min_channels=2)
def _channel_contrast(s_NC: Tensor, pixels: int) -> Tensor:
    """Log of mean y² over the first half of the channels, minus the same over the second half [ours]."""
    half = s_NC.shape[1] // 2
    first, second = s_NC[:, :half].mean(1), s_NC[:, half:].mean(1)
    return (first + EPSILON).log() - (second + EPSILON).log()


def _log_energy(s_NC: Tensor) -> Tensor:
    """log(mean y² + 0.01)."""
    return (s_NC + FLOOR).log()


@goodness("log-contrast", theta=lambda *_: 0.0, min_channels=2, energy=_log_energy)
def _log_contrast(s_NC: Tensor, pixels: int) -> Tensor:
    """Mean over the first half of the channels of log mean y², minus the same over the second half [ours].

    A code generalises this: its positive channels are the first half, its negative ones the second.
    """
    log_NC, half = _log_energy(s_NC), s_NC.shape[1] // 2
    return log_NC[:, :half].mean(1) - log_NC[:, half:].mean(1)
