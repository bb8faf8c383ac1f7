"""Means, spreads and differences of accuracies over seeds, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev
from typing import NamedTuple

LEVEL = 0.95
"""Of the intervals."""

ALIKE = 1e-9
"""Smaller differences of shares are rounding."""


class Gap(NamedTuple):
    """A mean of paired differences, its 95 % t-interval, and their number; no interval for a single one."""

    mean: float
    low: float | None
    high: float | None
    size: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Gap | None:
        """Return the mean of differences, None of none; where all are alike, without an interval."""
        from scipy.stats import ttest_1samp

        if not values:
            return None
        if len(values) < 2 or max(values) - min(values) < ALIKE:
            return cls(mean(values), None, None, len(values))
        low, high = ttest_1samp(values, 0).confidence_interval(LEVEL)
        return cls(mean(values), float(low), float(high), len(values))

    @property
    def clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


class Welch(NamedTuple):
    """A difference of means of unpaired values: its 95 % interval and p by Welch's t; None where it cannot be taken."""

    difference: float
    low: float | None
    high: float | None
    p: float | None

    @classmethod
    def of(cls, values: Sequence[float], base: Sequence[float]) -> Welch:
        """Return the mean of values less that of base; without an interval where a side has one value, or no spread."""
        difference = mean(values) - mean(base)
        if min(len(values), len(base)) < 2 or stdev(values) == stdev(base) == 0:
            return cls(difference, None, None, None)
        from scipy.stats import ttest_ind

        test = ttest_ind(values, base, equal_var=False)
        low, high = test.confidence_interval(LEVEL)
        return cls(difference, float(low), float(high), float(test.pvalue))


def spread(shares: Sequence[float]) -> str:
    """Return mean ± sample standard deviation of shares in percent; of one, its value."""
    values = [100 * share for share in shares]
    return f"{mean(values):.2f} ± {stdev(values):.2f}" if len(values) > 1 else f"{values[0]:.2f}"
