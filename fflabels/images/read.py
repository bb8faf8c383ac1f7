"""The one reader of image files, for reference images and for data sets; `Rules` says where the two differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fflabels.errors import FFLabelsError
from fflabels.images.resize import Images

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".pgm", ".ppm"})
MAX_CHANNELS = 64

DEEP = ("I", "F")
"""Pillow's modes of more than 8 bits begin with these letters."""

GREY = ("1", "L", "LA")
COLOUR = ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr")


@dataclass(frozen=True)
class Rules:
    """How a picture is read.

    Attributes
    ----------
    upright
        Whether it is turned as its EXIF orientation says.
    on_white
        Whether it is laid on white where it is transparent; otherwise transparency is dropped.
    to_bytes
        Whether values of more than 8 bits become bytes, integers as parts of 65535 and floats as parts of 1; otherwise
        they stay as they are stored.
    always_rgb
        Whether rare modes (LAB, HSV, …) become RGB too; otherwise they stay as they are stored.
    """

    upright: bool
    on_white: bool
    to_bytes: bool
    always_rgb: bool


REFERENCE_RULES = Rules(upright=False, on_white=False, to_bytes=False, always_rgb=False)
"""Reference images of label sets: values as they are stored; `scaled` divides deep ones by the largest."""

DATA_RULES = Rules(upright=True, on_white=True, to_bytes=True, always_rgb=True)
"""Data sets of pictures: bytes, L or RGB."""


def pictures(folder: Path) -> list[Path]:
    """Return the picture files of a folder by name, without hidden ones."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))


def class_folders(folder: Path) -> list[Path]:
    """Return the subfolders of a folder by name, without hidden ones."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def read_file(path: Path) -> npt.NDArray[Any]:
    """Return the images of a TIFF, ``.npy``, ``.npz`` or picture file as (N, C, H, W), values as they are stored."""
    try:
        match path.suffix.lower():
            case ".npy":
                return layout(np.load(path, allow_pickle=False), str(path))
            case ".npz":
                return layout(_only_array(path), str(path))
            case ".tif" | ".tiff":
                return _read_tiff(path)
        return read_picture(path, REFERENCE_RULES)[None]
    except FFLabelsError:
        raise
    except MemoryError:
        raise FFLabelsError("too large for this machine's memory", where=str(path)) from None
    except Exception as error:  # decoders raise anything on damaged files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FFLabelsError(f"cannot be read as images: {reason}", where=str(path)) from error


def _only_array(path: Path) -> npt.NDArray[Any]:
    with np.load(path, allow_pickle=False) as file:
        names = file.files
        if "images" not in names and len(names) != 1:
            raise FFLabelsError(
                "which array holds the images?",
                where=str(path),
                got=", ".join(names),
                expected="one array, or one named images",
            )
        images: npt.NDArray[Any] = file["images" if "images" in names else names[0]]
        return images


def _read_tiff(path: Path) -> npt.NDArray[Any]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        image, axes = np.asarray(series.asarray()), series.axes

    # Bring the axes into the order: stacks (time, depth, …), channels, samples, rows, columns.
    stacks = [i for i, axis in enumerate(axes) if axis not in "CSYX"]
    inner = [axes.find(axis) for axis in "CSYX" if axis in axes]
    moved = image.transpose(stacks + inner)
    if not {"Y", "X"} <= set(axes):
        raise FFLabelsError("not an image", where=str(path), got=f"axes {axes}", expected="Y and X among them")

    # All stacks are images; channels and samples are channels.
    return moved.reshape(int(np.prod(moved.shape[: len(stacks)])), -1, *moved.shape[-2:])


def read_picture(path: Path, rules: Rules, size: tuple[int, int] | None = None) -> npt.NDArray[Any]:
    """Return a picture as (C, H, W), resized to (H, W) if `size` is given.

    Raises
    ------
    ValueError
        When the values of a deep picture are out of range; decoders raise anything else on damaged files.
    """
    from PIL import Image, ImageOps

    with Image.open(path) as opened:
        picture: Image.Image = opened
        if opened.mode.startswith(DEEP):
            if rules.to_bytes:
                picture = Image.fromarray(_to_bytes(np.asarray(opened, np.float32), opened.mode))
        else:
            if rules.upright:
                picture = ImageOps.exif_transpose(picture)
            if rules.on_white and picture.has_transparency_data:
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
            if opened.mode in GREY:
                picture = picture.convert("L")
            elif rules.always_rgb or opened.mode in COLOUR:
                picture = picture.convert("RGB")
        if size:
            picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        return channels_first(np.asarray(picture))


def _to_bytes(values: npt.NDArray[np.float32], mode: str) -> npt.NDArray[np.uint8]:
    """Return bytes of a deep picture's values: integers divided by 65535, floats as they are."""
    high = 65535.0 if mode.startswith("I") else 1.0
    if not (values.min() >= 0 and values.max() <= high):
        raise ValueError(f"values from {values.min():g} to {values.max():g}, expected 0 to {high:g}")
    return np.round(values / high * 255).astype(np.uint8)


def channels_first(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return (C, H, W) of a picture (H, W) or (H, W, C)."""
    return image[None] if image.ndim == 2 else image.transpose(2, 0, 1)


def layout(images: npt.NDArray[Any], where: str) -> npt.NDArray[Any]:
    """Return (N, C, H, W) of (H, W), (N, H, W) or 4 axes, of which the smaller of the second and last is channels."""
    if images.ndim == 3 and images.shape[2] in (3, 4):
        raise FFLabelsError(
            "one picture, or a stack of images 3 or 4 pixels wide?", where=where, got=f"shape {images.shape}",
            expected="(N, C, H, W) or (N, H, W, C)",
        )  # fmt: skip
    if images.ndim in (2, 3):
        images = images.reshape(-1, 1, *images.shape[-2:])
    elif images.ndim == 4 and images.shape[3] < images.shape[1]:
        images = images.transpose(0, 3, 1, 2)
    if images.ndim != 4 or 0 in images.shape or images.shape[1] > MAX_CHANNELS:
        raise FFLabelsError(
            "not a stack of images",
            where=where,
            got=f"shape {images.shape}",
            expected="(N, H, W), (N, C, H, W) or (N, H, W, C), at least one",
        )
    return images


def scaled(images: npt.NDArray[Any], where: str) -> Images:
    """Return float32 in [0, 1]: bytes by 255, wider integers by the largest value there is, floats as they are."""
    if images.dtype.kind == "b" or images.dtype == np.uint8:
        return images.astype(np.float32) / np.float32(255 if images.dtype == np.uint8 else 1)
    if images.dtype.kind not in "iuf":
        raise FFLabelsError("not numbers", where=where, got=str(images.dtype), expected="integers, or floats in [0, 1]")
    low, high = images.min(), images.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise FFLabelsError("NaN or infinite pixels", where=where)
    if low < 0 or (images.dtype.kind == "f" and high > 1):
        raise FFLabelsError(
            "values out of range", where=where, got=f"{low:g} to {high:g}", expected="integers ≥ 0, or floats in [0, 1]"
        )
    if images.dtype.kind == "f":
        return images.astype(np.float32)
    return (images / max(float(high), 1.0)).astype(np.float32)
