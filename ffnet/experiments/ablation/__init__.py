"""The ablation: what each part of a recipe is worth, one change at a time from the best recipe and from the paper's."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from fflabels.errors import FFLabelsError
from ffnet.config import Config, Natural, Positive, result_settings
from ffnet.experiments.studies import known, load_checked, plain
from ffnet.prepare import check_unweighted
from ffnet.presets import load_preset

ScaleName: TypeAlias = Literal["smoke", "cpu"]

BUILT_IN = "ablation.toml"


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the ablation's file."""


class Recipe(_Part, frozen=True):
    """Where changes begin: on a data set, a preset and what differs from it.

    Attributes
    ----------
    name
        What tables call it.
    preset, settings
        By data set: a preset's name; settings by ``section.key``.
    """

    name: str
    preset: dict[str, str]
    settings: dict[str, dict[str, Any]] = {}


class Labels(_Part, frozen=True):
    """Labels that all is tried with: what tables call them, and their settings."""

    name: str
    settings: dict[str, Any]


class Change(_Part, frozen=True):
    """What is changed, alone.

    Attributes
    ----------
    name
        What tables call it.
    settings
        By ``section.key``.
    of, on, labels
        Recipes, data sets and labels, by name; all unless given. A recipe that is so already is not tried.
    """

    name: str
    settings: dict[str, Any]
    of: list[str] = []
    on: list[str] = []
    labels: list[str] = []


class DataSet(_Part, frozen=True):
    """Where changes are tried.

    Attributes
    ----------
    name
        What tables call it.
    settings
        For all nets, by ``section.key``; recipes and changes come after.
    readout
        Training images that the linear classifier is fitted to.
    validation, correct_on
        Validation images that nets are read on, and as many more that goodness is corrected on.
    """

    name: str
    settings: dict[str, Any] = {}
    readout: Positive = 8000
    validation: Positive = 3000
    correct_on: Natural = 1500


class Scale(_Part, frozen=True):
    """How large it is made: data sets, nets of each, settings for all; only these changes, all unless given."""

    data: list[str]
    seeds: Positive
    settings: dict[str, Any] = {}
    changes: list[str] = []


class Job(NamedTuple):
    """One net: a recipe on a data set with labels, unchanged or with one change, and a seed."""

    data: DataSet
    recipe: Recipe
    labels: Labels
    change: Change | None
    seed: int
    config: Config

    @property
    def name(self) -> str:
        """The file's name, without its ending."""
        words = (self.data.name, self.recipe.name, self.labels.name, self.change.name if self.change else "unchanged")
        return "-".join(plain(word) for word in (*words, str(self.seed)))

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the figures."""
        data = self.data
        own = {"readout": data.readout, "validation": data.validation, "correct_on": data.correct_on}
        return {**result_settings(self.config), **own}


class Ablation(_Part, frozen=True):
    """What there is: see `DataSet`, `Recipe`, `Labels`, `Change`, `Scale`."""

    about: str
    data: list[DataSet]
    recipes: list[Recipe]
    labels: list[Labels]
    changes: list[Change]
    scales: dict[ScaleName, Scale]

    def jobs(self, scale: ScaleName, root: str | None = None, only: Sequence[str] = ()) -> list[Job]:
        """Return all nets of a scale, seed by seed, so that the first ones already make whole tables.

        Parameters
        ----------
        scale
            Which.
        root
            The folder of torchvision's data sets.
        only
            These data sets alone.

        Raises
        ------
        FFLabelsError
            When there is no such scale, data set or setting.
        """
        if scale not in self.scales:
            raise FFLabelsError("no such scale", where="ablation", got=scale, expected=" or ".join(self.scales))
        size = self.scales[scale]
        names = known(only, size.data, "--only") or size.data
        found = []
        for seed, name, recipe, labels in itertools.product(range(size.seeds), names, self.recipes, self.labels):
            (data,) = (one for one in self.data if one.name == name)
            extra = {"seed": seed, **({"data.root": root} if root else {})}
            begun = {**data.settings, **recipe.settings.get(name, {}), **size.settings, **labels.settings, **extra}
            base = load_preset(recipe.preset[name]).config.replaced(begun)
            if not data.correct_on:
                check_unweighted(base, f"recipe {recipe.name} on {name}")
            found.append(Job(data, recipe, labels, None, seed, base))
            for change in self.changes:
                asked = ((recipe.name, change.of), (name, change.on), (labels.name, change.labels))
                if not all(_tried(*each) for each in (*asked, (change.name, size.changes))):
                    continue
                if (changed := base.replaced(change.settings)) != base:
                    check_unweighted(changed, f"change {change.name} of recipe {recipe.name} on {name}")
                    found.append(Job(data, recipe, labels, change, seed, changed))
        return found


def load_ablation(path: str | Path | None = None) -> Ablation:
    """Return the built-in ablation, or one's own from a file.

    Raises
    ------
    FFLabelsError
        For a file that cannot be read, an unknown key, a name that nothing has, or two things have.
    """
    return load_checked(path, __name__, BUILT_IN, Ablation, _check)


def _check(ablation: Ablation) -> None:
    """Refuse a name that nothing has, or two things have."""
    data_sets = _unique(ablation.data, "data")
    recipes, changes = _unique(ablation.recipes, "recipes"), _unique(ablation.changes, "changes")
    labels = _unique(ablation.labels, "labels")
    for recipe in ablation.recipes:
        known([*recipe.preset, *recipe.settings], data_sets, f"recipe {recipe.name}")
        if missing := sorted({name for size in ablation.scales.values() for name in size.data} - set(recipe.preset)):
            raise FFLabelsError("no preset", where=f"recipe {recipe.name}", got=", ".join(missing))
    for change in ablation.changes:
        known(change.of, recipes, f"change {change.name}: of")
        known(change.on, data_sets, f"change {change.name}: on")
        known(change.labels, labels, f"change {change.name}: labels")
        if fixed := sorted(key for key in change.settings if key == "seed" or key.startswith("data.")):
            raise FFLabelsError("not a part of a recipe", where=f"change {change.name}", got=", ".join(fixed))
    for name, size in ablation.scales.items():
        known(size.data, data_sets, f"scale {name}: data")
        known(size.changes, changes, f"scale {name}: changes")
        ablation.jobs(name)  # refuses settings that there are not


def _unique(parts: Sequence[Any], where: str) -> list[str]:
    names = [part.name for part in parts]
    if twice := sorted({name for name in names if [plain(other) for other in names].count(plain(name)) > 1}):
        raise FFLabelsError("two of one name", where=where, got=", ".join(twice))
    return names


def _tried(name: str, wanted: Sequence[str]) -> bool:
    return not wanted or name in wanted
