"""Entry points → labelers. Listing never imports; one broken plugin harms only the command that names it."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal

from fflabels.errors import FFLabelsError, nearest
from fflabels.labeler import API_VERSION, Labeler
from fflabels.recipe import Recipe

GROUP = "fflabels.labelers"
DISTRIBUTION = "fflabels"

State = Literal["builtin", "available", "ambiguous"]


@dataclass(frozen=True, order=True)
class Entry:
    """One labeler that a distribution offers. Nothing of it has been imported.

    Attributes
    ----------
    name
        What users type.
    distribution, version
        What pip installed.
    value
        ``module:Class``.
    state
        ``builtin``, ``available``, or ``ambiguous`` where two distributions offer one name.
    """

    name: str
    distribution: str
    version: str
    value: str
    state: State


def entries() -> list[Entry]:
    """Return every labeler on offer, sorted; the environment's ``FFLABELS_PLUGINS`` limits third-party ones.

    Unset: all. Empty: none. Otherwise a comma-separated list of labelers or distributions.
    """
    allowed = os.environ.get("FFLABELS_PLUGINS")
    wanted = None if allowed is None else {_normal(a) for a in allowed.split(",") if a.strip()}
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for point in metadata.entry_points(group=GROUP):
        distribution, version = (point.dist.name, point.dist.version) if point.dist else ("unknown", "0")
        third_party = _normal(distribution) != DISTRIBUTION
        if not third_party or wanted is None or {_normal(point.name), _normal(distribution)} & wanted:
            found[point.name, distribution] = version, point.value
    names = [name for name, _ in found]
    return sorted(
        Entry(name, distribution, version, value, _state(distribution, names.count(name)))
        for (name, distribution), (version, value) in found.items()
    )


def list_labelers(pattern: str = "*") -> list[str]:
    """Return the names of the labelers that match a shell pattern, sorted."""
    return sorted({entry.name for entry in entries() if fnmatch.fnmatch(entry.name, pattern)})


def get_labeler(name: str, **params: Any) -> Labeler[Any]:
    """Return a labeler by name (``morph``, or ``distribution:name`` where two offer it) with typed parameters.

    Raises
    ------
    FFLabelsError
        For an unknown or ambiguous name, a plugin that cannot be imported or does not fulfil the contract, or bad
        parameters.
    """
    return make(find(name), **params)


def make(entry: Entry, **params: Any) -> Labeler[Any]:
    """Return the labeler of an entry with typed parameters."""
    labeler_type = load_class(entry)
    with blaming(entry):
        return labeler_type(**params)


@contextmanager
def blaming(labeler: Labeler[Any] | Entry) -> Iterator[None]:
    """Turn whatever a labeler's own code raises into one line that names it, its distribution and its version."""
    try:
        yield
    except (FFLabelsError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise FFLabelsError(f"{type(error).__name__}: {error}", where=source(labeler)) from error


def source(labeler: Labeler[Any] | Entry) -> str:
    """Return a labeler's name, distribution and version, as errors give them."""
    if isinstance(labeler, Entry):
        distribution, version = labeler.distribution, labeler.version
    else:
        distribution, version = owner(labeler)
    return f"labeler {labeler.name} of {distribution} {version}" if distribution else f"labeler {labeler.name}"


def find(name: str) -> Entry:
    """Return the one entry that `name` means."""
    known = entries()
    distribution, _, plain = name.rpartition(":")
    matching = [
        e for e in known if e.name == plain and (not distribution or _normal(e.distribution) == _normal(distribution))
    ]
    if not matching:
        names = {e.name for e in known} or {"none: is fflabels installed? pip install fflabels"}
        raise FFLabelsError("unknown labeler", where="kind", got=name, hint=nearest(name, names))
    if len(matching) > 1:
        offers = ", ".join(f"{e.distribution}:{e.name} ({e.version})" for e in matching)
        raise FFLabelsError(f"{plain} is offered by two distributions", where="kind", hint=f"say which: {offers}")
    return matching[0]


def load_class(entry: Entry) -> type[Labeler[Any]]:
    """Import a labeler and hold it against the contract; any failure names the distribution and its version."""
    where = source(entry)
    point = metadata.EntryPoint(entry.name, entry.value, GROUP)
    try:
        found = point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may raise anything, SystemExit too
        raise FFLabelsError(f"cannot be imported: {type(error).__name__}: {error}", where=where) from error
    if not (isinstance(found, type) and issubclass(found, Labeler)):
        raise FFLabelsError("not a labeler", where=where, got=repr(found), expected="a subclass of fflabels.Labeler")
    if found.api_version != API_VERSION:
        raise FFLabelsError(
            "written for another version of the contract",
            where=where,
            got=str(found.api_version),
            expected=str(API_VERSION),
        )
    if getattr(found, "name", None) != entry.name:
        raise FFLabelsError(
            "its name differs from its entry point's",
            where=where,
            got=repr(getattr(found, "name", None)),
            expected=repr(entry.name),
        )
    recipe_type = getattr(found, "recipe_type", None)
    if not (isinstance(recipe_type, type) and issubclass(recipe_type, Recipe)):
        raise FFLabelsError(
            "recipe_type is not a recipe", where=where, got=repr(recipe_type), expected="a subclass of fflabels.Recipe"
        )
    return found


def owner(labeler: Labeler[Any]) -> tuple[str, str]:
    """Return the distribution and the version that a labeler's class comes from; empty strings if from none."""
    value = f"{type(labeler).__module__}:{type(labeler).__qualname__}"
    for entry in entries():
        if entry.name == labeler.name and entry.value == value:
            return entry.distribution, entry.version
    return "", ""


def _state(distribution: str, offers: int) -> State:
    if offers > 1:
        return "ambiguous"
    return "builtin" if _normal(distribution) == DISTRIBUTION else "available"


def _normal(name: str) -> str:
    """Return a distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
