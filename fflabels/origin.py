"""Which labeler draws a label set that comes from a file: its own, one that was renamed, or one that the user names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from fflabels import registry
from fflabels.errors import FFLabelsError
from fflabels.labeler import Labeler
from fflabels.recipe import Recipe
from fflabels.registry import Entry

substitute: Entry | None = None
"""Draws sets whose own labeler is not installed; the option ``--labeler`` sets it."""

# PEP 508 and PEP 440, as far as it takes to print a command that installs this distribution and does nothing else.
DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
VERSION = re.compile(r"v?\d[0-9A-Za-z.!+_-]*")


class LabelerMark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which labeler made a set: its name, distribution and version (empty for one in a file), and its parameters."""

    name: str
    distribution: str
    version: str
    params: dict[str, Any]

    @classmethod
    def of(cls, labeler: Labeler[Any]) -> LabelerMark:
        """Return the mark of a labeler."""
        return cls(labeler.name, *registry.owner(labeler), msgspec.to_builtins(labeler.params))

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}" if self.distribution else "a labeler that is not installed"

    @property
    def title(self) -> str:
        """The labeler's name; behind it, in brackets, the distribution and version of a plugin."""
        built_in = self.distribution in ("", registry.DISTRIBUTION)
        return self.name if built_in else f"{self.name} ({self.distribution} {self.version})"

    @property
    def pip(self) -> str | None:
        """The command that installs the labeler; None where name or version in the file are not fit to be printed."""
        if DISTRIBUTION.fullmatch(self.distribution) and VERSION.fullmatch(self.version):
            return f"pip install {self.distribution}=={self.version}"
        return None


def find_labeler(mark: LabelerMark, where: str) -> type[Labeler[Any]]:
    """Return the class of the labeler that draws a set of this mark.

    Its own if it is installed; else one that says by its `aliases` that this was its name, among the labelers of the
    same distribution and those of the same name; else the one that the user named.

    Raises
    ------
    FFLabelsError
        If there is none: why, and what can be done.
    """
    try:
        entry = registry.find(f"{mark.distribution}:{mark.name}" if mark.distribution else mark.name)
    except FFLabelsError:
        pass
    else:
        return registry.load_class(entry)
    related = [e for e in registry.entries() if mark.distribution and e.state != "builtin" and _related(e, mark)]
    for entry in related:
        labeler_type = registry.load_class(entry)
        same = registry.same_distribution(entry.distribution, mark.distribution)
        names = {f"{mark.distribution}:{mark.name}", *([mark.name] if same else [])}
        if names & set(labeler_type.aliases):
            return labeler_type
    if substitute:
        return registry.load_class(substitute)
    raise _missing(mark, related, where)


def _related(entry: Entry, mark: LabelerMark) -> bool:
    return entry.name == mark.name or registry.same_distribution(entry.distribution, mark.distribution)


def _missing(mark: LabelerMark, related: list[Entry], where: str) -> FFLabelsError:
    """Return the error of a set whose labeler is not there."""
    if not mark.distribution:
        made = f"made by the labeler {mark.name}, which no distribution has"
        return FFLabelsError(
            made, where=where, hint="in a file? --labeler FILE.py:CLASS; in Python LabelSet.load(path, labeler=CLASS)"
        )
    made = f"made by the labeler {mark.name} of {mark}"
    if registry.hidden(mark.distribution, mark.name):
        hint = "set it to include the labeler, or unset it"
        return FFLabelsError(f"{made}, which FFLABELS_PLUGINS leaves out", where=where, hint=hint)
    here = [e for e in related if registry.same_distribution(e.distribution, mark.distribution)]
    others = ", ".join(e.full_name for e in related)
    hints = [mark.pip] if mark.pip else []
    hints += [f"--labeler NAME if it was renamed: {others}"] if others else []
    if here:
        made += f"; {here[0].distribution} {here[0].version} is installed, but has no labeler {mark.name}"
        return FFLabelsError(made, where=where, hint="; or ".join(hints))
    return FFLabelsError(f"{made}, which is not installed", where=where, hint="; or ".join(hints) or None)


def make_labeler(labeler_type: type[Labeler[Any]], mark: LabelerMark, where: str) -> Labeler[Any]:
    """Return the labeler with the parameters of a set's mark, upgraded if another version wrote them."""
    params = mark.params
    try:
        with registry.blaming(labeler_type):
            if written_by_another(labeler_type, mark):
                params = labeler_type.upgrade_params(dict(params), mark.version)
            return labeler_type(**params)
    except FFLabelsError as error:
        raise FFLabelsError(f"{error}{versions(labeler_type, mark)}", where=where) from error


def make_recipes(
    labeler_type: type[Labeler[Any]], recipes: Sequence[Any], mark: LabelerMark, where: str
) -> list[Recipe]:
    """Return the recipes of a set's file, upgraded if another version wrote it."""
    upgrade, made = written_by_another(labeler_type, mark), []
    for i, recipe in enumerate(recipes):
        try:
            if upgrade and isinstance(recipe, dict):
                with registry.blaming(labeler_type):
                    recipe = labeler_type.upgrade(dict(recipe), mark.version)
                if recipe is None:
                    raise FFLabelsError("upgrade returned None", expected="the recipe's new fields")
            made.append(msgspec.convert(recipe, labeler_type.recipe_type))
        except (msgspec.ValidationError, FFLabelsError) as error:
            raise FFLabelsError(f"{error}{versions(labeler_type, mark)}", where=f"{where}: recipes[{i}]") from None
    return made


def written_by_another(labeler_type: type[Labeler[Any]], mark: LabelerMark) -> bool:
    """Return whether another distribution or version wrote a set than is installed."""
    return bool(mark.distribution) and (mark.distribution, mark.version) != registry.owner(labeler_type)


def versions(labeler_type: type[Labeler[Any]], mark: LabelerMark) -> str:
    """Return, in brackets, which version wrote a set and which is installed; empty if they are the same."""
    if not written_by_another(labeler_type, mark):
        return ""
    installed = " ".join(registry.owner(labeler_type)).strip() or f"{labeler_type.__qualname__} of a file"
    back = f": {mark.pip}" if mark.pip and mark.distribution != registry.DISTRIBUTION else ""
    return f" (written by {mark}; {installed} is used now{back})"


def is_newer(mark: LabelerMark) -> bool:
    """Return whether a later version than the installed one wrote a set, as far as their numbers tell."""
    return _numbers(mark.version) > _numbers(registry.version_of(mark.distribution))


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3]]
