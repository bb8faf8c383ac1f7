"""Images as arrays of any array-API library: the namespace, the shape, the checks."""

from __future__ import annotations

import operator
import re
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, device, is_torch_array, size

from fflabels.errors import FFLabelsError

__all__ = [
    "Array",
    "Shape",
    "array_namespace",
    "check_images",
    "check_shape",
    "check_unit",
    "constant_like",
    "device",
    "is_torch_array",
    "parse_shape",
    "size",
    "to_host",
]

Array: TypeAlias = Any
"""An array of any array-API library (NumPy, PyTorch, CuPy, …)."""

Shape: TypeAlias = tuple[int, int, int]
"""Channels, height and width of one image."""

MAX_SIDE = 1 << 14
MAX_SIZE = 1 << 26


def check_images(images: Array, where: str = "images") -> Shape:
    """Return (C, H, W) of a batch of images, or say why `images` is not one.

    Parameters
    ----------
    images
        Real floats of shape (N, C, H, W) in [0, 1], of any array-API library. The range is not looked at:
        on a GPU that would wait for the device.
    """
    xp = array_namespace(images)
    if images.ndim != 4:
        raise FFLabelsError(
            "not a batch of images", where=where, got=f"shape {tuple(images.shape)}", expected="(N, C, H, W)"
        )
    if not xp.isdtype(images.dtype, "real floating"):
        raise FFLabelsError("not floating point", where=where, got=f"{images.dtype}", expected="floats in [0, 1]")
    if not getattr(images.dtype, "isnative", True):
        raise FFLabelsError(
            "bytes in another order than this machine's", where=where, got=images.dtype.str,
            hint="images.astype(images.dtype.newbyteorder('='))",
        )  # fmt: skip
    _, c, h, w = images.shape
    return check_shape((c, h, w), where)


def check_shape(shape: object, where: str = "shape") -> Shape:
    """Return `shape` as (C, H, W) of plain ints, or say why it is none."""
    expected = f"C, H, W from 1 to {MAX_SIDE}, at most {MAX_SIZE} values in all"
    try:
        c, h, w = (operator.index(v) for v in shape)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise FFLabelsError("not an image shape", where=where, got=shape, expected=expected) from None
    if not all(1 <= v <= MAX_SIDE for v in (c, h, w)) or c * h * w > MAX_SIZE:
        raise FFLabelsError("not an image shape", where=where, got=shape, expected=expected)
    return c, h, w


def parse_shape(text: str) -> Shape:
    """Return the shape that a user typed as ``CxHxW``, for instance ``3x32x32``."""
    if not re.fullmatch(r"\d{1,9}x\d{1,9}x\d{1,9}", text):
        raise FFLabelsError("not an image shape", where="shape", got=text, expected="CxHxW, for instance 1x32x32")
    return check_shape(tuple(int(v) for v in text.split("x")))


def constant_like(values: Any, images: Array, dtype: Any = None) -> Array:
    """Return host values (NumPy) as an array of the library, device and (unless given) dtype of `images`."""
    if isinstance(values, np.ndarray):
        # PyTorch takes neither the bytes of other machines nor steps backwards, and warns of memory that is read-only.
        backwards = any(stride < 0 for stride in values.strides)
        if not values.flags.writeable or backwards or not values.dtype.isnative:
            values = values.astype(values.dtype.newbyteorder("="), order="C")
    return array_namespace(images).asarray(values, dtype=dtype or images.dtype, device=device(images))


def to_host(images: Array) -> npt.NDArray[Any]:
    """Return an array of any array-API library, on any device, as a NumPy array; `constant_like` is the way back.

    Examples
    --------
    >>> import torch
    >>> from fflabels.arrays import to_host
    >>> to_host(torch.zeros(2, 1, 8, 8)).shape
    (2, 1, 8, 8)
    """
    if hasattr(images, "detach"):  # PyTorch
        images = images.detach().cpu()
        if str(images.dtype) == "torch.bfloat16":  # which NumPy lacks
            images = images.float()
    elif hasattr(images, "get"):  # CuPy
        images = images.get()
    return np.asarray(images)


def check_unit(images: Array) -> None:
    """Refuse images with values below 0, above 1 or undefined. On a GPU this waits for the device."""
    xp = array_namespace(images)
    if size(images) and not bool(xp.all((images >= 0) & (images <= 1))):
        low, high = float(xp.min(images)), float(xp.max(images))
        hint = "divide by 255" if 1 < high <= 255 and low >= 0 else None
        raise FFLabelsError("out of range", where="images", got=f"{low:g} to {high:g}", expected="0 to 1", hint=hint)
