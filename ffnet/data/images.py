"""Images as tensors: bytes or floats in [0, 1], and whether arrays are images and fit a net."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fflabels.arrays import Shape
from fflabels.errors import FFLabelsError

MAX_CHANNELS = 4
"""Images with this many channels or fewer in front may as well be narrow; a last axis this short is channels."""


class DarkImagesWarning(UserWarning):
    """Bytes that are all 0 or 1 look like a mask, but are nearly black as images."""


def to_unit(images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return bytes as floats in [0, 1]; floats as they are."""
    return images.to(dtype).div_(255) if images.dtype == torch.uint8 else images.to(dtype)


def check_images_fit(images: Tensor, shape: Shape) -> None:
    """Refuse images that are not (N, C, H, W) of a net's shape (C, H, W), or neither bytes nor floats in [0, 1]."""
    if images.ndim != 4 or tuple(images.shape[1:]) != tuple(shape):
        raise FFLabelsError(
            "images do not fit the net",
            where="images",
            got=f"shape {tuple(images.shape)}",
            expected=f"(N, {', '.join(map(str, shape))})",
        )
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise FFLabelsError("neither bytes nor floats", where="images", got=images.dtype, expected="uint8, or 0 to 1")
    if images.is_floating_point() and images.numel() and not (images.min() >= 0 and images.max() <= 1):
        raise FFLabelsError(
            "out of range", where="images", got=f"{images.min():g} to {images.max():g}", expected="0 to 1, or uint8"
        )


def image_array(X: Any, where: str = "X") -> npt.NDArray[Any]:
    """Return images as an array, (N, H, W) or (N, C, H, W); other numbers of axes are left to the caller.

    Raises
    ------
    FFLabelsError
        For images that are no numbers, complex, ragged or channels last.

    Warns
    -----
    DarkImagesWarning
        For bytes that are all 0 or 1.
    """
    try:
        images: npt.NDArray[Any] = np.asarray(X)
    except ValueError:
        raise FFLabelsError("rows of different lengths", where=where, expected="one shape") from None
    if images.dtype.kind not in "buif":
        raise FFLabelsError("not numbers", where=where, got=str(images.dtype), expected="bytes, or floats from 0 to 1")
    shape = images.shape
    if len(shape) == 4 and shape[-1] <= MAX_CHANNELS < min(shape[1:3]):
        raise FFLabelsError(
            "channels last", where=where, got=f"shape {shape}", expected="(N, C, H, W)",
            hint=f"{where}.transpose(0, 3, 1, 2) moves the channels",
        )  # fmt: skip
    if images.dtype == np.uint8 and images.size and images.max() == 1:
        message = f"{where}: all bytes are 0 or 1, which is nearly black of 255; {where}.astype(bool) takes 1 as white"
        warnings.warn(message, DarkImagesWarning, stacklevel=3)
    return images
