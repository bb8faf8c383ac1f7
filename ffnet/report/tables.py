"""What studies' tables are made of: Markdown, paired differences with their intervals, where nets were computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import mean
from typing import NamedTuple

from scipy.stats import ttest_1samp

from ffnet.experiments.trials import Figures
from ffnet.runs.compare import LEVEL

READINGS = {"last": "goodness, last layer", "goodness": "goodness, sum", "linear": "linear"}
"""How accuracy is read, and what tables call it."""


ALIKE = 1e-9
"""Differences of shares that differ by less differ by rounding alone."""


class Gap(NamedTuple):
    """A mean difference, its 95 % t-interval and of how many it is; no interval of a single one."""

    mean: float
    low: float | None
    high: float | None
    size: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Gap | None:
        """Return the mean of differences, None of none; where all are alike, without an interval."""
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


def told(found: Gap | None) -> str:
    """Return a difference of shares in points of %, with its interval; bold where that is clear of zero."""
    if not found:
        return "–"
    text = f"{100 * found.mean:+.2f}"
    if found.low is None or found.high is None:
        return text
    text += f" ({100 * found.low:+.2f} … {100 * found.high:+.2f})"
    return f"**{text}**" if found.clear else text


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table."""
    rows = list(rows)
    return ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows)] if rows else ["Nothing yet."]


def place(found: Figures) -> str:
    """Return where a net was computed."""
    versions = ", ".join(f"{name} {number}" for name, number in sorted(found.versions.items()))
    return f"{found.device}, {found.dtype}, {versions}"


def done(figures: Sequence[Figures]) -> list[str]:
    """Return the lines that say how many nets there are, what they took, and where."""
    hours = sum(one.cpu_seconds for one in figures) / 3600
    places = sorted({place(one) for one in figures})
    return [f"{len(figures)} nets, {hours:.1f} hours of processor time.", "", *(f"- {p}" for p in places), ""]
