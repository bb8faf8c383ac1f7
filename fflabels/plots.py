"""Plots, drawn with matplotlib, which comes with the extra ``plots``."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from math import nan
from pathlib import Path

from fflabels.comparison import Reach
from fflabels.errors import MissingExtraError
from fflabels.files import GENERATOR, write_whole
from fflabels.metrics import Matrix

try:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator
except ModuleNotFoundError as error:
    raise MissingExtraError("plots need matplotlib", extra="plots") from error

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's, which the colour-blind tell apart."""


def draw_comparison(reaches: Sequence[Reach], path: Path) -> None:
    """Draw one panel per metric: the largest similarity against n, one line per kind; dotted: chosen at random."""
    metrics = list(dict.fromkeys(reach.metric for reach in reaches))
    kinds = list(dict.fromkeys((reach.row, f"{reach.kind} {reach.params}".strip()) for reach in reaches))
    counts = sorted({reach.n for reach in reaches})
    lowest = [value - 0.02 for reach in reaches for value in (reach.selected, reach.random) if value is not None]
    figure = Figure(figsize=(9, 4 + 0.12 * len(kinds)), layout="constrained")
    axes = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axis, metric in zip(axes, metrics, strict=True):
        for row, name in kinds:
            line = [r for r in reaches if r.row == row and r.metric == metric and r.selected is not None]
            colour = COLOURS[row % len(COLOURS)]
            axis.plot([r.n for r in line], [r.selected for r in line], "o-", color=colour, label=name, zorder=3)
            random = [r.random if r.random is not None else nan for r in line]
            axis.plot([r.n for r in line], random, "o:", color=colour, alpha=0.6, ms=3, zorder=2)
        axis.set(title=metric, xlabel="labels n", xscale="log", ylim=(min([-0.02, *lowest]), 1.02))
        axis.set_xticks(counts, [str(n) for n in counts])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("similarity of the most similar pair")
    handles, names = axes[0].get_legend_handles_labels()
    chance = Line2D([], [], color="0.4", ls=":", marker="o", ms=3)
    figure.legend(
        [*handles, chance], [*names, "dotted: chosen at random"], loc="outside lower center", ncols=2, frameon=False
    )
    write_whole(path, png(figure))


def draw_similarity(matrix: Matrix, metric: str) -> bytes:
    """Return a heat map of the similarity of all pairs, from 0 or else −1 to 1, as a PNG file."""
    figure = Figure(figsize=(3.6, 3.2), layout="constrained")
    axis = figure.subplots()
    shown = axis.imshow(matrix, vmin=0 if matrix.min() >= 0 else -1, vmax=1, cmap="viridis", interpolation="nearest")
    axis.set(title=metric, xlabel="label", ylabel="label")
    axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axis.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    figure.colorbar(shown, ax=axis, shrink=0.85)
    return png(figure)


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file, the same bytes for the same figure."""
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=150, metadata={"Software": GENERATOR})
    return picture.getvalue()
