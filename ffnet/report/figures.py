"""Figures of runs, each a small PNG file that is legible on a phone."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor
from torch.nn import functional as F

from fflabels.plots import COLOURS, png
from ffnet.data.images import to_unit
from ffnet.evaluation.activation_maps import ActivationMaps
from ffnet.evaluation.statistics import Gap

FOR_AND_AGAINST = "PiYG"
"""The colour map of activation maps: green is evidence for the class, pink against it, white neither."""

OVER_CURVES: dict[str, Any] = {"facecolor": "white", "framealpha": 0.85, "edgecolor": "none"}
"""Style of a legend that stays legible over curves."""

MARKS = ("o", "^", "s", "D")
"""Marker shapes, which tell apart kinds of the same colour."""

LOG_RATIO = 30
"""Positive values get a logarithmic axis if the largest is more than this many times the smallest."""

MAX_NUMBERED = 20
"""A confusion matrix of at most this many classes shows counts and class names."""


def learning_curves(metrics: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw loss and discrimination accuracy (or training accuracy) per epoch, one line per layer."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _curves(left, right, metrics)
    return png(figure)


def learning_side_by_side(runs: Mapping[str, Sequence[Mapping[str, Any]]], title: str) -> bytes:
    """Draw the learning curves of several runs, one row per run."""
    figure = Figure(figsize=(8, 0.4 + 2.9 * len(runs)), layout="constrained")
    grid = figure.subplots(len(runs), 2, squeeze=False)
    for (name, metrics), (left, right) in zip(runs.items(), grid, strict=True):
        _curves(left, right, metrics)
        left.set_title(name)
    _title(figure, title)
    return png(figure)


def _curves(left: Axes, right: Axes, metrics: Sequence[Mapping[str, Any]]) -> None:
    """Draw loss on the left and accuracy on the right."""
    epochs = [line["epoch"] for line in metrics]
    layered = "layer_loss" in metrics[0]
    if layered:
        for k in range(len(metrics[0]["layer_loss"])):
            colour, loss = COLOURS[k % len(COLOURS)], [line["layer_loss"][k] for line in metrics]
            left.plot(epochs, loss, ".-", color=colour, label=f"layer {k + 1}")
            right.plot(epochs, [100 * line["discrimination"][k] for line in metrics], ".-", color=colour)
        left.legend(**OVER_CURVES)
    else:
        left.plot(epochs, [line["loss"] for line in metrics], ".-", color=COLOURS[0])
        right.plot(epochs, [100 * line["train_accuracy"] for line in metrics], ".-", color=COLOURS[0], label="training")
    validated = [line for line in metrics if "validation" in line]
    if validated:
        accuracy = [100 * line["validation"] for line in validated]
        right.plot([line["epoch"] for line in validated], accuracy, "k--", label="validation accuracy")
    if validated or not layered:
        right.legend(**OVER_CURVES)
    left.set(xlabel="epoch", ylabel="loss")
    layers = "discrimination and accuracy" if validated else "discrimination"
    right.set(xlabel="epoch", ylabel=f"{layers if layered else 'accuracy'}, %")
    for axis in (left, right):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        _plain(axis)


def accuracy_by_point(
    lines: Mapping[str, Mapping[str, Sequence[float]]], points: Sequence[str], x: str, y: str, title: str
) -> bytes:
    """Draw accuracies per point, mean ± standard deviation over seeds: one line per kind of run and inference method.

    Parameters
    ----------
    lines
        The accuracy of each seed, in [0, 1], by name of the line and by point.
    points
        The points from left to right. A single point gives bars, grey for an untrained net.
    x, y, title
        Labels of the axes, and the title.
    """
    names = list(lines)
    single = len(points) == 1
    figure = Figure(figsize=(8, 1.2 + 0.42 * len(names) if single else 4.2), layout="constrained")
    axis = figure.subplots()
    for k, name in enumerate(names):
        measured = [p for p in points if p in lines[name]]
        values = [100 * np.array(lines[name][p]) for p in measured]
        means, spreads = [v.mean() for v in values], [v.std(ddof=min(1, len(v) - 1)) for v in values]
        colour = COLOURS[k % len(COLOURS)]
        if single:
            bars = axis.barh([name], means, xerr=spreads, color="0.7" if "untrained" in name else COLOURS[0], capsize=3)
            axis.bar_label(bars, fmt="%.1f", label_type="center", color="w")
        else:
            places = [points.index(p) for p in measured]
            axis.errorbar(places, means, spreads, marker="o", capsize=3, color=colour, label=name)
    if single:
        axis.invert_yaxis()
        axis.set(xlabel=y)
    else:
        axis.set_xticks(range(len(points)), points)
        axis.legend(frameon=False)
        axis.set(xlabel=x, ylabel=y)
    axis.set_title(title, fontsize="medium", wrap=True)
    _plain(axis)
    return png(figure)


def scatter_by_kind(panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], y: str, title: str) -> bytes:
    """Draw accuracies against statistics that may predict them: one panel per statistic, a colour and marker per kind.

    Parameters
    ----------
    panels
        The points (value of the statistic, accuracy in [0, 1]), by statistic and kind.
    y, title
        Label of the vertical axes, and the title.
    """
    columns = 4
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(2.6 * columns, 0.9 + 2.5 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axis, (name, kinds) in zip(grid.flat, panels.items(), strict=False):
        for k, (kind, points) in enumerate(kinds.items()):
            colour, mark = COLOURS[k % len(COLOURS)], MARKS[k // len(COLOURS) % len(MARKS)]
            values, shares = zip(*points, strict=True)
            axis.plot(values, [100 * s for s in shares], mark, color=colour, ms=4, alpha=0.7, label=kind)
        axis.set_xlabel(name)
        every_value = [value for points in kinds.values() for value, _ in points]
        least, largest = np.min(every_value), np.max(every_value)
        if least > 0 and largest > LOG_RATIO * least:
            axis.set_xscale("log")
        _plain(axis)
    for axis in grid.flat[len(panels) :]:
        axis.set_axis_off()
    for row in grid:
        row[0].set_ylabel(y)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    _title(figure, title)
    return png(figure)


def effects(panels: Mapping[str, Mapping[str, Mapping[str, Gap]]], names: Sequence[str], x: str, title: str) -> bytes:
    """Draw differences with their intervals: one row per difference, one panel per accuracy.

    Each factor has a colour and a marker.

    Parameters
    ----------
    panels
        The differences, by accuracy, factor and name.
    names
        The names, from top to bottom.
    x, title
        Label of the horizontal axes, and the title.
    """
    figure = Figure(figsize=(4.2 + 2.4 * len(panels), 1.4 + 0.21 * len(names)), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    every = dict.fromkeys(kind for kinds in panels.values() for kind in kinds)
    looks = {kind: (COLOURS[k % len(COLOURS)], MARKS[k % len(MARKS)]) for k, kind in enumerate(every)}
    for axis, (accuracy, kinds) in zip(axes, panels.items(), strict=True):
        axis.axvline(0, color="0.4", lw=1)
        for kind, gaps in kinds.items():
            colour, mark = looks[kind]
            for name, gap in gaps.items():
                place = names.index(name)
                if gap.low is not None and gap.high is not None:
                    axis.plot([100 * gap.low, 100 * gap.high], [place, place], lw=1, color=colour)
                axis.plot(100 * gap.mean, place, mark, ms=4, color=colour)
        # Fit the axis to the differences: an interval from few seeds may be far wider, and is cut off.
        means = [100 * gap.mean for gaps in kinds.values() for gap in gaps.values()]
        margin = 0.25 * (max(*means, 0) - min(*means, 0)) or 1.0
        axis.set_xlim(min(*means, 0) - margin, max(*means, 0) + margin)
        axis.set(xlabel=x, title=accuracy)
        _plain(axis)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.4, -0.6)
    for kind, (colour, mark) in looks.items():
        axes[0].plot([], [], mark, ms=4, color=colour, label=kind)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    _title(figure, title)
    return png(figure)


def layer_accuracies(layers: Mapping[str, Sequence[float]], chance: float) -> bytes:
    """Draw the accuracy by the goodness of each layer alone: one group of bars per layer, one colour per split."""
    figure = Figure(figsize=(8, 2.8), layout="constrained")
    axis = figure.subplots()
    count = len(next(iter(layers.values())))
    width = 0.8 / len(layers)
    for j, (split, accuracies) in enumerate(layers.items()):
        places = np.arange(count) + (j - (len(layers) - 1) / 2) * width
        bars = axis.bar(places, [100 * a for a in accuracies], width, color=COLOURS[j], label=split)
        axis.bar_label(bars, fmt="%.1f", fontsize="small")
    axis.axhline(100 * chance, color="0.4", ls=":", label="chance")
    axis.set_xticks(range(count), [f"layer {k + 1}" for k in range(count)])
    axis.set(ylabel="accuracy by goodness, %", ylim=(0, 108))
    figure.legend(frameon=False, ncols=3, loc="outside upper left", fontsize="small")
    _plain(axis)
    return png(figure)


def confusion(matrix: Sequence[Sequence[int]], names: Sequence[str], title: str = "") -> bytes:
    """Draw a confusion matrix as the shares of each row; with at most 20 classes also counts and names."""
    table = np.array(matrix)
    share = table / np.maximum(1, table.sum(1, keepdims=True))
    figure = Figure(figsize=(6, 5.4), layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(100 * share, cmap="Blues", vmin=0, vmax=100)
    axis.set(xlabel="predicted class", ylabel="true class")
    if len(names) <= MAX_NUMBERED:
        axis.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 2 else 0)
        axis.set_yticks(range(len(names)), names)
        for (i, j), value in np.ndenumerate(table):
            if value:
                axis.text(j, i, value, ha="center", va="center", fontsize=9, color="w" if share[i, j] > 0.5 else "k")
    figure.colorbar(image, shrink=0.8, label="% of the class")
    _title(figure, title)
    return png(figure)


def correlations(matrices: Mapping[str, Tensor], names: Sequence[str]) -> bytes:
    """Draw correlation matrices (C, C) side by side, blue for alike, red for opposite; names for at most 20 classes."""
    named = len(names) <= MAX_NUMBERED
    figure = Figure(figsize=(0.8 + 2.4 * len(matrices), 3.4), layout="constrained")
    for k, (axis, (title, matrix)) in enumerate(
        zip(figure.subplots(1, len(matrices), squeeze=False)[0], matrices.items(), strict=True)
    ):
        image = axis.imshow(matrix.numpy(), cmap="RdBu", vmin=-1, vmax=1)
        axis.set_title(title, fontsize="medium")
        axis.set_xticks(range(len(names)) if named else [], names if named else [], rotation=90, fontsize=7)
        axis.set_yticks(range(len(names)) if named and not k else [], names if named and not k else [], fontsize=7)
    figure.colorbar(image, ax=figure.axes, shrink=0.7, label="correlation")
    return png(figure)


def mistakes(images: Tensor, right: Sequence[str], predicted: Sequence[str]) -> bytes:
    """Draw images with their right and predicted classes, eight per row."""
    columns = min(8, len(images))
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(1.1 * columns, 1.45 * rows), layout="constrained")
    for axis, image, a, b in zip(figure.subplots(rows, columns, squeeze=False).flat, images, right, predicted,
                                 strict=False):  # fmt: skip
        _show(axis, image)
        axis.set_title(f"{a}\n→ {b}", fontsize=7, y=1)
    for axis in figure.axes[len(images) :]:
        axis.set_axis_off()
    return png(figure)


def label_channels(patterns_NMHW: Tensor, names: Sequence[str]) -> bytes:
    """Draw the label channels that later layers receive: one column per label, one row per channel."""
    count, channels, height, width = patterns_NMHW.shape
    tile = min(0.7, 7.2 / count)
    figure = Figure(figsize=(0.8 + tile * count, 0.4 + tile * channels * height / width), layout="constrained")
    axis = figure.subplots()
    tiles = F.pad(patterns_NMHW.float().cpu(), (0, 1, 0, 1), value=torch.nan)  # white lines between them
    axis.imshow(tiles.permute(1, 2, 0, 3).flatten(2).flatten(0, 1).numpy(), cmap="gray", vmin=0, vmax=1)
    axis.set_xticks(np.arange(count) * (width + 1) + width / 2, names, rotation=90 if max(map(len, names)) > 2 else 0)
    axis.set_yticks(np.arange(channels) * (height + 1) + height / 2, [str(k + 1) for k in range(channels)])
    axis.set(ylabel="channel")
    axis.xaxis.tick_top()
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    return png(figure)


def activation(images: Tensor, maps: ActivationMaps, titles: Sequence[str]) -> bytes:
    """Draw images, the activation maps of each layer, and their sum over the image; each map has its own scale."""
    columns = 2 + len(maps.layers)
    height = 1.25 + 0.12 * max((title.count("\n") + 1 for title in titles), default=1)
    figure = Figure(figsize=(1.25 * columns, height * len(images)), layout="constrained")
    for i, axes in enumerate(figure.subplots(len(images), columns, squeeze=False)):
        _show(axes[0], images[i])
        axes[0].set_title(titles[i], fontsize=7, y=1, linespacing=1.1)
        for axis, (number, layer_NHW) in zip(axes[1:-1], maps.layers.items(), strict=True):
            _heat(axis, layer_NHW[i])
            axis.set_title(f"layer {number}", fontsize=7, y=1)
        _overlay(axes[-1], images[i], maps.total[i])
        axes[-1].set_title("sum", fontsize=7, y=1)
    return png(figure)


def activation_side_by_side(images: Tensor, runs: Mapping[str, ActivationMaps], title: str) -> bytes:
    """Draw a row of images and, below each image, the sum of its activation maps in every run."""
    count = len(images)
    figure = Figure(figsize=(1.3 * count + 0.8, 1.4 * (1 + len(runs)) + 0.4), layout="constrained")
    grid = figure.subplots(1 + len(runs), count, squeeze=False)
    for axis, image in zip(grid[0], images, strict=True):
        _show(axis, image)
    for row, (name, maps) in zip(grid[1:], runs.items(), strict=True):
        for axis, image, total in zip(row, images, maps.total, strict=True):
            _overlay(axis, image, total)
        row[0].set_title(name, fontsize=8, loc="left")
    _title(figure, title)
    return png(figure)


def _overlay(axis: Axes, image_CHW: Tensor, map_HW: Tensor) -> None:
    axis.imshow(to_unit(image_CHW[None]).mean(1)[0].numpy(), cmap="gray", vmin=0, vmax=1)
    _heat(axis, map_HW, alpha=0.6)


def _heat(axis: Axes, map_HW: Tensor, **look: Any) -> None:
    limit = float(map_HW.abs().max()) or 1.0
    axis.imshow(map_HW.numpy(), cmap=FOR_AND_AGAINST, vmin=-limit, vmax=limit, **look)
    axis.set_axis_off()


def _show(axis: Axes, image_CHW: Tensor) -> None:
    pixels = to_unit(image_CHW[None].cpu(), torch.float32)[0]
    if len(pixels) == 3:
        axis.imshow(pixels.permute(1, 2, 0).numpy())
    else:
        axis.imshow(pixels.mean(0).numpy(), cmap="gray", vmin=0, vmax=1)
    axis.set_axis_off()


def _title(figure: Figure, title: str) -> None:
    """Write a title above everything, on as many lines as it needs."""
    figure.suptitle(textwrap.fill(title, int(12 * figure.get_figwidth())), fontsize="medium")


def _plain(axis: Axes) -> None:
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
