"""Images brought to another shape: scaled to [0, 1], channels converted, resized; a band of rows at a time."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from fflabels.arrays import Shape
from fflabels.errors import FFLabelsError
from fflabels.images.stored import Range, Stored

Images: TypeAlias = npt.NDArray[np.float32]

MAX_PIXELS = 1 << 28
"""Values of all reference images together: 1 GiB as float32."""

BAND = 1 << 20
"""Values of an image that are scaled and narrowed at once: 4 MiB as float32."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601."""


def to_shape(images: Images, shape: Shape) -> Images:
    """Return `images` (N, C, H, W) brought to `shape`: channels converted, then resized."""
    check_total(len(images), shape)
    return np.stack([to_shape_one(Stored(image, 1.0), shape) for image in images])


def to_shape_one(image: Stored, shape: Shape, value_range: Range | None = None, where: str = "references") -> Images:
    """Return one image (C, H, W) brought to `shape`: scaled, channels converted, then resized.

    Resizing averages areas, bilinearly. A large image is narrowed band by band, so that beside the image itself only
    the narrowed one is in memory.
    """
    c, h, w = shape
    channels, height, width = image.values.shape
    check_channels(channels, c, where, expected=f"{c}, as in the shape {c}x{h}x{w}",
                   hint=f"the shape {channels}x{h}x{w} takes them")  # fmt: skip
    scale = (value_range or Range()).scale
    planes = 1 if c == 1 else channels
    narrowed = np.empty((planes, height, w), np.float32)
    rows = max(1, BAND // (channels * width))
    for top in range(0, height, rows):
        part = scale(image.values[:, top : top + rows], image.white)
        if planes < channels:
            part = grey(part)
        narrowed[:, top : top + rows] = _resized(part, part.shape[1], w)
    fitted = np.clip(_resized(narrowed, h, w), 0.0, 1.0)
    return np.repeat(fitted, c, axis=0) if planes < c else fitted


def check_channels(
    channels: int, wanted: int, where: str, *, expected: str | None = None, hint: str | None = None
) -> None:
    """Refuse pictures that have other channels than wanted, are not grey, and cannot be made grey."""
    if not (channels in (1, wanted) or (channels == 3 and wanted == 1)):
        raise FFLabelsError(
            "channels do not fit", where=where, got=f"{channels} channels", expected=expected or f"{wanted} or 1",
            hint=hint,
        )  # fmt: skip


def grey(image: Images) -> Images:
    """Return the luma (1, H, W) of a picture (3, H, W).

    Each product is added in float64 and rounded once, as processors with fused multiply-add do: the same bits
    everywhere.
    """
    luma: Images = image[:1] * LUMA[0]
    for weight, plane in zip(LUMA[1:], image[1:], strict=True):
        luma = (plane.astype(np.float64) * weight + luma).astype(np.float32)
    return luma


def _resized(planes: Images, h: int, w: int) -> Images:
    """Return planes (C, H, W) at another size; Pillow resizes along rows first, then along columns."""
    from PIL import Image

    if planes.shape[1:] == (h, w):
        return planes
    return np.stack([np.asarray(Image.fromarray(p).resize((w, h), Image.Resampling.BILINEAR)) for p in planes])


def check_total(count: int, shape: Shape) -> None:
    """Refuse more images than fit into memory."""
    c, h, w = shape
    if count * c * h * w > MAX_PIXELS:
        raise FFLabelsError(
            "too large",
            where="references",
            got=f"{count} images at {c}x{h}x{w}",
            expected=f"at most {MAX_PIXELS} values in all",
        )
