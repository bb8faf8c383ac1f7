"""Arrays as images: ``.npy`` and ``.npz`` files, arrays from Python, and which of their axes are which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fflabels.errors import FFLabelsError
from fflabels.images.stored import Stack, Stored, white_of

MAX_CHANNELS = 64

NARROW = 5
"""An axis shorter than this is channels rather than rows or columns."""

SLIM = 4
"""An array (H, W) or (N, H, W) with one side this much longer than the other is asked about."""


def array_stack(images: npt.NDArray[Any], where: str, channels: int | None = None) -> Stack:
    """Return the images of an array; `channels` is the number that they are wanted with."""
    arranged = layout(images, where, channels)
    white = white_of(arranged.dtype, where)

    def pick(indices: Sequence[int]) -> Iterator[Stored]:
        return (Stored(arranged[k], white) for k in indices)

    return Stack(len(arranged), pick, where)


def load_array(path: Path) -> npt.NDArray[Any]:
    """Return the array of images in a ``.npy`` file, which stays on the disk, or in an ``.npz`` file."""
    if path.suffix.lower() == ".npy":
        mapped: npt.NDArray[Any] = np.load(path, allow_pickle=False, mmap_mode="r")
        return mapped
    with _archive(path) as file:
        names = file.files
        if "images" not in names and len(names) != 1:
            raise FFLabelsError(
                "which array holds the images?", where=str(path), got=", ".join(names),
                expected="one array, or one named images",
            )  # fmt: skip
        return _member(file, "images" if "images" in names else names[0], path)


def load_classes(path: Path) -> npt.NDArray[Any] | None:
    """Return the array ``classes`` of an ``.npz`` file that also has ``images``; None where there is none."""
    with _archive(path) as file:
        return _member(file, "classes", path) if {"classes", "images"} <= set(file.files) else None


def _archive(path: Path) -> Any:
    file = np.load(path, allow_pickle=False)
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise FFLabelsError("not an .npz file", where=str(path), got="one array", hint="name it .npy")
    return file


def _member(file: Any, name: str, path: Path) -> npt.NDArray[Any]:
    array = file[name]
    if not isinstance(array, np.ndarray):  # a file that is no array comes as bytes
        raise FFLabelsError("not an array", where=f"{path}: {name}", got=type(array).__name__)
    return array


def layout(images: npt.NDArray[Any], where: str, channels: int | None = None) -> npt.NDArray[Any]:
    """Return (N, C, H, W) of (H, W), (N, H, W), (N, C, H, W) or (N, H, W, C).

    Of four axes the second or the last is channels: the one that is as long as `channels`; else the one of fewer than
    five; else the one without which images are square; else the shorter one.

    Raises
    ------
    FFLabelsError
        When the sizes do not tell which it is: the error says how to make it clear.
    """
    shape = images.shape
    if images.ndim not in (2, 3, 4) or 0 in shape:
        raise FFLabelsError(
            "not a stack of images", where=where, got=f"shape {shape}",
            expected="(N, H, W), (N, C, H, W) or (N, H, W, C), at least one",
        )  # fmt: skip
    if images.ndim == 2:
        if max(shape) >= SLIM * min(shape):
            raise _unclear("one picture, or a picture a row?", where, shape, "a[None, None] or a.reshape(-1, 1, H, W)")
        return images[None, None]
    if images.ndim == 3:
        if shape[2] < NARROW or SLIM * shape[2] <= shape[1]:
            raise _unclear(
                f"one picture of {shape[2]} channels, or a stack of images {shape[2]} pixels wide?", where, shape,
                "a[None] or a[:, None]",
            )  # fmt: skip
        return images[:, None]
    arranged = images.transpose(0, 3, 1, 2) if _channels_last(shape, channels) else images
    if arranged.shape[1] > MAX_CHANNELS:
        raise FFLabelsError(
            "too many channels", where=where, got=f"shape {shape}", expected=f"at most {MAX_CHANNELS}, as (N, C, H, W)"
        )
    return arranged


def _channels_last(shape: tuple[int, ...], channels: int | None) -> bool:
    first, middle, last = shape[1:]
    if (first == channels) != (last == channels):
        return last == channels
    if (first < NARROW) != (last < NARROW):
        return last < NARROW
    if first >= NARROW and (first == middle) != (middle == last):
        return first == middle
    return last < first


def _unclear(what: str, where: str, shape: tuple[int, ...], hint: str) -> FFLabelsError:
    return FFLabelsError(what, where=where, got=f"shape {shape}", expected="(N, C, H, W) or (N, H, W, C)", hint=hint)
