"""Class names as pictures can show them: by number where the font lacks a letter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from matplotlib.font_manager import FontProperties, findfont, get_font


def drawable(names: Sequence[str]) -> list[str]:
    """Return the names of `numbered` as matplotlib draws them: a pair of $ would be a formula."""
    return [name.replace("$", r"\$") for name in numbered(names)]


def numbered(names: Sequence[str]) -> list[str]:
    """Return each name, or ``#k`` for class k if the font has no glyph for a letter in it.

    The font is matplotlib's ``font.family``: a ``matplotlibrc`` that names one with, say, Chinese letters shows them.
    """
    return [f"#{k}" if _missing(name) else name for k, name in enumerate(names)]


def legend(names: Sequence[str], classes: Iterable[int] | None = None) -> str | None:
    """Return a sentence that says which number stands for which class; None if pictures show all names.

    Parameters
    ----------
    names
        Of all classes.
    classes
        Those that are drawn; default: all.
    """
    drawn = range(len(names)) if classes is None else sorted(set(classes))
    numbered = [f"#{k} is {names[k]}" for k in drawn if _missing(names[k])]
    return f"Names that the font cannot draw are numbered: {', '.join(numbered)}." if numbered else None


def _missing(name: str) -> bool:
    return any(ord(letter) not in _letters() for letter in name)


@cache
def _letters() -> frozenset[int]:
    """Return the code points that the font has."""
    return frozenset(get_font(findfont(FontProperties())).get_charmap())
