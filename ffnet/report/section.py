"""A section of the report page, and what sections have in common."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

from ffnet.data.dataset import Data, Split

MAX_IMAGES = 1000
"""Mistakes and label confusions are taken from at most this many validation images."""


@dataclass(frozen=True)
class Section:
    """A section of the page: heading, text, pictures (data URL, caption), table (head, rows), the content of a file."""

    title: str
    words: str = ""
    pictures: tuple[tuple[str, str], ...] = ()
    table: tuple[list[str], list[list[str]]] | None = None
    text: str = ""


def first_images(data: Data) -> tuple[str, Split]:
    """Return the first validation images, or training images if there are none, and the name of their split."""
    name = "validation" if len(data.validation) else "train"
    part: Split = getattr(data, name)
    return name, part[:MAX_IMAGES]


def picture(data: bytes, caption: str) -> tuple[str, str]:
    """Return a PNG file as a data URL, with its caption."""
    return f"data:image/png;base64,{b64encode(data).decode()}", caption


def percent(share: float | None) -> str:
    """Return a share in percent, or a dash for None."""
    return "–" if share is None else f"{100 * share:.1f}"
