"""Draw the pictures that explain the method: method.png, where-labels-enter.png and label-intensity.png.

``python docs/draw_method.py [FOLDER]``: the two nets of method.png are trained in the folder unless they are there.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import Tensor

import ffnet
from fflabels import LabelSet, design, named_set
from fflabels.plots import COLOURS
from ffnet.inference.passes import decision_scores, layer_goodness

PICTURES = Path(__file__).with_name("_static")
RIGHT, WRONG, QUIET = COLOURS[2], COLOURS[1], "#b8b8bf"
DPI = 160

CODES = ffnet.load_preset("quick-cells").config
PAIRS = CODES.replaced({
    "labels.goodness.set": "none", "labels.goodness.learn": False, "labels.set": "fourier", "labels.intensity": 0.3,
    "labels.layers.set": "imprint", "train.epochs": 14,
})  # fmt: skip
WIDE, HIGH = (0, 10), (-0.9, 11.6)
"""Axes of a panel of where-labels-enter.png."""
WORDS: dict[str, Any] = {"size": 9, "color": "0.15"}


def trained(folder: Path, name: str, config: ffnet.Config) -> ffnet.Run:
    """Return the run of this name in a folder, trained unless it is there."""
    return ffnet.load_run(folder / name) if (folder / name).exists() else ffnet.train(config, out=folder / name)


# The method, on real nets.


def method(pairs: ffnet.Run, codes: ffnet.Run) -> Figure:
    """Draw one test image under both ways to learn: labels in the image, and codes over a layer's channels."""
    data = codes.data()
    k = shown_image(pairs, codes)
    image, right = data.test.images[k : k + 1], int(data.test.classes[k])
    names = data.class_names
    figure = Figure(figsize=(10, 5.3), layout="constrained")
    panels: Any = figure.subfigures(2, 1, hspace=0.04)
    top, bottom = panels

    # Labels in the image.
    top.suptitle(
        "Labels in the image (the paper): raise the goodness of ✓, lower that of ✗", x=0.01, ha="left", size=11
    )
    axes = top.subplots(1, 6)
    wrong = (right + 3) % len(names)
    tile(axes[0], as_picture(image), f"an image:\n{names[right]}")
    tile(axes[1], embedded(pairs, image, right), "✓ positive: the label\nof its class drawn in", RIGHT)
    tile(axes[2], embedded(pairs, image, wrong), f"✗ negative: the label\nof {names[wrong]}", WRONG)
    goodness_panels(axes[3:], pairs.net, image, right, names)
    axes[4].set_xlabel("goodness of each label: one pass per label", **WORDS)

    # Codes.
    bottom.suptitle(
        "Labels as codes over a layer's channels [ours]: nothing is drawn into the image", x=0.01, ha="left", size=11
    )
    axes = bottom.subplots(1, 6)
    tile(axes[0], as_picture(image), f"the same image:\n{names[right]}")
    energies_and_codes(axes[1], axes[2], codes.net, image, right)
    goodness_panels(axes[3:], codes.net, image, right, names)
    axes[4].set_xlabel("goodness of each label = Σ code × energy: one pass for all", **WORDS)
    return figure


def shown_image(pairs: ffnet.Run, codes: ffnet.Run) -> int:
    """Return the first test image that both nets classify correctly."""
    test, nets = codes.data().test, [run.net for run in (pairs, codes) if isinstance(run.net, ffnet.FFNet)]
    for k in range(len(test)):
        image, right = test.images[k : k + 1], int(test.classes[k])
        if all(int(decision_scores(net, layer_goodness(net, image)).argmax()) == right for net in nets):
            return k
    raise SystemExit("no test image that both nets classify correctly")


def as_picture(images_BCHW: Tensor) -> np.ndarray[Any, Any]:
    return (images_BCHW[0].permute(1, 2, 0).float() / 255).clip(0, 1).numpy()


def embedded(run: ffnet.Run, image: Tensor, label: int) -> np.ndarray[Any, Any]:
    assert isinstance(run.labels, LabelSet)
    drawn = run.labels.embed(image.float() / 255, torch.tensor([label]), run.config.labels.intensity)
    return as_picture(drawn * 255)


def tile(axis: Axes, picture: np.ndarray[Any, Any], title: str, colour: str | None = None) -> None:
    axis.imshow(picture, interpolation="nearest", vmin=0, vmax=1, cmap="gray")
    axis.set_title(title, **WORDS)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set(color=colour or "0.7", linewidth=3 if colour else 0.8)


def goodness_panels(axes: Any, net: Any, image: Tensor, right: int, names: tuple[str, ...]) -> None:
    """Draw the goodness of each label in layers 2 and 3 and in their sum, less the mean over the labels."""
    g_LC = layer_goodness(net, image)[:, 0].float()
    shown = [*g_LC[1:], g_LC[1:].sum(0)]
    titles = ["layer 2", "layer 3", "sum decides"]
    for position, (axis, g_C, title) in enumerate(zip(axes, shown, titles, strict=True)):
        centred = (g_C - g_C.mean()).numpy()
        colours = [RIGHT if k == right else QUIET for k in range(len(centred))]
        axis.barh(range(len(centred)), centred, color=colours)
        axis.axvline(0, color="0.5", linewidth=0.8)
        axis.invert_yaxis()
        axis.set_title(title, **WORDS)
        axis.set(xticks=[])
        axis.set_yticks(range(len(names)), names if position == 0 else [""] * len(names), size=7.5)
        axis.tick_params(length=0)
        axis.spines[["top", "right", "bottom", "left"]].set_visible(False)


def energies_and_codes(first: Axes, second: Axes, net: Any, image: Tensor, right: int) -> None:
    """Draw the energies of the last layer's channels, and the codes of all labels there."""
    *_, y_NCHW = net.activities(net.prepare(image))
    layer = net.layers[-1]
    with torch.no_grad():
        energies_C = (layer.squares(layer.pooled(y_NCHW))[0] + 0.01).log()
        code_LC = layer.goodness_weight - layer.goodness_weight.mean(1, keepdim=True)
    order = code_LC[right].argsort(descending=True)
    first.bar(range(len(order)), (energies_C - energies_C.mean())[order].numpy(), width=1, color=COLOURS[0])
    first.set_title("layer 3: energy of\neach channel", **WORDS)
    first.set(xticks=[], yticks=[])
    first.spines[["top", "right", "bottom", "left"]].set_visible(False)
    first.axhline(0, color="0.5", lw=1)
    first.set_xlabel("channels, sorted by\nthe first code", **WORDS)
    limit = float(code_LC.abs().max())
    second.imshow(code_LC[:, order].numpy(), aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit)
    second.set_title("a code per label, learned\n(red: positive weights)", **WORDS)
    second.set(xticks=[], yticks=[])
    second.set_ylabel("labels", **WORDS)
    second.set_xlabel("the same channels", **WORDS)


# Where labels enter: a diagram.


def where_labels_enter() -> Figure:
    """Draw the three places at which a label can enter a net, a panel each."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    axes = figure.subplots(1, 3)
    picture = photograph()
    wave = design("fourier", 4, candidates=50, shape=(3, 64, 64))
    panels = (
        ("At the image", "a picture, mixed into\nthe image", "C passes for C classes",
         "the paper; Hinton 2022 (one-hot)"),
        ("At the layers", "m more channels for every\nlayer after the first", "C passes for C classes",
         "[ours]; close to it: SigProp"),
        ("At the goodness", "a code: one weight per\nchannel of the layer", "1 pass for all classes",
         "[ours]; close to it: CwComp"),
    )  # fmt: skip
    for number, (axis, (title, what, passes, whose)) in enumerate(zip(axes, panels, strict=True)):
        axis.set(xlim=WIDE, ylim=HIGH)
        axis.axis("off")
        axis.set_title(title, size=12, weight="bold")
        axis.text(5, 11.1, what, ha="center", va="center", size=9.5)
        stack(axis, picture if number else wave.embed(picture[None], np.array([0]), 0.35)[0], labelled=number == 0)
        if number == 0:
            inset(axis, (0.2, 0.6), wave.imprints(picture[None])[0, 0])
            arrow(axis, (2.2, 1.6), (3.3, 1.6))
        elif number == 1:
            channels_into_layers(axis)
        else:
            codes_at_layers(axis)
        axis.text(5, -0.2, passes, ha="center", size=9.5, weight="bold", color=COLOURS[0])
        axis.text(5, -0.9, whose, ha="center", size=8.5, color="0.35")
    return figure


def photograph() -> np.ndarray[Any, Any]:
    """Return a generated cell, (3, 64, 64) in [0, 1]."""
    return ffnet.load_data(CODES.data).test.images[3].numpy().astype(np.float32) / 255


def stack(axis: Axes, picture: np.ndarray[Any, Any], *, labelled: bool) -> None:
    """Draw the image and the three layers above it."""
    inset(axis, (3.6, 0.3), picture, size=2.8)
    for number in (1, 2, 3):
        bottom = 1.4 + 2.5 * number
        box = FancyBboxPatch(
            (3.2, bottom), 3.6, 1.15, boxstyle="round,pad=0.05", facecolor="#e8f0f8", edgecolor=COLOURS[0]
        )
        axis.add_patch(box)
        axis.text(5, bottom + 0.58, f"layer {number}", ha="center", va="center", size=9.5)
        arrow(axis, (5, bottom - (0.75 if number == 1 else 1.3)), (5, bottom - 0.05))
        if labelled:
            axis.text(7.1, bottom + 0.58, "goodness", va="center", size=8, color="0.35")


def channels_into_layers(axis: Axes) -> None:
    waves = named_set("waves:reed-solomon", 4, (8, 16, 16)).imprints(np.zeros((1, 8, 16, 16), np.float32))[0, 0]
    for number in (2, 3):
        bottom = 1.4 + 2.5 * number
        for k in range(3):
            inset(axis, (0.15 + 0.35 * k, bottom - 0.05 - 0.18 * k + 0.2), waves[k : k + 1], size=1.15)
        arrow(axis, (2.1, bottom + 0.55), (3.15, bottom + 0.55))
        axis.text(7.1, bottom + 0.58, "goodness", va="center", size=8, color="0.35")


def codes_at_layers(axis: Axes) -> None:
    for number in (1, 2, 3):
        bottom = 1.4 + 2.5 * number
        codes = named_set("code:hadamard", 5, (16, 1, 1), seed=number).codes() * 2 - 1
        axis.imshow(codes, extent=(7.5, 9.9, bottom, bottom + 1.15), cmap="RdBu_r", vmin=-1.6, vmax=1.6, aspect="auto")
        arrow(axis, (6.9, bottom + 0.57), (7.45, bottom + 0.57))
    axis.set(xlim=WIDE, ylim=HIGH)
    axis.text(8.6, 2.6, "energies × codes\n= goodness\nof all labels", ha="center", va="center", size=8, color="0.35")


def inset(axis: Axes, at: tuple[float, float], picture: np.ndarray[Any, Any], size: float = 1.9) -> None:
    channels_last = np.moveaxis(np.asarray(picture), 0, -1)
    shown = channels_last if channels_last.shape[-1] == 3 else channels_last[..., 0]
    extent = (at[0], at[0] + size, at[1], at[1] + size)
    axis.imshow(shown, extent=extent, cmap="gray", vmin=0, vmax=1, aspect="auto", zorder=3, interpolation="nearest")
    axis.set(xlim=WIDE, ylim=HIGH)


def arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axis.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=10, color="0.3", zorder=4))


# The words of the glossary.


def label_intensity() -> Figure:
    """Draw what embedding does: image, imprint, three intensities, neutral; a wave and a chain of operators."""
    image = photograph()[None]
    figure = Figure(figsize=(10, 3.7), layout="constrained")
    grid = figure.subplots(2, 6)
    for row, kind in zip(grid, ("fourier", "morph"), strict=True):
        labels: LabelSet = design(kind, 7, candidates=200, shape=(3, 64, 64))
        imprints = labels.imprints(image)[:, 0]
        mixed = [labels.embed(image, np.array([2]), k)[0] for k in (0.2, 0.35, 0.6)]
        neutral = 0.65 * image[0] + 0.35 * imprints.mean(0)
        titles = ["image x", "imprint of its label", "K = 0.2", "K = 0.35", "K = 0.6", "neutral, K = 0.35"]
        for axis, picture, title in zip(row, [image[0], imprints[2], *mixed, neutral], titles, strict=True):
            tile(axis, np.moveaxis(np.asarray(picture), 0, -1), title if kind == "fourier" else "")
        row[0].set_ylabel({"fourier": "a wave", "morph": "operators"}[kind], size=10)
    return figure


def save(figure: Figure, name: str) -> None:
    figure.savefig(PICTURES / name, dpi=DPI, pil_kwargs={"optimize": True})
    print(PICTURES / name)


if __name__ == "__main__":
    save(where_labels_enter(), "where-labels-enter.png")
    save(label_intensity(), "label-intensity.png")
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    save(method(trained(folder, "fig-pairs", PAIRS), trained(folder, "fig-codes", CODES)), "method.png")
