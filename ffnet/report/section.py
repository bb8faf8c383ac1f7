"""A section of the report page, and what sections have in common."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from typing import NamedTuple

from ffnet.data.dataset import Data, Split

MAX_IMAGES = 1000
"""Mistakes and label confusions are taken from at most this many validation images."""


class Picture(NamedTuple):
    """A picture as a data URL, its caption, and whether it is a chart, whose colours dark mode inverts."""

    url: str
    caption: str
    chart: bool = False


@dataclass(frozen=True)
class Section:
    """A section of the page: heading, text, pictures, table (head, rows), code, the content of a file."""

    title: str
    words: str = ""
    pictures: tuple[Picture, ...] = ()
    table: tuple[list[str], list[list[str]]] | None = None
    code: str = ""
    text: str = ""

    @property
    def anchor(self) -> str:
        """The heading as the end of a link."""
        return "-".join(re.findall(r"\w+", self.title.lower()))


def first_images(data: Data) -> tuple[str, Split]:
    """Return the first validation images, or training images if there are none, and the name of their split."""
    return data.shown_split, data.few(data.shown, MAX_IMAGES)


def picture(data: bytes, caption: str, *, chart: bool = False) -> Picture:
    """Return a PNG file with its caption."""
    return Picture(f"data:image/png;base64,{b64encode(data).decode()}", caption, chart)
