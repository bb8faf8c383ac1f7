"""Folders of pictures as data sets, and single pictures."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import torch
from torch import Tensor

from fflabels.arrays import Shape
from fflabels.errors import FFLabelsError
from fflabels.images import SUFFIXES, Range, pictures, read_file, read_picture
from fflabels.images.notes import Notes
from fflabels.images.resize import check_channels
from fflabels.images.stored import Stored
from ffnet.config import DataConfig
from ffnet.data.dataset import Bytes, Classes, Data, split_data
from ffnet.data.layout import check_text, class_names, picture_files, split_folders, warn_of_unread
from ffnet.data.splits import SplitRule, held_out

MOST_NAMED = 100
"""At most this many damaged pictures are named."""


def load_folder(folder: Path, config: DataConfig, splits: SplitRule = "by class") -> Data:
    """Read ``folder/CLASS/*.png``, or ``folder/train/CLASS/*.png`` beside ``val`` and ``test`` where these are.

    Without ``test`` a sixth of the images is the test, without ``val`` (``valid``, ``validation``) an eighth of the
    others is the validation split.

    Parameters
    ----------
    folder, config
        Where the pictures are; how they are resized and split.
    splits
        How the splits are drawn: ``by image`` also reads the folder as older versions did, without ``val``.

    Raises
    ------
    FFLabelsError
        When there are no class folders, images are damaged or of mixed sizes, or too few.
    """
    value_range = Range.parse(with_range(config).range)

    # Which folders are splits, and which are classes.
    check_text(str(folder), "the data folder")
    parts = split_folders(folder, splits) or {"train": folder}
    names = class_names(parts["train"])
    for name, path in parts.items():
        if different := sorted(set(class_names(path)) ^ set(names)):
            raise FFLabelsError(f"classes of train and {name} differ", where=str(folder), got=", ".join(different))
    warn_of_unread(folder, list(parts.values()), names)

    # Read them: one shape for all splits, and the training images in a drawn order, since files come class by class.
    notes = Notes(str(folder), value_range)
    stored = {name: _read_classes(path, names, config.size, notes, value_range) for name, path in parts.items()}
    _refuse_damaged(stored.values(), folder)
    notes.tell_depth()
    read = _one_shape({name: _stacked(split, parts[name]) for name, split in stored.items()}, folder)
    images, classes = read["train"]
    order = np.random.default_rng(0).permutation(len(images))
    images, classes = images[order], classes[order]

    # Hold out a test where there is none.
    if "test" not in read:
        if len(images) < 6:
            raise FFLabelsError("too few images", where=str(folder), got=len(images), expected="at least 6")
        count = len(images) // 6
        held = held_out(classes, count, splits, seed=2) if splits == "by class" else np.arange(len(images)) < count
        read["test"], images, classes = (images[held], classes[held]), images[~held], classes[~held]
    validation = read.get("validation", len(images) // 8)
    name = folder.resolve().name if folder.name in ("", "..") else folder.name
    return split_data(config, name, (images, classes), read["test"], names, validation, splits)


def _one_shape(read: dict[str, tuple[Bytes, Classes]], folder: Path) -> dict[str, tuple[Bytes, Classes]]:
    """Return the splits with as many channels as the one with the most; refuse different sizes."""
    channels = max(images.shape[1] for images, _ in read.values())
    for images, _ in read.values():
        check_channels(images.shape[1], channels, str(folder))
    sizes = {name: images.shape[2:] for name, (images, _) in read.items()}
    if len(set(sizes.values())) > 1:
        raise FFLabelsError(
            "the splits differ in size", where=str(folder),
            got=", ".join(f"{name} {h}×{w}" for name, (h, w) in sizes.items()), expected="one size",
            hint="--set data.size=32 resizes them",
        )  # fmt: skip
    return {
        name: (np.repeat(images, channels, axis=1) if images.shape[1] < channels else images, classes)
        for name, (images, classes) in read.items()
    }


class _Read(NamedTuple):
    """The pictures of a split, (C, H, W) each, with their classes; and what is wrong with the damaged ones, by file."""

    images: list[Bytes]
    classes: list[int]
    damaged: dict[Path, str]


def _read_classes(folder: Path, names: tuple[str, ...], size: int | None, notes: Notes, value_range: Range) -> _Read:
    """Read every picture of a split, and collect the damaged ones."""
    read = _Read([], [], {})
    for k, name in enumerate(names):
        files = pictures(folder / name)
        if not files:
            raise FFLabelsError(
                "no image in the class folder", where=str(folder / name), expected=", ".join(sorted(SUFFIXES))
            )
        for file in files:
            try:
                read.images.append(read_picture(file, (size, size) if size else None, value_range, notes.take))
                read.classes.append(k)
            except Exception as error:  # decoders raise anything on damaged files
                read.damaged[file] = _reason(error)
    return read


def _refuse_damaged(splits: Collection[_Read], folder: Path) -> None:
    """Refuse a folder with damaged pictures, of whatever split: names them all."""
    damaged = [f"{file.relative_to(folder)} ({why})" for read in splits for file, why in read.damaged.items()]
    if not damaged:
        return
    listed = "; ".join(damaged[:MOST_NAMED])
    more = f"; and {len(damaged) - MOST_NAMED:,} more" if len(damaged) > MOST_NAMED else ""
    count = len(damaged) + sum(len(read.images) for read in splits)
    raise FFLabelsError(
        f"{len(damaged)} of {count} images cannot be read; got {listed}{more}",
        where=str(folder),
        hint="repair or remove them",
    )


def _stacked(read: _Read, folder: Path) -> tuple[Bytes, Classes]:
    """Return the pictures of a split as (N, C, H, W), and their classes; grey ones become colour beside colour ones."""
    channels = max(image.shape[0] for image in read.images)
    for count in {image.shape[0] for image in read.images}:
        check_channels(count, channels, str(folder))
    sizes = sorted({image.shape[1:] for image in read.images})
    if len(sizes) > 1:
        raise FFLabelsError(
            "images of mixed sizes",
            where=str(folder),
            got=", ".join(f"{h}×{w}" for h, w in sizes[:4]),
            expected="one size",
            hint="--set data.size=32 resizes them",
        )
    same = [np.repeat(image, channels, axis=0) if image.shape[0] < channels else image for image in read.images]
    return np.stack(same), np.asarray(read.classes, np.int64)


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
        When some cannot be read: names all of them.
    """
    images, unread = read_good_pictures(paths, shape, value_range)
    errors = list(unread.values())
    if len(errors) == 1:
        raise errors[0]
    if errors:
        listed = "; ".join(map(str, errors))
        raise FFLabelsError(f"{len(errors)} of {len(paths)} images cannot be read; got {listed}")
    return images


def read_good_pictures(
    paths: Sequence[str | Path], shape: Shape, value_range: str = "type"
) -> tuple[Tensor, dict[int, FFLabelsError]]:
    """Return the image files that can be read, as `read_pictures` does, and the errors of the others by their place."""
    channels, height, width = shape
    images, unread, scale = [], {}, Range.parse(value_range)
    for place, path in enumerate(paths):
        try:
            picture = torch.from_numpy(np.array(read_picture(Path(path), (height, width), scale)))
            check_channels(len(picture), channels, str(path))
        except Exception as error:  # decoders raise anything on damaged files
            unread[place] = FFLabelsError(f"cannot be read as an image: {_reason(error)}", where=str(path))
            continue
        if len(picture) > channels:
            weights = torch.tensor([0.299, 0.587, 0.114])  # ITU-R BT.601
            picture = (picture.float() * weights[:, None, None]).sum(0, keepdim=True).round().to(torch.uint8)
        images.append(picture.expand(channels, -1, -1))
    return torch.stack(images) if images else torch.empty(0, *shape, dtype=torch.uint8), unread


def with_range(config: DataConfig) -> DataConfig:
    """Return the settings with ``auto`` replaced by the range of the folder's pictures, for single pictures later.

    Raises
    ------
    FFLabelsError
        For ``auto`` without a folder.
    """
    folder = Path(config.name)
    if config.range != "auto":
        return config
    if not folder.is_dir():
        raise FFLabelsError("needs a folder of pictures", where="data.range", got="auto", expected="type or LOW:HIGH")
    return msgspec.structs.replace(config, range=str(Range.parse("auto", lambda: _pictures(folder))))


def _pictures(folder: Path) -> Iterator[Stored]:
    """Yield the pictures of a data set that can be read; reading the data set names the others."""
    for path in picture_files(folder):
        try:
            stack = read_file(path)
            yield from stack.pick(range(stack.count))
        except ValueError:
            continue
