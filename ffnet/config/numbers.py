"""Numbers among the settings: each must be one that a net can compute with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from fflabels.errors import FFLabelsError

SMALLEST, LARGEST = 1.2e-38, 3.4e38
"""Sizes of the numbers that float32 holds in full precision."""


def check_numbers(config: msgspec.Struct) -> None:
    """Refuse settings that are not finite, or that float32 would round to zero or infinity; names the setting."""
    for key, value in flat(config):
        if not isinstance(value, float):
            continue
        if not math.isfinite(value):
            raise FFLabelsError("not finite", where=key, got=value, expected="a finite number")
        if value and not SMALLEST <= abs(value) <= LARGEST:
            size = "small" if abs(value) < 1 else "large"
            raise FFLabelsError(f"too {size} for float32", where=key, got=value, expected=f"{SMALLEST} to {LARGEST}")


def flat(section: msgspec.Struct, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every setting as ``section.key`` and its value."""
    for name in section.__struct_fields__:
        value = getattr(section, name)
        if isinstance(value, msgspec.Struct):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
