"""What studies' tables are made of: Markdown, paired differences with their intervals, where nets were computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ffnet.evaluation.statistics import Gap
from ffnet.experiments.trials import Figures

READINGS = {"last": "goodness, last layer", "goodness": "goodness, sum", "linear": "linear"}
"""How accuracy is read, and what tables call it."""


def format_gap(gap: Gap | None) -> str:
    """Return a difference of shares in points of %, with its interval; bold where that is clear of zero."""
    if not gap:
        return "–"
    text = f"{100 * gap.mean:+.2f}"
    if gap.low is None or gap.high is None:
        return text
    text += f" ({100 * gap.low:+.2f} … {100 * gap.high:+.2f})"
    return f"**{text}**" if gap.clear else text


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
