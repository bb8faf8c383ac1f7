"""Output in the terminal's encoding: a character that it lacks is replaced by a similar one, or by ``?``."""

from __future__ import annotations

import codecs
import sys
import unicodedata

ALIKE = {
    "′": "'", "–": "-", "−": "-", "—": "-", "…": "...", "×": "x", "·": "*", "≥": ">=", "≤": "<=", "→": "->",
    "Δ": "delta", "σ": "sigma", "θ": "theta", "±": "+-", "“": '"', "”": '"', "‘": "'", "’": "'",
}  # fmt: skip


def write_in_any_encoding() -> None:
    """Make standard output and error replace what they cannot encode."""
    codecs.register_error("fflabels", _alike)
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):  # None: closed by the caller
            reconfigure(errors="fflabels")


def _alike(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    return "".join(_replacement(character) for character in lacking), error.end


def _replacement(character: str) -> str:
    """Return the ASCII replacement of a character."""
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return ALIKE.get(character) or plain or "?"
