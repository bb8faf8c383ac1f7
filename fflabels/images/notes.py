"""Notes on reference images that are read: mixed kinds, fewer bits than their type has, little of the range used."""

from __future__ import annotations

import warnings

import numpy as np

from fflabels.errors import PictureWarning
from fflabels.images.resize import Images
from fflabels.images.stored import Range, Stored

FAINT = 0.01
"""Reference images whose RMS contrast is below this use little of their range."""

SPARE_BITS = 2
"""Integers that leave this many of their high bits unused are probably of fewer bits than their type."""


class Notes:
    """What is noticed while images are read, and told in one line."""

    def __init__(self, where: str, value_range: Range) -> None:
        self.where, self.value_range = where, value_range
        self.kinds: dict[str, None] = {}
        self.largest, self.white = 0.0, 0.0

    def take(self, image: Stored) -> None:
        """Look at one image."""
        channels, height, width = image.values.shape
        self.kinds[f"{channels}x{height}x{width}"] = None
        if image.values.dtype.kind in "iu" and image.white > 255:
            self.largest = max(self.largest, float(image.values.max()))
            self.white = max(self.white, image.white)

    def tell(self, images: Images) -> None:
        """Warn if the images are of several kinds, and if they use little of their range."""
        told = []
        if len(self.kinds) > 1:
            some = ", ".join(list(self.kinds)[:3]) + (" …" if len(self.kinds) > 3 else "")
            told.append(f"images of {some} were all brought to {'x'.join(map(str, images.shape[1:]))}")
        if line := self._depth() or (self.value_range.high is None and _faint(images)):
            told.append(line)
        if told:
            warnings.warn(f"{self.where}: {'; '.join(told)}", PictureWarning, stacklevel=4)

    def tell_depth(self) -> None:
        """Warn if the images are of fewer bits than their type."""
        if line := self._depth():
            warnings.warn(f"{self.where}: {line}", PictureWarning, stacklevel=4)

    def _depth(self) -> str | None:
        have, used = int(self.white).bit_length(), max(1, int(self.largest).bit_length())
        if not self.largest or used + SPARE_BITS > have or self.value_range.high is not None:
            return None
        reach = f"{self.largest:g} of {self.white:.12g}"
        return f"{used}-bit data in {have}-bit files? values reach {reach}; --range auto scales them"


def _faint(images: Images) -> str | None:
    """Return a line about images that are nearly constant over their range; None for others."""
    contrast = float(np.sqrt(images.reshape(len(images), -1).var(axis=1, dtype=np.float64).mean()))
    if not 1e-6 < contrast < FAINT:
        return None
    low, high = np.quantile(images, [0.001, 0.999])
    return (
        f"the images use {100 * (high - low):.1f} % of their range (RMS contrast {contrast:.4f}); "
        "--range auto or LOW:HIGH stretches it"
    )
