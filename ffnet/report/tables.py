"""Markdown tables, and differences with their intervals as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ffnet.evaluation.statistics import Gap


def format_gap(gap: Gap | None) -> str:
    """Return a difference of shares in percentage points, with its interval; bold if the interval excludes zero."""
    if not gap:
        return "–"
    text = f"{100 * gap.mean:+.2f}"
    if gap.low is None or gap.high is None:
        return text
    text += f" ({100 * gap.low:+.2f} … {100 * gap.high:+.2f})"
    return f"**{text}**" if gap.clear else text


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    rows = list(rows)
    return ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows)] if rows else ["Nothing yet."]
