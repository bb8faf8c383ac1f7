"""A data set, split into training, validation and test images, as tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from fflabels.arrays import Shape
from fflabels.checks import check_integer
from fflabels.errors import FFLabelsError
from fflabels.images import Range, to_shape
from fflabels.images.pictures import from_pillow
from ffnet.config import DataConfig
from ffnet.data.arrays import images_of
from ffnet.data.splits import SplitRule, held_out

Bytes = npt.NDArray[np.uint8]
Classes = npt.NDArray[np.int64]

RESIZED_AT_ONCE = 256
"""Images that are resized together."""


@dataclass(frozen=True)
class Split:
    """Images (N, C, H, W), uint8 or float32 in [0, 1], and classes (N,) int64."""

    images: Tensor
    classes: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"Split({len(self)} images {'×'.join(map(str, self.images.shape[1:]))})"

    def __getitem__(self, index: Any) -> Split:
        return Split(self.images[index], self.classes[index])

    def to(self, device: torch.device) -> Split:
        """Return the split on a device."""
        return Split(self.images.to(device), self.classes.to(device))


@dataclass(frozen=True)
class Data:
    """A data set, split. Choices are made on `validation`; `test` is evaluated once, after all choices.

    `splits` is the rule by which held-out images were drawn.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    splits: SplitRule = "by image"

    @property
    def shown_split(self) -> str:
        """The split whose images reports show: ``validation``, or ``train`` without validation images."""
        return "validation" if len(self.validation) else "train"

    @property
    def shown(self) -> Split:
        """The images of `shown_split`."""
        return self.validation if len(self.validation) else self.train

    def few(self, split: Split, count: int | None) -> Split:
        """Return at most `count` images of one of the splits.

        The first ones; in proportion from each class where pictures came from folders, since a given validation folder
        is read class by class.
        """
        if count is None or count >= len(split) or self.splits == "by image":
            return split[:count]
        return split[torch.from_numpy(held_out(split.classes.numpy(), count, self.splits, seed=0))]

    @classmethod
    def from_arrays(
        cls,
        X: Any,
        y: Any,
        class_names: Sequence[str] | None = None,
        *,
        test: tuple[Any, Any] | None = None,
        validation: int | None = None,
        name: str = "arrays",
    ) -> Data:
        """Return a data set of images and classes in arrays or tensors.

        Parameters
        ----------
        X
            Images (N, H, W) or (N, C, H, W), bytes or floats in [0, 1].
        y
            Classes (N,): integers from 0, or strings.
        class_names
            One per class; default: the sorted classes found in `y`.
        test
            Test images and their classes; default: a sixth of the images, drawn at random class by class.
        validation
            Number of training images to hold out for validation, drawn class by class; default: an eighth of them.
        name
            Name of the data set.

        Examples
        --------
        >>> import numpy as np, ffnet
        >>> X, y = np.random.default_rng(0).random((60, 16, 16)), np.arange(60) % 3
        >>> ffnet.Data.from_arrays(X, y, ["round", "long", "flat"])
        Data('arrays', 1×16×16, 3 classes, 44 training, 6 validation, 10 test images)
        """
        if validation is not None:
            validation = check_integer(validation, "validation", least=0)
        images = images_of(X).numpy()
        values = _classes(y, "y")
        names = tuple(map(str, np.unique(values) if class_names is None else class_names))
        classes = _indices(values, names, len(images), "y", named=class_names is not None)
        order = np.random.default_rng(0).permutation(len(images))  # they may come class by class
        images, classes = images[order], classes[order]
        if test is None:
            if len(images) < 6:
                raise FFLabelsError("too few images", where="X", got=len(images), expected="at least 6, or a test")
            held = held_out(classes, len(images) // 6, "by class", seed=2)
            tested, images, classes = (images[held], classes[held]), images[~held], classes[~held]
        else:
            tests = images_of(test[0], "test").numpy()
            if tests.shape[1:] != images.shape[1:]:
                raise FFLabelsError(
                    "test images of another shape", where="test", got=tests.shape[1:], expected=f"{images.shape[1:]}"
                )
            tested_as = _classes(test[1], "test")
            tested = tests, _indices(tested_as, names, len(tests), "test", named=class_names is not None)
        if validation is not None and validation >= len(images):
            raise FFLabelsError(
                "leaves no training image", where="validation", got=validation, expected=f"below {len(images)}"
            )
        config = DataConfig(validation=validation)
        return split_data(config, name, (images, classes), tested, names, len(images) // 8, "by class")

    @classmethod
    def from_dataset(
        cls, dataset: Any, class_names: Sequence[str] | None = None, *, test: Any = None, name: str | None = None
    ) -> Data:
        """Return a data set of the items (image, class) of a PyTorch data set, all read at once.

        Images are tensors (C, H, W), bytes or floats in [0, 1], or pictures of Pillow, which are read as files are:
        turned upright, laid on white, grey or in colour. Class names are those of its attribute ``classes`` unless
        given. `test` is a data set, too. For the rest see `from_arrays`.
        """
        names = getattr(dataset, "classes", None) if class_names is None else class_names
        tested = None if test is None else _items(test)
        return cls.from_arrays(*_items(dataset), names, test=tested, name=name or type(dataset).__name__)

    def __repr__(self) -> str:
        counts = f"{len(self.train)} training, {len(self.validation)} validation, {len(self.test)} test images"
        return f"Data({self.name!r}, {'×'.join(map(str, self.shape))}, {self.classes} classes, {counts})"

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


def _classes(y: Any, where: str) -> npt.NDArray[Any]:
    """Return classes as an array; refuse what is neither integers nor strings."""
    values = np.asarray(y.detach().cpu() if isinstance(y, Tensor) else y)
    texts = values.dtype.kind == "O" and all(isinstance(value, str) for value in values.ravel())
    if values.dtype.kind not in "biuU" and not texts:
        raise FFLabelsError("not classes", where=where, got=str(values.dtype), expected="integers or strings")
    return values


def _indices(y: npt.NDArray[Any], names: tuple[str, ...], count: int, where: str, *, named: bool) -> Classes:
    """Return the index of each class; `named` tells that integers are already indices of the names."""
    if y.shape != (count,):
        raise FFLabelsError("not one class per image", where=where, got=f"shape {y.shape}", expected=f"({count},)")
    if named and y.dtype.kind in "biu":
        if count and not (y.min() >= 0 and y.max() < len(names)):
            got, expected = f"{y.min()} to {y.max()}", f"0 to {len(names) - 1}, as there are names"
            raise FFLabelsError("out of range", where=where, got=got, expected=expected)
        return y.astype(np.int64)
    place = {name: k for k, name in enumerate(names)}
    if unknown := sorted({str(value) for value in y} - set(place)):
        raise FFLabelsError("a class without a name", where=where, got=unknown[0], expected=", ".join(names))
    return np.array([place[str(value)] for value in y], np.int64)


def _items(dataset: Any) -> tuple[Any, npt.NDArray[Any]]:
    """Return images (N, C, H, W) and classes of the items of a PyTorch data set."""
    iterable = isinstance(dataset, IterableDataset)
    pairs = list(dataset) if iterable else [dataset[k] for k in range(len(dataset))]
    if not pairs:
        raise FFLabelsError("no images", where="dataset")
    if isinstance(pairs[0][0], Tensor | np.ndarray):
        images = [np.asarray(image) for image, _ in pairs]
    else:
        images = _pixels([picture for picture, _ in pairs])
    if len(shapes := {image.shape for image in images}) > 1:
        raise FFLabelsError("images of several shapes", where="dataset", got=", ".join(map(str, sorted(shapes)[:3])))
    return np.stack(images), np.array([label.item() if isinstance(label, Tensor) else label for _, label in pairs])


def _pixels(items: Sequence[Any]) -> list[npt.NDArray[Any]]:
    """Return pictures of Pillow as (C, H, W): bytes if all have 8 bits, else floats in [0, 1]."""
    for k, picture in enumerate(items):
        if picture.mode == "I" and picture.format is None:  # which value is white?
            expected = "another mode, such as I;16 or L, or arrays of floats in [0, 1]"
            raise FFLabelsError("32-bit integers", where=f"dataset[{k}]", got="mode I", expected=expected)
        if not getattr(picture, "filename", ""):  # no file from which the low bytes of colours can be read
            picture.load()
    stored = [from_pillow(picture, f"dataset[{k}]") for k, picture in enumerate(items)]
    if all(image.values.dtype == np.uint8 for image in stored):
        return [image.values for image in stored]
    for k, image in enumerate(stored):
        Range().check(image, f"dataset[{k}]")
    return [Range().scale(*image) for image in stored]


def first_of_each_class(split: Split, count: int) -> Split:
    """Return the first image of each of the first `count` classes that have images."""
    _, first = np.unique(split.classes.numpy(), return_index=True)
    return split[torch.from_numpy(first[:count])]


def split_data(
    config: DataConfig,
    name: str,
    train: tuple[Bytes, Classes],
    test: tuple[Bytes, Classes],
    class_names: tuple[str, ...],
    validation: int | tuple[Bytes, Classes],
    splits: SplitRule = "by image",
) -> Data:
    """Return a data set whose validation images are given, or drawn from the training images.

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
        The validation images and classes; or the number of training images to hold out if the configuration sets none.
    splits
        How these are drawn.

    Raises
    ------
    FFLabelsError
        When no training image would be left, or more validation images are asked for than are given.
    """
    (images, classes), tested = train, to_split(*test, config.size)
    if isinstance(validation, tuple):
        trained = to_split(images[: config.limit], classes[: config.limit], config.size)
        data = Data(name, trained, to_split(*validation, config.size), tested, class_names, splits)
        return replace(data, validation=_some(data, config.validation))
    count = config.validation if config.validation is not None else validation
    if count >= len(images):
        raise FFLabelsError(
            "leaves no training image", where="data.validation", got=count, expected=f"below {len(images)}"
        )
    held = held_out(classes, count, splits, seed=1)
    kept = np.flatnonzero(~held)[: config.limit]
    trained, validated = (to_split(images[chosen], classes[chosen], config.size) for chosen in (kept, held))
    return Data(name, trained, validated, tested, class_names, splits)


def _some(data: Data, count: int | None) -> Split:
    """Return as many of the given validation images as are set, or all."""
    given = len(data.validation)
    if count is not None and count > given:
        raise FFLabelsError("too few images given", where="data.validation", got=count, expected=f"up to {given}")
    return data.few(data.validation, count)


def to_split(images: Bytes, classes: Classes, size: int | None) -> Split:
    """Return images, bytes or floats in [0, 1], resized to `size` × `size` if that is given, and classes as tensors."""
    if size and images.shape[2:] != (size, size):
        white = 255 if images.dtype == np.uint8 else 1
        resized = np.empty((*images.shape[:2], size, size), images.dtype)
        for k in range(0, len(images), RESIZED_AT_ONCE):
            part = to_shape((images[k : k + RESIZED_AT_ONCE] / white).astype(np.float32), (images.shape[1], size, size))
            resized[k : k + RESIZED_AT_ONCE] = np.round(part * 255) if white == 255 else part
        images = resized
    return Split(torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(classes))
