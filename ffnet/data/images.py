"""Images as tensors: bytes or floats in [0, 1], and whether they fit a net."""

from __future__ import annotations

import torch
from torch import Tensor

from fflabels.arrays import Shape
from fflabels.errors import FFLabelsError


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
