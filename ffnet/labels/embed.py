"""Embed labels in batches of images on any device, and give later layers their label channels.

Letters of shapes: N images, C channels, H×W pixels, M label channels, h×w pixels of a label channel.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fflabels import LabelSet
from fflabels.arrays import Shape
from fflabels.errors import FFLabelsError
from fflabels.guard import checked_embed, checked_imprint, checked_imprint_each


class Embedded(NamedTuple):
    """Images with an embedded label (N, C, H, W), and the label channels for later layers (N, M, h, w) or None."""

    images: Tensor
    label_channels: Tensor | None = None


class Embedder(nn.Module):
    """Embeds the labels of one set in images of one shape at intensity K.

    The imprints of image-independent labels are computed once; those of other labels are computed for each batch. The
    buffers move with the module to another device, but are not part of its state dict.

    Parameters
    ----------
    labels, shape, intensity
        The label set, the shape (C, H, W) of the images, and the label intensity K.
    dtype
        Type of the images.
    own_imprint
        Whether the mean over the imprint's channels is the label channel, unless there are `label_patterns`.

    Attributes
    ----------
    patterns
        The imprints of image-independent labels, (labels, C, H, W); None for other labels.
    label_patterns
        The label channels of every label, (labels, M, h, w), or None.

    Raises
    ------
    FFLabelsError
        If a label cannot be drawn at this shape; of image-dependent labels only the first is tried.
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
            black = torch.zeros(1, *shape, dtype=dtype)
            imprints = [checked_imprint(labels.labeler, black, recipe).contiguous() for recipe in labels.recipes]
            self.patterns = torch.cat(imprints)
        else:
            checked_imprint(labels.labeler, torch.zeros(1, *shape, dtype=dtype), labels.recipes[0])

    def embed(self, images_NCHW: Tensor, labels_N: Tensor) -> Embedded:
        """Return each image with its own label, floats in [0, 1]."""
        if self.patterns is not None:
            imprints = self.patterns[labels_N]
        else:
            imprints = checked_imprint_each(self.labels.labeler, images_NCHW, self.labels.recipes, labels_N)
        return self._mixed(images_NCHW, imprints, labels_N)

    def embed_one(self, images_NCHW: Tensor, label: int) -> Embedded:
        """Return all images with the same label."""
        if self.patterns is not None:
            imprints = self.patterns[label].expand_as(images_NCHW)
        else:
            imprints = checked_imprint(self.labels.labeler, images_NCHW, self.labels.recipes[label])
        return self._mixed(images_NCHW, imprints, label)

    def neutral(self, images_NCHW: Tensor) -> Embedded:
        """Return all images with the mean imprint of the label set, the input of the linear classifier [ours]."""
        if self.patterns is not None:
            imprints = self.patterns.mean(0).expand_as(images_NCHW)
        else:
            imprints = torch.zeros_like(images_NCHW)
            for recipe in self.labels.recipes:
                imprints += checked_imprint(self.labels.labeler, images_NCHW, recipe)
            imprints /= len(self.labels)
        return self._mixed(images_NCHW, imprints)

    def _mixed(self, images_NCHW: Tensor, imprints_NCHW: Tensor, labels: Tensor | int | None = None) -> Embedded:
        """Return images with imprints, and label channels: one label per image, one for all, or the mean (None)."""
        # A compiler cannot trace the guard that names a faulty plugin.
        labeler, compiling = self.labels.labeler, torch.compiler.is_compiling()
        embed = labeler.embed if compiling else partial(checked_embed, labeler)
        embedded_NCHW: Tensor = embed(images_NCHW, imprints_NCHW, self.intensity)
        if self.label_patterns is not None:
            channels = self.label_patterns.mean(0) if labels is None else self.label_patterns[labels]
            return Embedded(embedded_NCHW, channels.expand(images_NCHW.shape[0], *self.label_patterns.shape[1:]))
        return Embedded(embedded_NCHW, imprints_NCHW.mean(1, keepdim=True) if self.own_imprint else None)
