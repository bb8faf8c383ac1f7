"""A run as HTML for notebooks: its accuracies and its learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from ffnet.evaluation.statistics import percent

if TYPE_CHECKING:
    from ffnet.runs.results import Results

WIDTH, HEIGHT = 320, 96


def run_html(metrics: Sequence[Mapping[str, Any]], results: Results | None, title: str) -> str:
    """Return a table of accuracies and a plot of the loss, given the metrics of each epoch."""
    parts = [f"<p>{escape(title)}</p>"]
    if results:
        splits = results.parts
        names = list(splits[-1].accuracies) if splits else []
        head = "".join(f"<th>{escape(name)}</th><th>{escape(name)}, untrained net</th>" for name in names)
        rows = [
            f"<tr><th>{part.split}, {part.images:,} images</th>"
            + "".join(_cell(a.accuracy) + _cell(a.untrained) for a in map(part.accuracies.__getitem__, names))
            + "</tr>"
            for part in splits
        ]
        parts.append(f"<table><tr><th>accuracy, %</th>{head}</tr>{''.join(rows)}</table>")
    losses = [float(epoch["loss"]) for epoch in metrics]
    if len(losses) > 1:
        parts.append(_curve(losses, f"loss, epochs 1 to {len(losses)}: {losses[0]:.3f} to {losses[-1]:.3f}"))
    return "".join(parts)


def _cell(share: float | None) -> str:
    return f"<td>{percent(share)}</td>"


def _curve(values: Sequence[float], text: str) -> str:
    """Return a line through the values, as SVG with a caption."""
    low, spread = min(values), (max(values) - min(values)) or 1
    points = " ".join(
        f"{4 + k * (WIDTH - 8) / (len(values) - 1):.1f},{4 + (HEIGHT - 8) * (1 - (value - low) / spread):.1f}"
        for k, value in enumerate(values)
    )
    line = f'<polyline points="{points}" fill="none" stroke="#0072B2" stroke-width="2"/>'
    return (
        f'<figure style="margin:0"><svg role="img" aria-label="{text}" width="{WIDTH}" height="{HEIGHT}">{line}</svg>'
        f"<figcaption>{text}</figcaption></figure>"
    )
