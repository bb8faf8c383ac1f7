"""Images brought to another shape: channels converted, then resized."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from fflabels.arrays import Shape
from fflabels.errors import FFLabelsError

Images: TypeAlias = npt.NDArray[np.float32]

MAX_PIXELS = 1 << 28
"""Values of all reference images together: 1 GiB as float32."""


def fit(images: Images, shape: Shape) -> Images:
    """Return `images` (N, C, H, W) brought to `shape`: channels converted, then resized."""
    from PIL import Image

    c, h, w = shape
    n, channels, height, width = images.shape
    check_total(n, shape)
    if channels == 3 and c == 1:
        images = np.tensordot(np.array([0.299, 0.587, 0.114], np.float32), images, axes=(0, 1))[:, None]
    elif channels == 1 and c > 1:
        images = np.repeat(images, c, axis=1)
    elif channels != c:
        raise FFLabelsError(
            "channels do not fit",
            where="references",
            got=f"{channels} channels",
            expected=f"{c}, as in the shape {c}x{h}x{w}",
            hint=f"the shape {channels}x{h}x{w} takes them",
        )
    if (height, width) != (h, w):
        planes = [
            np.asarray(Image.fromarray(plane).resize((w, h), Image.Resampling.BILINEAR))
            for plane in np.ascontiguousarray(images).reshape(n * c, height, width)
        ]
        images = np.stack(planes).reshape(n, c, h, w)
    return np.clip(images, 0.0, 1.0).astype(np.float32)


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
