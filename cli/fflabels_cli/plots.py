"""Plots for people, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from fflabels.comparison import Reach
from fflabels.errors import MissingExtraError
from fflabels.files import write_whole

try:
    from matplotlib.figure import Figure
except ModuleNotFoundError as error:
    raise MissingExtraError('plots need matplotlib: pip install "fflabels[plots]"') from error

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's, which the colour-blind tell apart."""


def draw_comparison(found: Sequence[Reach], path: Path) -> None:
    """Draw a panel a metric: the largest similarity against n, a line a kind, dotted what chance gives."""
    metrics = list(dict.fromkeys(reach.metric for reach in found))
    kinds = list(dict.fromkeys((reach.kind, reach.params) for reach in found))
    counts = sorted({reach.n for reach in found})
    figure = Figure(figsize=(4.4 * len(metrics) + 2.2, 4.2), layout="constrained")
    axes = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axis, metric in zip(axes, metrics, strict=True):
        for k, kind in enumerate(kinds):
            line = [r for r in found if (r.kind, r.params) == kind and r.metric == metric and r.selected is not None]
            look = {"color": COLOURS[k % len(COLOURS)], "clip_on": False}
            name = " ".join(kind).strip()
            axis.plot([r.n for r in line], [r.selected for r in line], "o-", label=name, zorder=3, **look)
            chance = [(r.n, r.random) for r in line if r.random is not None]
            axis.plot(*zip(*chance, strict=True) if chance else ((), ()), "o:", alpha=0.6, ms=3, zorder=2, **look)
        axis.set(title=metric, xlabel="labels n", xscale="log", ylim=(0, 1))
        axis.set_xticks(counts, [str(n) for n in counts])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("similarity of the most similar pair")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", frameon=False, title="selected")
    figure.text(0.995, 0.02, "dotted: chosen by chance", ha="right", fontsize="small", color="0.35")
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=150, metadata={"Software": None})
    write_whole(path, picture.getvalue())
