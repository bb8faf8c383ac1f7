"""Stored images: values as a file or an array has them, the value that is white, and how both become [0, 1]."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fflabels.errors import FFLabelsError

Values = npt.NDArray[Any]

TOLERANCE = 1e-6
"""Floats may lie this far outside [0, 1], by rounding; they are clipped."""

CHUNK = 1 << 22
"""Values that are looked at together."""


class Stored(NamedTuple):
    """One image (C, H, W) with its values as they are stored, and the value that is white: 1 for floats."""

    values: Values
    white: float


@dataclass(frozen=True)
class Stack:
    """Images of a file or an array, read when they are asked for.

    Attributes
    ----------
    count
        How many there are.
    pick
        Yields the images of some indices, in ascending order.
    where
        What errors call them.
    """

    count: int
    pick: Callable[[Sequence[int]], Iterator[Stored]]
    where: str


def white_of(dtype: np.dtype[Any], where: str, bits: int | None = None) -> float:
    """Return the value that is white in a type: 1 for floats and booleans, else the largest of its bits."""
    if dtype.kind == "f" or dtype.kind == "b":
        return 1.0
    if dtype.kind not in "iu":
        raise FFLabelsError("not numbers", where=where, got=str(dtype), expected="integers, or floats in [0, 1]")
    return float(2 ** ((bits or 8 * dtype.itemsize) - (dtype.kind == "i")) - 1)


@dataclass(frozen=True)
class Range:
    """Which stored values become 0 and 1.

    Attributes
    ----------
    low, high
        The values, for all images; None takes 0 and each image's own white.
    """

    low: float | None = None
    high: float | None = None

    @classmethod
    def parse(cls, text: str, images: Callable[[], Iterable[Stored]] = tuple, *, where: str = "range") -> Range:
        """Return the range that a user asks for.

        Parameters
        ----------
        text
            ``type``: the range of each image's type. ``LOW:HIGH``: these values; what lies outside is clipped.
            ``auto``: from 0 to the largest value there is, rounded up to a power of two minus 1.
        images
            Returns all images, for ``auto``.
        where
            What an error calls it.
        """
        if text == "type":
            return cls()
        if text == "auto":
            values = (largest(image.values) for image in images())  # reading them refuses NaN and infinity
            return cls(0.0, _round_up(max(filter(math.isfinite, values), default=1.0)))
        match = re.fullmatch(r"([-+.\deE]+):([-+.\deE]+)", text)
        try:
            low, high = (float(value) for value in match.groups()) if match else (0.0, 0.0)
        except ValueError:
            low = high = 0.0
        if not (np.isfinite([low, high]).all() and low < high):
            raise FFLabelsError("not a range of values", where=where, got=text, expected="type, auto or LOW:HIGH")
        return cls(low, high)

    def __str__(self) -> str:
        return "type" if self.high is None else f"{self.low:g}:{self.high:.17g}"

    def scale(self, values: Values, white: float) -> npt.NDArray[np.float32]:
        """Return stored values as float32 in [0, 1]."""
        if self.high is not None:
            assert self.low is not None
            return np.clip((values - self.low) / (self.high - self.low), 0, 1).astype(np.float32)
        if values.dtype.kind in "bf":
            return values.astype(np.float32)
        if values.dtype == np.uint8 and white == 255:
            return values.astype(np.float32) / np.float32(255)
        return (values / white).astype(np.float32)

    def check(self, image: Stored, where: str) -> None:
        """Refuse values that are no numbers, not finite, or outside the range of their type."""
        values = image.values
        white_of(values.dtype, where)
        if values.dtype == np.uint8 or values.dtype.kind == "b":
            return
        low, high = values.min(), values.max()
        if not (np.isfinite(low) and np.isfinite(high)):
            raise FFLabelsError("NaN or infinite pixels", where=where)
        if self.high is not None:
            return
        slack = TOLERANCE if values.dtype.kind == "f" else 0
        if low < -slack or high > image.white + slack:
            raise FFLabelsError(
                "values out of range", where=where, got=f"{low:.9g} to {high:.9g}",
                expected="integers ≥ 0, or floats in [0, 1]",
                hint=f"the range {min(0, int(np.floor(low)))}:{_round_up(float(high)):g} takes them",
            )  # fmt: skip


def largest(values: Values) -> float:
    """Return the largest value, looked for piece by piece so that little of a file is in memory."""
    rows = max(1, CHUNK // max(1, values[0].size))
    return max(float(values[k : k + rows].max()) for k in range(0, len(values), rows))


def _round_up(value: float) -> float:
    """Return the least power of two minus 1 that is not below a value, at least 1."""
    return float(2 ** max(1, int(np.ceil(value - TOLERANCE)).bit_length()) - 1)
