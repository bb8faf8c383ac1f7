"""Arguments that several functions take, refused in one way, before the work."""

from __future__ import annotations

import math
import operator
from numbers import Real

from fflabels.errors import FFLabelsError

MAX_COMPARED = 20_000
"""The most labels that are compared all with all: the matrix takes 1.5 GiB."""


def check_integer(value: object, where: str, *, least: int | None = None) -> int:
    """Return a whole number as a Python int, which JSON can hold; refuse other values and numbers below `least`."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise FFLabelsError("not a whole number", where=where, got=repr(value), expected="an integer") from None
    if least is not None and number < least:
        raise FFLabelsError("out of range", where=where, got=number, expected=f"{least} or more")
    return number


def check_seed(seed: int) -> int:
    """Return a seed as Python's integer; refuse one below 0."""
    number = check_integer(seed, "seed")
    if number < 0:
        raise FFLabelsError("negative", where="seed", got=seed, expected="an integer ≥ 0")
    return number


def check_floor(min_visibility: float | None) -> float | None:
    """Return a visibility floor as Python's float; refuse one below 0. None is the labeler's own."""
    if min_visibility is None:
        return None
    if not isinstance(min_visibility, Real) or not 0 <= min_visibility < math.inf:
        raise FFLabelsError("out of range", where="min_visibility", got=min_visibility, expected="a number ≥ 0")
    return float(min_visibility)


def check_intensity(intensity: float, where: str = "intensity") -> float:
    """Return a label intensity K as Python's float; refuse one that is not above 0 and at most 1."""
    if not isinstance(intensity, Real) or not 0 < intensity <= 1:
        raise FFLabelsError("out of range", where=where, got=intensity, expected="above 0, at most 1")
    return float(intensity)


def check_count(count: int, where: str) -> None:
    """Refuse more labels than can be compared all with all."""
    if count > MAX_COMPARED:
        raise FFLabelsError(
            "too many to compare pair by pair", where=where, got=count, expected=f"at most {MAX_COMPARED}"
        )
