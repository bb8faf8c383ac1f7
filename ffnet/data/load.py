"""Data sets as uint8 tensors, split: the embedded digits, torchvision's, or a folder of class folders."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fflabels.arrays import Shape
from fflabels.errors import FFLabelsError, nearest
from fflabels.images import SUFFIXES, digits, fit
from ffnet.config import DataConfig

Bytes = npt.NDArray[np.uint8]

DIGITS_SIZE = 16
"""The digits are 8×8 and drawn twice as large [ours]."""


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
        """How many classes there are."""
        return len(self.class_names)

    @property
    def shape(self) -> Shape:
        """Channels, height and width."""
        _, c, h, w = self.train.images.shape
        return c, h, w

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all images and classes, in hex: whether a run goes on with the data that it began with."""
        found = hashlib.sha256()
        for split in (self.train, self.validation, self.test):
            found.update(str(tuple(split.images.shape)).encode())
            found.update(split.images.numpy().tobytes())
            found.update(split.classes.numpy().tobytes())
        return found.hexdigest()


def one_a_class(split: Split, count: int) -> Split:
    """Return the first image of each of the first `count` classes that there are images of."""
    _, first = np.unique(split.classes.numpy(), return_index=True)
    return split[torch.from_numpy(first[:count])]


def load_data(config: DataConfig) -> Data:
    """Return a data set.

    The validation images are set apart by a fixed draw that depends on the data set's size alone [ours: 10,000 of
    MNIST's, Fashion-MNIST's and the pairs' and 5,000 of CIFAR's training images, an eighth of others'].

    Raises
    ------
    FFLabelsError
        For an unknown name, a data set that is not there and cannot be downloaded, or a folder without classes.
    """
    if config.name == "digits":
        return _digits(config)
    if config.name in _TORCHVISION:
        return _torchvision(config)
    if config.name == PAIRS:
        return _pairs(config)
    if Path(config.name).is_dir():
        return _folder(Path(config.name), config)
    moved = "--data says where the folder is now" if Path(config.name).is_absolute() else nearest(config.name, KNOWN)
    raise FFLabelsError("neither a data set nor a folder", where="data.name", got=config.name, hint=moved)


def _digits(config: DataConfig) -> Data:
    images, classes = digits()
    size = config.size or DIGITS_SIZE
    pixels = np.round(fit(images, (1, size, size)) * 255).astype(np.uint8)
    order = np.random.default_rng(0).permutation(len(pixels))
    test, rest = order[:360], order[360:]
    return _split(
        config, "digits", (pixels[rest], classes[rest]), (pixels[test], classes[test]), tuple("0123456789"), 180
    )


_TORCHVISION: dict[str, tuple[str, int]] = {
    "mnist": ("MNIST", 10_000),
    "fashion-mnist": ("FashionMNIST", 10_000),
    "cifar10": ("CIFAR10", 5_000),
    "cifar100": ("CIFAR100", 5_000),
}


PAIRS = "mnist-pairs"
"""Two of MNIST's digits side by side."""

KNOWN = ("digits", *_TORCHVISION, PAIRS)
"""Data sets that have a name."""


def data_root(config: DataConfig) -> Path:
    """Return the folder of torchvision's data sets."""
    return Path(config.root or os.environ.get("FFNET_DATA") or Path.home() / ".cache" / "ffnet")


def _torchvision(config: DataConfig) -> Data:
    import torchvision.datasets

    root = data_root(config)
    cls, validation = _TORCHVISION[config.name]
    dataset: Callable[..., Any] = getattr(torchvision.datasets, cls)
    advice = f"set --data DIR or FFNET_DATA to a folder that torchvision.datasets.{cls} reads"
    try:
        parts = [dataset(root=str(root), train=train, download=False) for train in (True, False)]
    except RuntimeError:
        if config.offline:
            raise FFLabelsError(
                f"{cls} is not there, and --offline forbids to download it", where=str(root), hint=advice
            ) from None
        try:
            parts = [dataset(root=str(root), train=train, download=True) for train in (True, False)]
        except (OSError, RuntimeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[-1]
            raise FFLabelsError(
                f"{cls} is not there and cannot be downloaded: {reason}", where=str(root), hint=advice
            ) from error
    except Exception as error:  # damaged pickles and archives raise anything
        raise FFLabelsError(f"{cls} cannot be read: {error}", where=str(root), hint=advice) from error
    train, test = ((_channels_first(np.asarray(p.data)), np.asarray(p.targets, np.int64)) for p in parts)
    return _split(config, config.name, train, test, tuple(map(str, parts[0].classes)), validation)


def _pairs(config: DataConfig) -> Data:
    """Return pairs of MNIST's digits, as many as MNIST has images; no image is in pairs of two splits."""
    digits = _torchvision(msgspec.structs.replace(config, name="mnist", size=None, limit=None))
    drawn = [digit_pairs(part, seed) for seed, part in enumerate((digits.train, digits.validation, digits.test))]
    train, validation, test = (_tensors(p.images.numpy(), p.classes.numpy(), config.size) for p in drawn)
    names = tuple(f"{a} {b}" for a, b in itertools.combinations_with_replacement(range(10), 2))
    return Data(PAIRS, train[: config.limit] if config.limit else train, validation, test, names)


def digit_pairs(digits: Split, seed: int) -> Split:
    """Return images of two digits side by side, as many as there are digits [ours].

    The order does not matter: 3 7 and 7 3 are one class of 55, and a pair's class is drawn uniformly, then which digit
    stands on the left, then an image of each. All draws follow from the seed.

    Parameters
    ----------
    digits
        Images (N, C, H, W) of ten classes; each may be in several pairs, or in none.
    seed
        Of the draws.

    Returns
    -------
    Split
        Images (N, C, H, 2·W), classes in the order 0 0, 0 1, …, 0 9, 1 1, …, 9 9.

    Raises
    ------
    FFLabelsError
        When there are images, but none of some digit.
    """
    count, rng = len(digits), np.random.default_rng(seed)
    of = [np.flatnonzero(digits.classes.numpy() == digit) for digit in range(10)]
    if count and not all(map(len, of)):
        missing = ", ".join(str(digit) for digit, there in enumerate(of) if not len(there))
        raise FFLabelsError(
            "no image of a digit", where=PAIRS, got=missing, hint="raise data.validation, or set it to 0"
        )
    both = np.array(list(itertools.combinations_with_replacement(range(10), 2)))
    classes = rng.integers(len(both), size=count)
    sides = rng.permuted(both[classes], axis=1)
    chosen = np.empty((count, 2), np.int64)
    for digit, there in enumerate(of):
        places = sides == digit
        chosen[places] = rng.choice(there, int(places.sum()))
    left, right = (digits.images[torch.from_numpy(chosen[:, side])] for side in range(2))
    return Split(torch.cat([left, right], dim=3), torch.from_numpy(classes))


def _channels_first(images: Bytes) -> Bytes:
    return images[:, None] if images.ndim == 3 else np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def _folder(folder: Path, config: DataConfig) -> Data:
    """Read ``folder/CLASS/*.png``, a sixth for the test, or ``folder/train/CLASS`` and ``folder/test/CLASS``."""
    parts = [folder / "train", folder / "test"]
    if all(p.is_dir() for p in parts):
        names = _class_names(parts[0])
        if _class_names(parts[1]) != names:
            different = sorted(set(_class_names(parts[1])) ^ set(names))
            raise FFLabelsError("classes of train and test differ", where=str(folder), got=", ".join(different))
        train, test = (_read_classes(p, names, config.size) for p in parts)
        order = np.random.default_rng(0).permutation(len(train[0]))  # files come class by class
        train = train[0][order], train[1][order]
        if train[0].shape[1:] != test[0].shape[1:]:
            raise FFLabelsError(
                "train and test images differ in shape",
                where=str(folder),
                got=f"{train[0].shape[1:]} and {test[0].shape[1:]}",
                hint="set data.size",
            )
        return _split(config, folder.name, train, test, names, len(train[0]) // 8)
    names = _class_names(folder)
    images, classes = _read_classes(folder, names, config.size)
    order = np.random.default_rng(0).permutation(len(images))
    count = len(images) // 6
    if not count:
        raise FFLabelsError("too few images", where=str(folder), got=len(images), expected="at least 6")
    held, rest = order[:count], order[count:]
    return _split(
        config, folder.name, (images[rest], classes[rest]), (images[held], classes[held]), names, len(rest) // 8
    )


def _class_names(folder: Path) -> tuple[str, ...]:
    names = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(names) < 2:
        raise FFLabelsError(
            "not a folder of class folders", where=str(folder), got=f"{len(names)} subfolders", expected="2 or more"
        )
    return tuple(names)


def _read_classes(folder: Path, names: tuple[str, ...], size: int | None) -> tuple[Bytes, npt.NDArray[np.int64]]:
    found: list[Bytes] = []
    classes: list[int] = []
    damaged: list[str] = []
    for k, name in enumerate(names):
        inside = (p for p in (folder / name).iterdir() if not p.name.startswith("."))
        files = sorted(p for p in inside if p.suffix.lower() in SUFFIXES)
        if not files:
            raise FFLabelsError("no image in the class folder", where=str(folder / name))
        for file in files:
            try:
                found.append(_read_picture(file, (size, size) if size else None))
            except Exception as error:  # decoders raise anything on damaged files
                damaged.append(f"{file.relative_to(folder)} ({_reason(error)})")
                continue
            classes.append(k)
    if damaged:
        raise FFLabelsError(
            f"{len(damaged)} of {len(damaged) + len(found)} images cannot be read",
            where=str(folder),
            got="; ".join(damaged[:3]),
            hint="mend or remove them",
        )
    channels = max(image.shape[0] for image in found)
    sizes = sorted({image.shape[1:] for image in found})
    if len(sizes) > 1:
        raise FFLabelsError(
            "images of mixed sizes",
            where=str(folder),
            got=", ".join(f"{h}×{w}" for h, w in sizes[:4]),
            expected="one size",
            hint="--set data.size=32 resizes them",
        )
    same = [np.repeat(image, channels, axis=0) if image.shape[0] < channels else image for image in found]
    return np.stack(same), np.asarray(classes, np.int64)


def _reason(error: Exception) -> str:
    """Return what a decoder or the system says, without the path that it repeats."""
    return getattr(error, "strerror", None) or (str(error).splitlines() or [repr(error)])[0].partition(" '")[0]


def _read_picture(file: Path, size: tuple[int, int] | None) -> Bytes:
    """Return (C, H, W), upright, on white where it is transparent, resized to (H, W) if that is given.

    Integers of more than 8 bits are of 65535, floats of 1.
    """
    from PIL import Image, ImageOps

    with Image.open(file) as opened:
        if opened.mode.startswith(("I", "F")):
            values = np.asarray(opened, np.float32)
            high = 65535.0 if opened.mode.startswith("I") else 1.0
            if not (values.min() >= 0 and values.max() <= high):
                raise ValueError(f"values from {values.min():g} to {values.max():g}, expected 0 to {high:g}")
            picture = Image.fromarray(np.round(values / high * 255).astype(np.uint8))
        else:
            upright = ImageOps.exif_transpose(opened)
            if upright.has_transparency_data:
                upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright.convert("RGBA"))
            picture = upright.convert("L" if opened.mode in ("1", "L", "LA") else "RGB")
    if size:
        picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(picture)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def read_pictures(paths: Sequence[str | Path], shape: Shape) -> Tensor:
    """Return image files as (N, C, H, W) uint8 of a shape: resized, gray repeated, colours turned to gray.

    Raises
    ------
    FFLabelsError
        When one cannot be read: names it.
    """
    channels, height, width = shape
    found = []
    for path in paths:
        try:
            picture = torch.from_numpy(np.array(_read_picture(Path(path), (height, width))))
        except Exception as error:  # decoders raise anything on damaged files
            raise FFLabelsError(f"cannot be read as an image: {_reason(error)}", where=str(path)) from None
        if len(picture) > channels:
            weights = torch.tensor([0.299, 0.587, 0.114])  # ITU-R BT.601
            picture = (picture.float() * weights[:, None, None]).sum(0, keepdim=True).round().to(torch.uint8)
        found.append(picture.expand(channels, -1, -1))
    return torch.stack(found)


def _split(
    config: DataConfig,
    name: str,
    train: tuple[Bytes, npt.NDArray[np.int64]],
    test: tuple[Bytes, npt.NDArray[np.int64]],
    names: tuple[str, ...],
    validation: int,
) -> Data:
    count = config.validation if config.validation is not None else validation
    if count >= len(train[0]):
        raise FFLabelsError(
            "leaves no training image", where="data.validation", got=count, expected=f"below {len(train[0])}"
        )
    order = np.random.default_rng(1).permutation(len(train[0]))
    held, rest = np.sort(order[:count]), np.sort(order[count:])
    whole, tested = _tensors(*train, config.size), _tensors(*test, config.size)
    kept = rest[: config.limit] if config.limit else rest
    return Data(name, whole[torch.from_numpy(kept)], whole[torch.from_numpy(held)], tested, names)


def _tensors(images: Bytes, classes: npt.NDArray[np.int64], size: int | None) -> Split:
    if size and images.shape[2:] != (size, size):
        resized = np.empty((*images.shape[:2], size, size), np.uint8)
        for k in range(0, len(images), RESIZED_AT_ONCE):
            part = (images[k : k + RESIZED_AT_ONCE] / 255).astype(np.float32)
            resized[k : k + RESIZED_AT_ONCE] = np.round(fit(part, (images.shape[1], size, size)) * 255)
        images = resized
    return Split(torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(classes))
