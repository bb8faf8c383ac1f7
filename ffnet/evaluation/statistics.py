"""Statistics over seeds: means, standard deviations and differences of accuracies, with confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev
from typing import NamedTuple

LEVEL = 0.95
"""Confidence level of the intervals."""

ROUNDING = 1e-9
"""Smaller differences of shares are rounding errors."""


def percent(share: float | None) -> str:
    """Return a share in percent, or a dash for None."""
    return "–" if share is None else f"{100 * share:.1f}"


class Gap(NamedTuple):
    """The mean of paired differences, its 95 % t-interval, and the number of pairs; no interval for a single pair.

    p is that of the t-test that the differences have a mean of 0.
    """

    mean: float
    low: float | None
    high: float | None
    size: int
    p: float | None = None

    @classmethod
    def of(cls, values: Sequence[float]) -> Gap | None:
        """Return the mean of differences; None without values, and no interval if all values are equal."""
        from scipy.stats import ttest_1samp

        if not values:
            return None
        if len(values) < 2 or max(values) - min(values) < ROUNDING:
            return cls(mean(values), None, None, len(values))
        test = ttest_1samp(values, 0)
        low, high = test.confidence_interval(LEVEL)
        return cls(mean(values), float(low), float(high), len(values), float(test.pvalue))

    @property
    def clear(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


class Welch(NamedTuple):
    """The difference of two means, its 95 % interval and p by Welch's t-test; None where they are undefined."""

    difference: float
    low: float | None
    high: float | None
    p: float | None

    @classmethod
    def of(cls, values: Sequence[float], base: Sequence[float]) -> Welch:
        """Return mean(values) − mean(base); no interval if a side has one value or neither has a spread."""
        difference = mean(values) - mean(base)
        if min(len(values), len(base)) < 2 or stdev(values) == stdev(base) == 0:
            return cls(difference, None, None, None)
        from scipy.stats import ttest_ind

        test = ttest_ind(values, base, equal_var=False)
        low, high = test.confidence_interval(LEVEL)
        return cls(difference, float(low), float(high), float(test.pvalue))


def spread(shares: Sequence[float]) -> str:
    """Return mean ± sample standard deviation of shares, in percent; for a single share, its value."""
    values = [100 * share for share in shares]
    return f"{mean(values):.2f} ± {stdev(values):.2f}" if len(values) > 1 else f"{values[0]:.2f}"
