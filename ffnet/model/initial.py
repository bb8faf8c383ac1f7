"""Initial weights: the distributions from which a layer's first weights and biases are drawn.

With goodness Σy² and threshold θ = N neurons, a layer's logit is N·(mean y² − 1). Unless mean y² starts near 1, all
samples saturate on the same side of the threshold.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from fflabels.errors import registered


class Filters(NamedTuple):
    """A layer's filters (same padding), and the height and width (`size`) of its input maps."""

    width: int
    channels: int
    kernel: int
    stride: int
    size: tuple[int, int]

    @property
    def fan_in(self) -> int:
        """Number of weights of one filter."""
        return self.channels * self.kernel**2

    @property
    def mean_taps(self) -> float:
        """Number of weights of one filter that meet the map, not padding, averaged over the filter's positions."""
        reach, taps = self.kernel // 2, float(self.channels)
        for side in self.size:
            centres = range(0, side, self.stride)
            inside = sum(min(side, centre + reach + 1) - max(0, centre - reach) for centre in centres)
            taps *= inside / len(centres)
        return taps


Draw: TypeAlias = Callable[[Filters, torch.Generator | None], tuple[Tensor, Tensor]]
"""Filters, generator → weights (width, channels, kernel, kernel) and biases (width,)."""

INITS: dict[str, Draw] = {}


def init(name: str) -> Callable[[Draw], Draw]:
    """Register a distribution of initial weights under `name`."""

    def register(draw: Draw) -> Draw:
        INITS[name] = draw
        return draw

    return register


def get_init(name: str) -> Draw:
    """Return the distribution registered under a name; the error for an unknown name suggests the nearest."""
    return registered(INITS, name, "initial weights", "net.init")


@init("torch")
def _torch(filters: Filters, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Draw weights and biases uniformly within ±1/√(fan in), as PyTorch does: E y² = 1/6."""
    bound = 1 / math.sqrt(filters.fan_in)
    weight = _empty(filters).uniform_(-bound, bound, generator=generator)
    return weight, torch.empty(filters.width).uniform_(-bound, bound, generator=generator)


@init("base")
def _base(filters: Filters, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Draw weights from N(0, 1/filters), biases 0 [base]: E y² = fan in / (2·filters)."""
    return _normal(filters, 1 / filters.width, generator)


@init("unit")
@init("measured")  # training then scales them, so that mean y² of the first batch is 1 [ours]
def _unit(filters: Filters, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Draw weights from N(0, 2 / mean_taps), biases 0 [ours]: E y² = 1 if the input's mean square is 1."""
    return _normal(filters, 2 / filters.mean_taps, generator)


def _normal(filters: Filters, variance: float, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    weight = _empty(filters).normal_(0, math.sqrt(variance), generator=generator)
    return weight, torch.zeros(filters.width)


def _empty(filters: Filters) -> Tensor:
    return torch.empty(filters.width, filters.channels, filters.kernel, filters.kernel)
