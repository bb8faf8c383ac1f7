"""The status of plugins: each is tried in a separate process."""

from __future__ import annotations

from dataclasses import replace

from fflabels.registry import Entry, source
from fflabels.testing.apart import trouble_with


def tried_in_process(entry: Entry, seconds: float) -> tuple[Entry, str | None]:
    """Return a labeler's entry with its state after a trial, and what is wrong in one line, or None."""
    if entry.state in ("ambiguous", "reserved"):
        trouble = trouble_with(entry.full_name, seconds)
        broken = f"; it is broken: {trouble}" if trouble else ""
        return entry, f"{ambiguity(entry)}{broken}"
    if entry.state == "builtin":
        return entry, None
    trouble = trouble_with(entry.full_name, seconds)
    return replace(entry, state="broken" if trouble else "ok"), f"{source(entry)}: {trouble}" if trouble else None


def ambiguity(entry: Entry) -> str:
    """Return what to do about a name that two distributions offer."""
    owner = f"{entry.distribution} {entry.version}"
    if entry.state == "reserved":
        return f"labeler {entry.name} of {owner} has the name of a built-in labeler: write {entry.full_name}"
    return f"more than one distribution offers labeler {entry.name}; for that of {owner} write {entry.full_name}"
