"""The one reader of image files, for reference images and for data sets: a file's images, each read when asked for."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fflabels.errors import FFLabelsError
from fflabels.images.arrays import array_stack, load_array
from fflabels.images.pictures import picture_stack
from fflabels.images.stored import Range, Stack, Stored
from fflabels.images.tiff import tiff_stack

TIFF = (".tif", ".tiff")

SUFFIXES = frozenset(
    {*TIFF, ".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".gif", ".webp", ".pbm", ".pgm", ".ppm", ".pnm"}
)  # fmt: skip
"""Endings of picture files, in lower case."""


def read_file(path: Path, channels: int | None = None) -> Stack:
    """Return the images of a TIFF, ``.npy``, ``.npz`` or picture file.

    Colours are those that the file means: palettes are looked up, negatives inverted, inks and luma–chroma converted,
    and pictures turned upright and laid on white where they are transparent. Greys stay grey; the bits are kept.

    Parameters
    ----------
    path
        The file.
    channels
        How many channels the images are wanted with, where an array's axes leave it open.

    Raises
    ------
    FFLabelsError
        When it cannot be read whole; so too when an image is picked.
    """
    with reading(path):
        if not stat.S_ISREG(path.stat().st_mode):
            raise FFLabelsError("not a file", where=str(path), expected="a picture, .npy or .npz")
        match path.suffix.lower():
            case ".npy" | ".npz":
                stack = array_stack(load_array(path), str(path), channels)
            case suffix:
                stack = tiff_stack(path) if suffix in TIFF else picture_stack(path)

    def pick(indices: Sequence[int]) -> Iterator[Stored]:
        with reading(path):
            yield from stack.pick(indices)

    return Stack(stack.count, pick, str(path))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises on a damaged file into one line that names the file."""
    try:
        yield
    except (FFLabelsError, GeneratorExit):
        raise
    except MemoryError:
        raise FFLabelsError("too large for this machine's memory", where=str(path)) from None
    except Exception as error:
        reason = getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
        raise FFLabelsError(f"cannot be read as images: {reason}", where=str(path)) from error


def read_picture(
    path: Path,
    size: tuple[int, int] | None = None,
    value_range: Range | None = None,
    look: Callable[[Stored], None] | None = None,
) -> npt.NDArray[np.uint8]:
    """Return the one picture of a file as bytes (C, H, W), resized to (H, W) if `size` is given.

    Parameters
    ----------
    path
        The file.
    size
        (H, W) to resize to: the bytes are averaged with integer weights.
    value_range
        Which values are black and white; default: those of the file's type.
    look
        Called with the picture as it is stored.

    Raises
    ------
    FFLabelsError
        When it cannot be read, holds several images, or its values are out of range.
    """
    from PIL import Image

    stack = read_file(path)
    if stack.count != 1:
        raise FFLabelsError(
            "several images in one file", where=str(path), got=stack.count, expected="one", hint="split the file"
        )
    [image] = stack.pick([0])
    if look:
        look(image)
    pixels = to_bytes(image, value_range or Range(), str(path))
    if size and pixels.shape[1:] != size:
        planes = [Image.fromarray(plane).resize(size[::-1], Image.Resampling.BILINEAR) for plane in pixels]
        pixels = np.stack([np.asarray(plane) for plane in planes])
    return pixels


def to_bytes(image: Stored, value_range: Range, where: str) -> npt.NDArray[np.uint8]:
    """Return an image's values as bytes."""
    value_range.check(image, where)
    if image.values.dtype == np.uint8 and image.white == 255 and value_range.high is None:
        return np.ascontiguousarray(image.values)
    return np.round(np.clip(value_range.scale(*image), 0, 1) * 255).astype(np.uint8)
