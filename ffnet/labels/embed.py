"""Labels drawn into images: in batch on the device, and as a transform and a Dataset for anybody's own loop."""

from __future__ import annotations

import math
from collections.abc import Sized
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fflabels import LabelSet
from fflabels.arrays import Shape
from fflabels.errors import FFLabelsError
from fflabels.guard import checked_imprint

CHUNK = 256
"""Images that are drawn on at once: they fit a processor's cache."""


class Embedded(NamedTuple):
    """Images that carry a label (N, C, H, W), and what later layers are offered of it (N, M, h, w), if anything."""

    images: Tensor
    offered: Tensor | None = None


class Embedder:
    """Draws the labels of one set into images of one shape at intensity K.

    Image-independent labels are drawn once and gathered; others are drawn image by image, in batch.

    Parameters
    ----------
    labels, shape, intensity
        The label set, (C, H, W), and the label intensity K.
    device, dtype
        Of the images.
    offered
        What goes along for later layers: a label's pattern, of patterns (labels, M, h, w), its imprint (True), the mean
        of the channels, or nothing.
    """

    def __init__(
        self,
        labels: LabelSet,
        shape: Shape,
        intensity: float,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        *,
        offered: Tensor | bool = False,
    ) -> None:
        if not 0 <= intensity <= 1:
            raise FFLabelsError("out of range", where="labels.intensity", got=intensity, expected="0 to 1")
        self.labels, self.shape, self.intensity, self.device = labels, shape, float(intensity), device
        self.offered = offered.to(device) if isinstance(offered, Tensor) else offered
        self.patterns: Tensor | None = None
        if labels.labeler.image_independent:
            blank = torch.zeros(1, *shape, dtype=dtype)
            drawn = [checked_imprint(labels.labeler, blank, recipe).contiguous() for recipe in labels.recipes]
            self.patterns = torch.cat(drawn).to(device)
        else:
            checked_imprint(labels.labeler, torch.zeros(1, *shape), labels.recipes[0])

    def embed(self, images_NCHW: Tensor, labels_N: Tensor, imprints: Tensor | None = None) -> Embedded:
        """Return each image with its label, or with the imprints given; floats in [0, 1]."""
        if imprints is None and self.patterns is not None:
            imprints = self.patterns[labels_N]
        elif imprints is None:
            imprints = self.labels.labeler.imprint_each(images_NCHW, self.labels.recipes, labels_N)
        return self._mixed(images_NCHW, imprints, labels_N)

    def embed_one(self, images_NCHW: Tensor, label: int) -> Embedded:
        """Return every image with the same label."""
        if self.patterns is not None:
            imprints = self.patterns[label].expand_as(images_NCHW)
        else:
            imprints = self.labels.labeler.imprint(images_NCHW, self.labels.recipes[label])
        return self._mixed(images_NCHW, imprints, label)

    def neutral(self, images_NCHW: Tensor) -> Embedded:
        """Return every image with the mean imprint over the label set: what the linear classifier sees [ours]."""
        if self.patterns is not None:
            imprints = self.patterns.mean(0).expand_as(images_NCHW)
        else:
            imprints = torch.zeros_like(images_NCHW)
            for recipe in self.labels.recipes:
                imprints += self.labels.labeler.imprint(images_NCHW, recipe)
            imprints /= len(self.labels)
        return self._mixed(images_NCHW, imprints)

    def _mixed(self, images_NCHW: Tensor, imprints_NCHW: Tensor, labels: Tensor | int | None = None) -> Embedded:
        """Return images with imprints, and what is offered: each image's label's, one label's, or the mean of all."""
        embedded_NCHW = cast(Tensor, self.labels.labeler.embed(images_NCHW, imprints_NCHW, self.intensity))
        if isinstance(self.offered, Tensor):
            offered = self.offered.mean(0) if labels is None else self.offered[labels]
            return Embedded(embedded_NCHW, offered.expand(len(images_NCHW), *self.offered.shape[1:]))
        return Embedded(embedded_NCHW, imprints_NCHW.mean(1, keepdim=True) if self.offered else None)


def check_cache(labels: LabelSet, images: Tensor, limit: float) -> None:
    """Refuse to keep imprints that take more than so many MiB; those that do not depend on the image are not kept."""
    needed = len(labels) * images.numel() / 2**20
    if needed > limit and not labels.labeler.image_independent:
        raise FFLabelsError(
            "the imprints do not fit", where="labels.cache", got=f"{limit} MiB", expected=f"{math.ceil(needed)} or more"
        )


class Imprints:
    """Every imprint of every image of a data set, drawn once and kept as bytes: within 1/510 of what is drawn.

    Parameters
    ----------
    embedder
        Of labels that depend on the image.
    images
        (N, C, H, W), bytes or floats in [0, 1].
    limit
        MiB that they may take, N·labels·C·H·W bytes.

    Raises
    ------
    FFLabelsError
        When they take more.
    """

    def __init__(self, embedder: Embedder, images: Tensor, limit: float) -> None:
        recipes, labeler = embedder.labels.recipes, embedder.labels.labeler
        check_cache(embedder.labels, images, limit)
        self.kept_NLCHW = images.new_empty(len(images), len(recipes), *images.shape[1:], dtype=torch.uint8)
        for part, kept in zip(torch.split(images, CHUNK), torch.split(self.kept_NLCHW, CHUNK), strict=True):
            for label, recipe in enumerate(recipes):
                kept[:, label] = (labeler.imprint(unit(part), recipe) * 255).round_()

    def take(self, index_N: Tensor, labels_N: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the imprint of a label on each image of an index; floats in [0, 1]."""
        rows_N = index_N * self.kept_NLCHW.shape[1] + labels_N.to(index_N.device)
        return unit(self.kept_NLCHW.flatten(0, 1).index_select(0, rows_N), dtype)


def unit(images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return bytes as floats in [0, 1]; floats as they are."""
    return images.to(dtype).div_(255) if images.dtype == torch.uint8 else images.to(dtype)


def check_images_fit(images: Tensor, shape: Shape) -> None:
    """Refuse images that are not (N, C, H, W) of a net's shape (C, H, W), or neither bytes nor floats in [0, 1]."""
    if images.ndim != 4 or tuple(images.shape[1:]) != tuple(shape):
        raise FFLabelsError(
            "images do not fit the net",
            where="images",
            got=f"shape {tuple(images.shape)}",
            expected=f"(N, {', '.join(map(str, shape))})",
        )
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise FFLabelsError("neither bytes nor floats", where="images", got=images.dtype, expected="uint8, or 0 to 1")
    if images.is_floating_point() and images.numel() and not (images.min() >= 0 and images.max() <= 1):
        raise FFLabelsError(
            "out of range", where="images", got=f"{images.min():g} to {images.max():g}", expected="0 to 1, or uint8"
        )


class EmbedLabel:
    """A transform: one image (C, H, W) in [0, 1] and a label → the image that carries it.

    Parameters
    ----------
    labels
        A label set, of n labels.
    intensity
        The label intensity K.
    """

    def __init__(self, labels: LabelSet, intensity: float = 0.35) -> None:
        self.labels, self.intensity = labels, intensity

    def __call__(self, image: Tensor, label: int) -> Tensor:
        """Return the embedded image, (C, H, W)."""
        return cast(Tensor, self.labels.embed(image[None], torch.tensor([int(label)]), self.intensity)[0])


class LabelledPairs(Dataset[tuple[Tensor, Tensor, int]]):
    """A Dataset of (positive, negative, class): each image with its own label and with a wrong one.

    Parameters
    ----------
    dataset
        Any map-style data set of (image, class), images (C, H, W) floats in [0, 1], classes 0 … n−1.
    labels, intensity
        As for `EmbedLabel`.
    seed
        Item i's wrong label depends on (seed, epoch, i) alone; call `set_epoch` for new ones.
    """

    def __init__(self, dataset: Any, labels: LabelSet, intensity: float = 0.35, *, seed: int = 0) -> None:
        if len(labels) < 2:
            raise FFLabelsError("no wrong label exists", where="labels", got=f"{len(labels)} label")
        self.dataset, self.transform, self.seed, self.epoch = dataset, EmbedLabel(labels, intensity), seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Draw other wrong labels from now on."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(cast(Sized, self.dataset))

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, int]:
        image, label = self.dataset[index]
        classes = len(self.transform.labels)
        step = int(np.random.default_rng([self.seed, self.epoch, index]).integers(1, classes))
        return self.transform(image, label), self.transform(image, (int(label) + step) % classes), int(label)
