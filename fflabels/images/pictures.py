"""Pictures that Pillow reads: turned upright, laid on white, in grey or RGB, with all their bits and frames."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fflabels.errors import FFLabelsError
from fflabels.images.stored import Stack, Stored, white_of

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

DEEP = ("I", "F")
"""Pillow's modes of more than 8 bits begin with these letters."""

GREY = ("1", "L", "LA", "La")

MOVING = ("GIF", "PNG", "WEBP")
"""Formats whose frames are images of their own. (Cameras put previews behind the first picture of a JPEG.)"""


def picture_stack(path: Path) -> Stack:
    """Return the frames of a picture file; most have one."""
    with _opened(path) as picture:
        count = getattr(picture, "n_frames", 1) if picture.format in MOVING else 1

    def pick(indices: Sequence[int]) -> Iterator[Stored]:
        with _opened(path) as frames:
            for k in indices:
                if count > 1:
                    frames.seek(k)
                yield from_pillow(frames, str(path))

    return Stack(count, pick, str(path))


@contextmanager
def _opened(path: Path) -> Iterator[ImageFile]:
    """Open a picture; Pillow's warnings are about what is handled here."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path) as picture:
            yield picture


def from_pillow(picture: ImageFile, where: str) -> Stored:
    """Return a picture as (C, H, W): C is 1 or 3, of as many bits as the file has."""
    from PIL import Image, ImageOps

    # More than 8 bits: Pillow keeps them in grey pictures only.
    if (colours := _deep_colours(picture, where)) is not None:
        image = Stored(turned(colours.values, picture.getexif().get(ORIENTATION, 1)), colours.white)
        return on_white(image) if len(image.values) in (2, 4) else image
    if picture.mode.startswith(DEEP):
        upright = ImageOps.exif_transpose(picture)
        values = np.asarray(upright)[None]
        scaled_by_pillow = picture.mode == "I" and picture.format in ("PNG", "PPM")
        return Stored(values, 65535.0 if scaled_by_pillow else white_of(values.dtype, where))

    # Bytes: upright, on white, grey or RGB.
    mode = picture.mode
    upright = ImageOps.exif_transpose(picture)
    if mode == "LAB":
        upright = _from_lab(upright)
    if upright.has_transparency_data:
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright.convert("RGBA"))
    return Stored(channels_first(np.asarray(upright.convert("L" if mode in GREY else "RGB"))), 255.0)


ORIENTATION = 0x0112
"""The EXIF and TIFF tag of how a picture is to be turned."""


def turned(values: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Return (C, H, W) turned upright, as the TIFF and EXIF tag says."""
    if orientation >= 5:
        values = values.swapaxes(1, 2)
    if orientation in (3, 4, 7, 8):
        values = values[:, ::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, :, ::-1]
    return values


def on_white(image: Stored, *, premultiplied: bool = False) -> Stored:
    """Return an image (C + 1, H, W), whose last channel is its opacity, laid on white."""
    values, white = image.values.astype(np.float64) / image.white, image.white
    colours, opacity = values[:-1], values[-1:]
    laid = colours + (1 - opacity) if premultiplied else colours * opacity + (1 - opacity)
    if image.values.dtype.kind == "f":
        return Stored(laid.astype(image.values.dtype), white)
    return Stored(np.round(np.clip(laid, 0, 1) * white).astype(image.values.dtype), white)


def channels_first(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return (C, H, W) of a picture (H, W) or (H, W, C)."""
    return image[None] if image.ndim == 2 else image.transpose(2, 0, 1)


def _from_lab(picture: Image) -> Image:
    from PIL import ImageCms

    lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(picture, lab, rgb, outputMode="RGB")
    assert converted is not None
    return converted


def _deep_colours(picture: ImageFile, where: str) -> Stored | None:
    """Return a colour picture of more than 8 bits, with its opacity if it has one; None for any other.

    Pillow's decoder drops the low bytes of such a PNG file. It is made to keep them by another name for the order of
    the bytes, so that the picture is decoded twice: once for the high bytes, once for the low ones.
    """
    if picture.format == "PPM" and picture.mode == "RGB":
        return _deep_ppm(picture)
    arguments = picture.tile[0].args if picture.format == "PNG" and picture.tile else None
    if arguments not in ("RGB;16B", "RGBA;16B", "LA;16B"):
        return None
    if getattr(picture, "n_frames", 1) > 1:
        raise FFLabelsError("an animation of more than 8 bits cannot be read", where=where)
    if arguments == "LA;16B":  # four bytes a pixel, as in a picture of four channels
        halves = _decoded(picture, "RGBA", "RGBA").astype(np.uint16)
        high, low = halves[..., ::2], halves[..., 1::2]
    else:
        mode = arguments.partition(";")[0]
        high, low = (_decoded(picture, mode, f"{mode};16{order}").astype(np.uint16) for order in "BL")
    values = (high << 8) | low
    clear = picture.info.get("transparency")
    if isinstance(clear, tuple):  # the one colour that is transparent
        opacity = np.where((values == np.array(clear)).all(axis=-1, keepdims=True), 0, 65535).astype(np.uint16)
        values = np.concatenate([values, opacity], axis=-1)
    return Stored(channels_first(values), 65535.0)


def _decoded(picture: ImageFile, mode: str, order: str) -> npt.NDArray[np.uint8]:
    from PIL import Image

    assert picture.filename
    with Image.open(picture.filename) as again:
        again._mode = mode
        again.tile = [tile._replace(args=order) for tile in again.tile]
        return np.array(again)


def _deep_ppm(picture: ImageFile) -> Stored | None:
    tile = picture.tile[0] if picture.tile else None
    white = tile.args[-1] if tile and isinstance(tile.args, tuple) else 255
    if not tile or tile.codec_name != "ppm" or not isinstance(white, int) or white < 256:
        return None
    with Path(str(picture.filename)).open("rb") as file:
        file.seek(tile.offset)
        count = 3 * picture.width * picture.height
        values = np.frombuffer(file.read(2 * count), ">u2").reshape(picture.height, picture.width, 3)
    return Stored(channels_first(values.astype(np.uint16)), float(white))
