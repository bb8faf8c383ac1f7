"""Recipe: the JSON-able parameters of one label. It names no image size."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any, Self

import msgspec
import numpy as np

MAX_RECIPES = 100_000
"""The most that a label set may hold."""


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every labeler's recipe type: typed, frozen, hashable, compared by value.

    A labeler subclasses it with the fields that its labels need::

        class Stripes(Recipe, frozen=True):
            period: int
    """

    def checked(self) -> Self:
        """Return the recipe with its fields held against their types: whole numbers become floats where those belong.

        NumPy's numbers become Python's.

        Raises
        ------
        msgspec.ValidationError
            When a field has a wrong type, is out of range, NaN or infinite; the message names it.
        """
        try:
            plain = msgspec.to_builtins(self, enc_hook=plain_number)
        except msgspec.ValidationError as error:
            raise msgspec.ValidationError(f"{error} - at `$.{self._field_without_json()}`") from None
        if bad := first_not_finite(plain):
            raise msgspec.ValidationError(f"Expected a finite number, got `{bad[1]}` - at `$.{bad[0]}`")
        return msgspec.convert(plain, type(self))

    def _field_without_json(self) -> str:
        """Return the first field whose value is none that JSON has."""
        for name in self.__struct_fields__:
            try:
                msgspec.to_builtins(getattr(self, name), enc_hook=plain_number)
            except msgspec.ValidationError:
                return name
        raise AssertionError("every field has a value that JSON has")

    def to_json(self) -> bytes:
        """Return the canonical JSON of the recipe: sorted keys, no blanks, no NaN."""
        return canonical_json(msgspec.to_builtins(self.checked()))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hex."""
        return sha256(self.to_json())


def plain_number(value: Any) -> Any:
    """Return a number of NumPy as Python's own."""
    plain = value.item() if isinstance(value, np.generic) else value
    if type(plain) is type(value):  # NumPy's longest floats stay what they are
        raise msgspec.ValidationError(
            f"{value!r}, of type {type(value).__name__}, is no number, text or collection of them"
        )
    return plain


def first_not_finite(tree: Any) -> tuple[str, float] | None:
    """Return where in a tree of builtins the first NaN or infinity is, as ``a[0].b``, and which of them; else None."""
    left = [("", tree)] if _may_hold_one(tree) else []
    while left:
        path, value = left.pop()
        if isinstance(value, float) and not math.isfinite(value):
            return path.removeprefix("."), value
        parts, name = (value.items(), ".{}") if isinstance(value, dict) else (enumerate(value), "[{}]")
        left += [(path + name.format(key), part) for key, part in parts if _may_hold_one(part)][::-1]
    return None


def _may_hold_one(part: Any) -> bool:
    return isinstance(part, (dict, list, tuple)) or (isinstance(part, float) and not math.isfinite(part))


def canonical_json(value: Any) -> bytes:
    """Return the one JSON text of a tree of builtins: sorted keys, no blanks; ValueError for NaN or infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sha256(data: bytes) -> str:
    """Return the SHA-256 of `data` in hex."""
    return hashlib.sha256(data).hexdigest()
