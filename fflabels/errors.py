"""The one error that users of fflabels meet: what, where, got, expected, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")

REPOSITORY = "https://github.com/fflabels/fflabels"
"""The package is not on PyPI: it is installed from here."""


class FFLabelsError(ValueError):
    """A mistake that the user can fix; its text is one line.

    Parameters
    ----------
    what
        What is wrong.
    where
        The file, field or argument that it is about.
    got, expected
        The wrong value, and what would have been accepted.
    hint
        What to do about it.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        got: object = None,
        expected: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.what, self.where, self.got, self.expected, self.hint = what, where, got, expected, hint
        text = f"{where}: {what}" if where else what
        if got is not None:
            text += f"; got {short(got)}"
        if expected is not None:
            text += f"; expected {expected}"
        if hint is not None:
            text += f" ({hint})"
        super().__init__(one_line(text))


class LabelerFaultError(FFLabelsError):
    """A labeler's own code failed or broke its contract; the text names the labeler, its distribution and version."""


class LabelsChangedWarning(UserWarning):
    """A label set is drawn differently from when it was written, or by another version of its labeler."""


class TooFewCandidatesError(FFLabelsError):
    """A labeler could not make as many distinct, visible recipes as were asked for."""


class MissingExtraError(ImportError):
    """A package that an extra brings is not installed; the text says how to install it.

    Parameters
    ----------
    what
        What needs which package.
    extra
        The extra of fflabels that brings it; None if `what` says what to install.
    """

    def __init__(self, what: str, extra: str | None = None) -> None:
        super().__init__(f"{what}: {install_command(extra)}" if extra else what)


class NoEffectWarning(UserWarning):
    """A label changes none, or not all, of the reference images."""


class PictureWarning(UserWarning):
    """Pictures that were not read, or were read in a way that their owner should know."""


def install_command(extra: str = "") -> str:
    """Return the command that installs fflabels, with an extra if one is named."""
    return f'pip install "fflabels{extra and f"[{extra}]"} @ git+{REPOSITORY}"'


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the known words, the one closest to `name` first if there is one."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    listing = "known: " + (", ".join(known) or "none")
    return f"did you mean {close[0]!r}? {listing}" if close else listing


def registered(table: Mapping[str, T], name: str, what: str, where: str) -> T:
    """Return what is registered under a name; the error for an unknown name suggests the nearest."""
    if name not in table:
        raise FFLabelsError(f"unknown {what}", where=where, got=name, hint=nearest(name, table))
    return table[name]


def one_line(text: str) -> str:
    """Return `text` without what moves a terminal's cursor or colours it: line ends, escapes, control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def lacks_memory(error: BaseException) -> bool:
    """Return whether an error says that memory is full, on any device; imports no PyTorch."""
    texts = ("can't allocate memory", "not enough memory")
    out_of_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return out_of_memory or any(text in str(error) for text in texts)


def short(value: object, limit: int = 100) -> str:
    """Return a text, or the repr of anything else, cut to `limit` characters."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
