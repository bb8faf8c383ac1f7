"""The figures of a report, each a PNG file of a few kilobytes that reads on a phone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from fflabels.plots import COLOURS, png
from ffnet.cam import ActivationMaps
from ffnet.embedding import unit

FOR_AND_AGAINST = "PiYG"
"""Green speaks for the class, pink against it; white is neutral."""

FEW = 20
"""Up to so many classes a confusion matrix shows its numbers and names."""


def learning_curves(metrics: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw loss and discrimination accuracy (or training accuracy) over the epochs, a line a layer."""
    epochs = [line["epoch"] for line in metrics]
    layered = "layer_loss" in metrics[0]
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    if layered:
        for k in range(len(metrics[0]["layer_loss"])):
            look = {"color": COLOURS[k % len(COLOURS)], "label": f"layer {k + 1}"}
            left.plot(epochs, [line["layer_loss"][k] for line in metrics], ".-", **look)
            right.plot(epochs, [100 * line["discrimination"][k] for line in metrics], ".-", **look)
        left.legend(frameon=False)
    else:
        left.plot(epochs, [line["loss"] for line in metrics], ".-", color=COLOURS[0])
        right.plot(epochs, [100 * line["train_accuracy"] for line in metrics], ".-", color=COLOURS[0], label="training")
    validated = [line for line in metrics if "validation" in line]
    if validated:
        accuracy = [100 * line["validation"] for line in validated]
        right.plot([line["epoch"] for line in validated], accuracy, "k--", label="validation accuracy")
    if validated or not layered:
        right.legend(frameon=False)
    left.set(xlabel="epoch", ylabel="loss")
    right.set(xlabel="epoch", ylabel="discrimination accuracy, %" if layered else "accuracy, %")
    for axis in (left, right):
        _plain(axis)
    return png(figure)


def layer_accuracies(layers: Mapping[str, Sequence[float]], chance: float) -> bytes:
    """Draw the accuracy of each layer's goodness alone, a group of bars a split."""
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
    axis.legend(frameon=False, ncols=3, loc="upper left", fontsize="small")
    _plain(axis)
    return png(figure)


def confusion(matrix: Sequence[Sequence[int]], names: Sequence[str]) -> bytes:
    """Draw a confusion matrix, row by row as shares; up to 20 classes with numbers and names."""
    table = np.array(matrix)
    share = table / np.maximum(1, table.sum(1, keepdims=True))
    figure = Figure(figsize=(6, 5.4), layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(100 * share, cmap="Blues", vmin=0, vmax=100)
    axis.set(xlabel="predicted", ylabel="right")
    if len(names) <= FEW:
        axis.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 2 else 0)
        axis.set_yticks(range(len(names)), names)
        for (i, j), value in np.ndenumerate(table):
            if value:
                axis.text(j, i, value, ha="center", va="center", fontsize=7, color="w" if share[i, j] > 0.5 else "k")
    figure.colorbar(image, shrink=0.8, label="% of the class")
    return png(figure)


def mistakes(images: Tensor, right: Sequence[str], predicted: Sequence[str]) -> bytes:
    """Draw images with their right and predicted classes, eight a row."""
    columns = min(8, len(images))
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(1.1 * columns, 1.45 * rows), layout="constrained")
    for axis, image, a, b in zip(figure.subplots(rows, columns, squeeze=False).flat, images, right, predicted,
                                 strict=False):  # fmt: skip
        _show(axis, image)
        axis.set_title(f"{a}\n→ {b}", fontsize=7)
    for axis in figure.axes[len(images) :]:
        axis.set_axis_off()
    return png(figure)


def activation(images: Tensor, maps: ActivationMaps, titles: Sequence[str]) -> bytes:
    """Draw images, their maps layer by layer, and the sum over the image; one scale an image."""
    count = len(images)
    columns = 2 + len(maps.layers)
    figure = Figure(figsize=(1.25 * columns, 1.35 * count), layout="constrained")
    grid = figure.subplots(count, columns, squeeze=False)
    for i, (axes, image) in enumerate(zip(grid, images, strict=True)):
        _show(axes[0], image)
        axes[0].set_title(titles[i], fontsize=7)
        for axis, (number, layer_NHW) in zip(axes[1:-1], maps.layers.items(), strict=True):
            _heat(axis, layer_NHW[i])
            axis.set_title(f"layer {number}", fontsize=7)
        total = maps.total[i]
        grey = unit(image[None]).mean(1)[0].numpy()
        axes[-1].imshow(grey, cmap="gray", vmin=0, vmax=1)
        _heat(axes[-1], total, alpha=0.6)
        axes[-1].set_title("sum", fontsize=7)
    return png(figure)


def _heat(axis: Axes, map_HW: Tensor, **look: Any) -> None:
    limit = float(map_HW.abs().max()) or 1.0
    axis.imshow(map_HW.numpy(), cmap=FOR_AND_AGAINST, vmin=-limit, vmax=limit, **look)
    axis.set_axis_off()


def _show(axis: Axes, image_CHW: Tensor) -> None:
    pixels = unit(image_CHW[None].cpu(), torch.float32)[0]
    if len(pixels) == 3:
        axis.imshow(pixels.permute(1, 2, 0).numpy())
    else:
        axis.imshow(pixels.mean(0).numpy(), cmap="gray", vmin=0, vmax=1)
    axis.set_axis_off()


def _plain(axis: Axes) -> None:
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
