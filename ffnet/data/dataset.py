"""A data set, split into training, validation and test images, as uint8 tensors."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fflabels.arrays import Shape
from fflabels.errors import FFLabelsError
from fflabels.images import fit
from ffnet.config import DataConfig

Bytes = npt.NDArray[np.uint8]
Classes = npt.NDArray[np.int64]

RESIZED_AT_ONCE = 256
"""Images that are resized together."""


@dataclass(frozen=True)
class Split:
    """Images (N, C, H, W) uint8 and classes (N,) int64."""

    images: Tensor
    classes: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any) -> Split:
        return Split(self.images[index], self.classes[index])

    def to(self, device: torch.device) -> Split:
        """Return the split on a device."""
        return Split(self.images.to(device), self.classes.to(device))


@dataclass(frozen=True)
class Data:
    """A data set, split. Choices are made on `validation`; `test` is read once, after all of them."""

    name: str
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def shape(self) -> Shape:
        """Channels, height and width."""
        _, c, h, w = self.train.images.shape
        return c, h, w

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all images and classes, in hex: it tells whether a run resumes on the data that it began with."""
        digest = hashlib.sha256()
        for split in (self.train, self.validation, self.test):
            digest.update(str(tuple(split.images.shape)).encode())
            digest.update(split.images.numpy().tobytes())
            digest.update(split.classes.numpy().tobytes())
        return digest.hexdigest()


def one_a_class(split: Split, count: int) -> Split:
    """Return the first image of each of the first `count` classes that have images."""
    _, first = np.unique(split.classes.numpy(), return_index=True)
    return split[torch.from_numpy(first[:count])]


def split_data(
    config: DataConfig,
    name: str,
    train: tuple[Bytes, Classes],
    test: tuple[Bytes, Classes],
    class_names: tuple[str, ...],
    validation: int,
) -> Data:
    """Return a data set whose validation images are drawn from the training images.

    Parameters
    ----------
    config
        Its `size`, `validation` and `limit` are applied.
    name
        Of the data set.
    train, test
        Images (N, C, H, W) and classes (N,).
    class_names
        One per class.
    validation
        The number of validation images if the configuration sets none.

    Raises
    ------
    FFLabelsError
        When no training image would be left.
    """
    count = config.validation if config.validation is not None else validation
    if count >= len(train[0]):
        raise FFLabelsError(
            "leaves no training image", where="data.validation", got=count, expected=f"below {len(train[0])}"
        )
    order = np.random.default_rng(1).permutation(len(train[0]))
    held, rest = np.sort(order[:count]), np.sort(order[count:])
    whole, tested = to_split(*train, config.size), to_split(*test, config.size)
    kept = rest[: config.limit] if config.limit else rest
    return Data(name, whole[torch.from_numpy(kept)], whole[torch.from_numpy(held)], tested, class_names)


def to_split(images: Bytes, classes: Classes, size: int | None) -> Split:
    """Return images, resized to `size` × `size` if that is given, and classes as tensors."""
    if size and images.shape[2:] != (size, size):
        resized = np.empty((*images.shape[:2], size, size), np.uint8)
        for k in range(0, len(images), RESIZED_AT_ONCE):
            part = (images[k : k + RESIZED_AT_ONCE] / 255).astype(np.float32)
            resized[k : k + RESIZED_AT_ONCE] = np.round(fit(part, (images.shape[1], size, size)) * 255)
        images = resized
    return Split(torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(classes))
