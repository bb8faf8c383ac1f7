"""Settings as text: TOML files, values as typed, and the value that an error is about."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from fflabels.errors import FFLabelsError


def read_toml(data: bytes, where: str) -> dict[str, Any]:
    """Return the tables of a TOML file; errors name the file (`where`)."""
    try:
        return tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FFLabelsError(f"not TOML: {error}", where=where) from None


def typed(text: str) -> Any:
    """Return the value of a text: TOML, else the text as a bare word, as of a date; None for an empty text."""
    if not text.strip():
        return None
    try:
        value = tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text
    return text if isinstance(value, (datetime.date, datetime.time)) else value


def refused_value(tree: Mapping[str, Any], error: str) -> str | None:
    """Return the value that msgspec refused, as text; None if the message already contains it."""
    match = re.search(r"at `\$\.([\w.]+)", error)
    if not match or error.startswith("Invalid enum value"):  # the message names it
        return None
    value: Any = tree
    for name in match[1].split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return None if value is None else str(value)
