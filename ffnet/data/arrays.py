"""Arrays as images: which arrays are images, and rows of a table drawn as images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fflabels.arrays import Shape
from fflabels.errors import FFLabelsError
from ffnet.data.images import image_array

MIN_SIDE = 8
"""Bar charts are this high and at least this wide, so that pooling leaves some pixels."""


def images_of(X: Any, where: str = "X") -> Tensor:
    """Return images (N, C, H, W), uint8 or float32, of an array or tensor (N, H, W) or (N, C, H, W).

    Raises
    ------
    FFLabelsError
        For another number of axes, channels last, or values that are neither bytes nor numbers in [0, 1]: see
        `ffnet.data.images.image_array`.
    """
    images = image_array(X.detach().cpu().numpy() if isinstance(X, Tensor) else X, where)
    if images.ndim == 3:
        images = images[:, None]
    shape = f"shape {images.shape}"
    if images.ndim != 4 or not images.size:
        raise FFLabelsError("not images", where=where, got=shape, expected="(N, H, W) or (N, C, H, W)")
    if images.dtype == np.uint8:
        return torch.from_numpy(np.array(images))
    low, high = float(images.min()), float(images.max())
    if not (low >= 0 and high <= 1):
        raise FFLabelsError("out of range", where=where, got=f"{low:g} to {high:g}", expected="0 to 1, or uint8")
    return torch.from_numpy(images.astype(np.float32))


@dataclass(frozen=True)
class TableImages:
    """Draws rows of a table (N, F) as images, with values from 0 to 1.

    A row whose length is a square of 64 or more is a flattened grey image. Any other row is drawn as a bar chart: one
    bar per column of the table, as high as its value in the range of that column [ours].

    Attributes
    ----------
    low, high
        The values that become 0 and 1: one for all columns, or one per column. Values beyond them are clipped.
    shape
        (C, H, W) of the images.
    width
        Width of a bar in pixels; 0 for rows that are flattened images.
    """

    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    shape: Shape
    width: int

    @classmethod
    def of(cls, rows: npt.NDArray[Any], shape: Shape | None = None) -> TableImages:
        """Return what draws rows like these, given the shape (C, H, W) of flattened images or None."""
        count, side = rows.shape[1], math.isqrt(rows.shape[1])
        if shape is None and side * side == count and side >= MIN_SIDE:
            shape = (1, side, side)
        if shape is None:
            width = -(-MIN_SIDE // count)
            return cls(rows.min(0).astype(float), rows.max(0).astype(float), (1, MIN_SIDE, count * width), width)
        if math.prod(shape) != count:
            raise FFLabelsError("does not fit", where="image_shape", got=shape, expected=f"{count} values per image")
        return cls(np.array(float(rows.min())), np.array(float(rows.max())), shape, 0)

    def draw(self, rows: npt.NDArray[Any]) -> Tensor:
        """Return the images of rows, (N, C, H, W) float32."""
        spread = np.where(self.high > self.low, self.high - self.low, 1)
        unit = np.clip((rows - self.low) / spread, 0, 1).astype(np.float32)
        if self.width:
            below = np.arange(MIN_SIDE, dtype=np.float32)[::-1, None]
            unit = np.clip(np.repeat(unit, self.width, axis=1)[:, None] * MIN_SIDE - below, 0, 1)
        return torch.from_numpy(np.ascontiguousarray(unit).reshape(len(unit), *self.shape))
