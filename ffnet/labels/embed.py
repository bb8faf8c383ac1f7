"""Labels drawn on images, in batch and on the device, and the label channels that go along for later layers."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from fflabels import LabelSet
from fflabels.arrays import Shape
from fflabels.errors import FFLabelsError
from fflabels.guard import checked_imprint


class Embedded(NamedTuple):
    """Images with their label (N, C, H, W), and the label channels for later layers (N, M, h, w), if any."""

    images: Tensor
    offered: Tensor | None = None


class Embedder(nn.Module):
    """Draws the labels of one set on images of one shape at intensity K.

    Image-independent labels are drawn once, here, and gathered; others are drawn image by image, in batch. What is kept
    moves to another device with the module, and is no part of its state.

    Parameters
    ----------
    labels, shape, intensity
        The label set, (C, H, W), and the label intensity K.
    dtype
        Of the images.
    own_imprint
        Whether the mean of the imprint's channels is the label channel, where there are no `label_patterns`.

    Attributes
    ----------
    patterns
        The imprints of image-independent labels, (labels, C, H, W), else None.
    label_patterns
        The label channels of every label, (labels, M, h, w), or None.

    Raises
    ------
    FFLabelsError
        When a label cannot be drawn at this shape.
    """

    patterns: Tensor | None
    label_patterns: Tensor | None

    def __init__(
        self,
        labels: LabelSet,
        shape: Shape,
        intensity: float,
        dtype: torch.dtype = torch.float32,
        *,
        own_imprint: bool = False,
    ) -> None:
        super().__init__()
        if not 0 <= intensity <= 1:
            raise FFLabelsError("out of range", where="labels.intensity", got=intensity, expected="0 to 1")
        self.labels, self.shape, self.intensity = labels, shape, float(intensity)
        self.own_imprint = own_imprint
        self.register_buffer("patterns", None, persistent=False)
        self.register_buffer("label_patterns", None, persistent=False)
        if labels.labeler.image_independent:
            blank = torch.zeros(1, *shape, dtype=dtype)
            drawn = [checked_imprint(labels.labeler, blank, recipe).contiguous() for recipe in labels.recipes]
            self.patterns = torch.cat(drawn)
        else:
            checked_imprint(labels.labeler, torch.zeros(1, *shape), labels.recipes[0])

    @property
    def offered(self) -> Tensor | bool:
        """Return the label channels of every label, or whether the imprint is the label channel."""
        return self.own_imprint if self.label_patterns is None else self.label_patterns

    def embed(self, images_NCHW: Tensor, labels_N: Tensor) -> Embedded:
        """Return each image with its label; floats in [0, 1]."""
        if self.patterns is not None:
            imprints = self.patterns[labels_N]
        else:
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
        """Return images with imprints and label channels: of each image's label, of one label, or the mean of all."""
        embedded_NCHW = cast(Tensor, self.labels.labeler.embed(images_NCHW, imprints_NCHW, self.intensity))
        if self.label_patterns is not None:
            channels = self.label_patterns.mean(0) if labels is None else self.label_patterns[labels]
            return Embedded(embedded_NCHW, channels.expand(len(images_NCHW), *self.label_patterns.shape[1:]))
        return Embedded(embedded_NCHW, imprints_NCHW.mean(1, keepdim=True) if self.own_imprint else None)
