"""Folders of pictures as data sets, and single pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fflabels.arrays import Shape
from fflabels.errors import FFLabelsError
from fflabels.images import SUFFIXES, Range, read_picture
from fflabels.images.notes import Notes
from ffnet.config import DataConfig
from ffnet.data.dataset import Bytes, Classes, Data, split_data
from ffnet.data.ranges import with_range


def load_folder(folder: Path, config: DataConfig) -> Data:
    """Read ``folder/CLASS/*.png``, a sixth for the test, or ``folder/train/CLASS`` and ``folder/test/CLASS``.

    Raises
    ------
    FFLabelsError
        When there are no class folders, images are damaged or of mixed sizes, or too few.
    """
    value_range = Range.parse(with_range(config).range)
    parts = [folder / "train", folder / "test"]
    if all(p.is_dir() for p in parts):
        names = _class_names(parts[0])
        if _class_names(parts[1]) != names:
            different = sorted(set(_class_names(parts[1])) ^ set(names))
            raise FFLabelsError("classes of train and test differ", where=str(folder), got=", ".join(different))
        train, test = (_read_classes(p, names, config.size, value_range) for p in parts)
        order = np.random.default_rng(0).permutation(len(train[0]))  # files come class by class
        train = train[0][order], train[1][order]
        if train[0].shape[1:] != test[0].shape[1:]:
            raise FFLabelsError(
                "train and test images differ in shape",
                where=str(folder),
                got=f"{train[0].shape[1:]} and {test[0].shape[1:]}",
                hint="set data.size",
            )
        return split_data(config, folder.name, train, test, names, len(train[0]) // 8)
    names = _class_names(folder)
    images, classes = _read_classes(folder, names, config.size, value_range)
    order = np.random.default_rng(0).permutation(len(images))
    count = len(images) // 6
    if not count:
        raise FFLabelsError("too few images", where=str(folder), got=len(images), expected="at least 6")
    held, rest = order[:count], order[count:]
    return split_data(
        config, folder.name, (images[rest], classes[rest]), (images[held], classes[held]), names, len(rest) // 8
    )


def _class_names(folder: Path) -> tuple[str, ...]:
    names = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(names) < 2:
        raise FFLabelsError(
            "not a folder of class folders", where=str(folder), got=f"{len(names)} subfolders", expected="2 or more"
        )
    return tuple(names)


def _read_classes(folder: Path, names: tuple[str, ...], size: int | None, value_range: Range) -> tuple[Bytes, Classes]:
    images: list[Bytes] = []
    classes: list[int] = []
    damaged: list[str] = []
    notes = Notes(str(folder), value_range)

    # Read every picture; damaged ones are reported together.
    for k, name in enumerate(names):
        inside = (p for p in (folder / name).iterdir() if not p.name.startswith("."))
        files = sorted(p for p in inside if p.suffix.lower() in SUFFIXES)
        if not files:
            raise FFLabelsError("no image in the class folder", where=str(folder / name))
        for file in files:
            try:
                images.append(read_picture(file, (size, size) if size else None, value_range, notes.take))
            except Exception as error:  # decoders raise anything on damaged files
                damaged.append(f"{file.relative_to(folder)} ({_reason(error)})")
                continue
            classes.append(k)
    if damaged:
        raise FFLabelsError(
            f"{len(damaged)} of {len(damaged) + len(images)} images cannot be read",
            where=str(folder),
            got="; ".join(damaged[:3]),
            hint="mend or remove them",
        )

    notes.tell_depth()

    # One size for all; grey pictures become colour ones beside those.
    channels = max(image.shape[0] for image in images)
    sizes = sorted({image.shape[1:] for image in images})
    if len(sizes) > 1:
        raise FFLabelsError(
            "images of mixed sizes",
            where=str(folder),
            got=", ".join(f"{h}×{w}" for h, w in sizes[:4]),
            expected="one size",
            hint="--set data.size=32 resizes them",
        )
    same = [np.repeat(image, channels, axis=0) if image.shape[0] < channels else image for image in images]
    return np.stack(same), np.asarray(classes, np.int64)


def _reason(error: Exception) -> str:
    """Return what the reader, a decoder or the system says, without the path that it repeats."""
    if isinstance(error, FFLabelsError):
        return str(error).removeprefix(f"{error.where}: ").removeprefix("cannot be read as images: ").partition(" '")[0]
    return getattr(error, "strerror", None) or (str(error).splitlines() or [repr(error)])[0].partition(" '")[0]


def read_pictures(paths: Sequence[str | Path], shape: Shape, value_range: str = "type") -> Tensor:
    """Return image files as (N, C, H, W) uint8 of a shape: resized, grey repeated, colours turned to grey.

    Raises
    ------
    FFLabelsError
        When one cannot be read: names it.
    """
    channels, height, width = shape
    pictures, scale = [], Range.parse(value_range)
    for path in paths:
        try:
            picture = torch.from_numpy(np.array(read_picture(Path(path), (height, width), scale)))
        except Exception as error:  # decoders raise anything on damaged files
            raise FFLabelsError(f"cannot be read as an image: {_reason(error)}", where=str(path)) from None
        if len(picture) > channels:
            weights = torch.tensor([0.299, 0.587, 0.114])  # ITU-R BT.601
            picture = (picture.float() * weights[:, None, None]).sum(0, keepdim=True).round().to(torch.uint8)
        pictures.append(picture.expand(channels, -1, -1))
    return torch.stack(pictures)
