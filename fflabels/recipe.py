"""Recipe: the JSON-able parameters of one label. It names no image size."""

from __future__ import annotations

import hashlib
import json
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
            When a field has a wrong type or is out of range; the message names it.
        """
        return msgspec.convert(msgspec.to_builtins(self, enc_hook=_number), type(self))

    def to_json(self) -> bytes:
        """Return the canonical JSON of the recipe: sorted keys, no blanks, no NaN."""
        return canonical_json(msgspec.to_builtins(self.checked()))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hex."""
        return sha256(self.to_json())


def _number(value: Any) -> Any:
    """Return a number of NumPy as Python's own."""
    plain = value.item() if isinstance(value, np.generic) else value
    if type(plain) is type(value):  # NumPy's longest floats stay what they are
        raise msgspec.ValidationError(
            f"{value!r}, of type {type(value).__name__}, is no number, text or collection of them"
        )
    return plain


def canonical_json(value: Any) -> bytes:
    """Return the one JSON text of a tree of builtins: sorted keys, no blanks; ValueError for NaN or infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sha256(data: bytes) -> str:
    """Return the SHA-256 of `data` in hex."""
    return hashlib.sha256(data).hexdigest()
