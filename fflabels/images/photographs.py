"""The built-in reference images: crops of photographs, computed in integers and so the same on every processor."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from fflabels.arrays import Shape
from fflabels.images.pictures import channels_first
from fflabels.images.resize import Images, check_total

Integers = npt.NDArray[np.int64]

PHOTOGRAPHS = ("astronaut", "camera", "cat", "coffee", "stereo_motorcycle", "rocket", "coins", "grass")

COUNT = 64

UNIT = 1 << 20
"""Weights along an axis are parts of this, and sum to it."""

LUMA = (299, 587, 114)
"""ITU-R BT.601, in thousandths."""

STEPS = 1 << 16
"""Contrast is compared in this many steps from black to white."""


@lru_cache(maxsize=8)
def photographs(shape: Shape) -> Images:
    """Return 64 crops (64, C, H, W): from each of `PHOTOGRAPHS` the 8 of 24 with most contrast; always the same."""
    import skimage.data

    c, h, w = shape
    check_total(COUNT, shape)
    each = COUNT // len(PHOTOGRAPHS)
    rng = np.random.default_rng(0)
    crops: list[list[Images]] = []
    for name in PHOTOGRAPHS:
        loaded = getattr(skimage.data, name)()
        photograph = channels_first(loaded[0] if isinstance(loaded, tuple) else loaded)
        _, height, width = photograph.shape
        drawn: list[tuple[Integers, int]] = []
        for _ in range(3 * each):
            scale = rng.uniform(0.3, 0.6) * min(height / h, width / w)
            crop_h, crop_w = max(1, round(scale * h)), max(1, round(scale * w))
            top, left = rng.integers(height - crop_h + 1), rng.integers(width - crop_w + 1)
            drawn.append(_resized(photograph[:, top : top + crop_h, left : left + crop_w], h, w, coloured=c == 3))
        sharpest = sorted(range(3 * each), key=lambda k: -_contrast(*drawn[k]))[:each]
        crops.append([_unit(*drawn[k], c) for k in sorted(sharpest)])
    images = np.stack([crop for nth in zip(*crops, strict=True) for crop in nth])
    images.flags.writeable = False
    return images


def _resized(crop: npt.NDArray[np.uint8], h: int, w: int, *, coloured: bool) -> tuple[Integers, int]:
    """Return a crop (C, H, W) at another size, in grey unless coloured, as integers, and the integer that is white.

    Products and sums of these integers stay below 2⁵³, so float64 holds them exactly, whatever the order of summation.
    """
    rows, columns = _weights(crop.shape[1], h), _weights(crop.shape[2], w)
    resized = (rows @ (crop.astype(np.float64) @ columns.T)).astype(np.int64)
    white = 255 * UNIT * UNIT
    if len(resized) == 3 and not coloured:
        luma: Integers = sum(weight * plane for weight, plane in zip(LUMA, resized, strict=True))
        return luma[None], white * sum(LUMA)
    return resized, white


@lru_cache(maxsize=512)
def _weights(old: int, new: int) -> npt.NDArray[np.float64]:
    """Return the weights (new, old) of area-averaging bilinear interpolation, whole numbers that sum to `UNIT`."""
    if old == new:
        return np.eye(old) * UNIT
    step = old / new
    reach = max(step, 1.0)
    centre = (np.arange(new) + 0.5) * step
    weights = np.maximum(0.0, 1 - np.abs((np.arange(old) + 0.5 - centre[:, None]) / reach))
    whole: npt.NDArray[Any] = np.floor(weights / weights.sum(axis=1, keepdims=True) * UNIT + 0.5)
    whole[np.arange(new), whole.argmax(axis=1)] += UNIT - whole.sum(axis=1)
    return whole


def _contrast(image: Integers, white: int) -> int:
    """Return n² times the variance of n values, an integer."""
    steps = image // (white // STEPS)
    return steps.size * int(np.square(steps).sum()) - int(steps.sum()) ** 2


def _unit(image: Integers, white: int, channels: int) -> Images:
    """Return integers as float32 in [0, 1], with as many channels."""
    values = (image.astype(np.float64) / white).astype(np.float32)
    return np.repeat(values, channels, axis=0) if len(values) < channels else values
