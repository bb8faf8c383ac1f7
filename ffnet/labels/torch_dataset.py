"""Labels for your own training loop: a transform that embeds a label, and a Dataset of labelled pairs."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fflabels import LabelSet
from fflabels.errors import FFLabelsError


class EmbedLabel:
    """A transform that embeds a label in one image (C, H, W), floats in [0, 1].

    Parameters
    ----------
    labels
        A label set.
    intensity
        The label intensity K.

    Examples
    --------
    >>> import torch, ffnet
    >>> from fflabels import named_set
    >>> ffnet.EmbedLabel(named_set("fourier:paper10"))(torch.zeros(1, 28, 28), 3).shape
    torch.Size([1, 28, 28])
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
        A map-style data set of (image, class): images (C, H, W), floats in [0, 1]; classes 0 … n−1 for n labels.
    labels, intensity
        As for `EmbedLabel`.
    seed
        The wrong label of item i depends only on (seed, epoch, i); call `set_epoch` to draw new ones.

    Examples
    --------
    >>> import torch, ffnet
    >>> from fflabels import named_set
    >>> pairs = ffnet.LabelledPairs([(torch.zeros(1, 28, 28), 3)], named_set("fourier:paper10"))
    >>> positive, negative, label = pairs[0]
    >>> positive.shape, bool((positive == negative).all()), label
    (torch.Size([1, 28, 28]), False, 3)
    """

    def __init__(self, dataset: Any, labels: LabelSet, intensity: float = 0.35, *, seed: int = 0) -> None:
        if len(labels) < 2:
            raise FFLabelsError("no wrong label exists", where="labels", got=f"{len(labels)} label")
        self.dataset, self.transform, self.seed, self.epoch = dataset, EmbedLabel(labels, intensity), seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which decides the wrong labels."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(cast(Sized, self.dataset))

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, int]:
        image, label = self.dataset[index]
        classes = len(self.transform.labels)
        step = int(np.random.default_rng([self.seed, self.epoch, index]).integers(1, classes))
        return self.transform(image, label), self.transform(image, (int(label) + step) % classes), int(label)
