"""Experiments from TOML files, ours by name; invalid ones are refused here, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from fflabels.errors import FFLabelsError, nearest
from ffnet.config.toml import read_toml
from ffnet.experiments.factors import OWN_COLUMNS, Experiment, Factor, Job, Level, Scale, When
from ffnet.presets import merged

ACCURACIES = (
    "goodness", "goodness, last layer", "goodness, untrained", "linear", "linear, untrained", "prediction", "bp",
    "local",
)  # fmt: skip
"""The accuracies that rows can have; not every run has all of them."""


def list_experiments() -> list[str]:
    """Return the names of the built-in experiments."""
    return [name for name in _built_in() if not name.startswith("_")]


def _built_in() -> list[str]:
    """Return the names of our files; those that begin with ``_`` are only bases of others."""
    there = (file.name for file in files("ffnet.experiments").joinpath("files").iterdir())
    return sorted(name.removesuffix(".toml") for name in there if name.endswith(".toml"))


def load_experiment(name: str | Path) -> Experiment:
    """Return an experiment by name, or from a file of one's own, whose name ends in ``.toml``.

    Raises
    ------
    FFLabelsError
        For an unknown name, key (the nearest is named), factor, level or setting, and for two levels with the same
        settings.
    """
    tree = _tree(str(name), ())
    where = f"experiment {Path(str(name)).stem}"
    try:
        experiment = msgspec.convert({**tree, "name": Path(str(name)).stem}, Experiment)
    except msgspec.ValidationError as error:
        raise FFLabelsError(f"bad experiment: {error}", where=where, hint=_nearest_key(str(error))) from None
    _check(experiment)
    return experiment


def _tree(name: str, above: tuple[str, ...]) -> dict[str, Any]:
    """Return the tables of a file, on top of those of its ``base``; `above` are the files that build on it."""
    place = str(Path(name).resolve()) if name.endswith(".toml") else name
    if place in above:
        raise FFLabelsError("is its own base", where=name, got=" → ".join(Path(each).name for each in [*above, place]))
    if name.endswith(".toml"):
        try:
            tree = read_toml(Path(name).read_bytes(), name)
        except OSError as error:
            raise FFLabelsError(f"cannot be read: {error.strerror or error}", where=name) from None
    elif name in _built_in():
        file = files("ffnet.experiments").joinpath("files", f"{name}.toml")
        tree = read_toml(file.read_bytes(), f"experiment {name}")
    else:
        raise FFLabelsError("no such experiment", where="experiment", got=name, hint=nearest(name, list_experiments()))
    base = tree.pop("base", None)
    if not base:
        return tree
    beside = str(Path(name).parent / base) if name.endswith(".toml") and base.endswith(".toml") else base
    return merged(_tree(beside, (*above, place)), tree)


def _nearest_key(error: str) -> str | None:
    """Return a hint that names the nearest key of an unknown one."""
    _, quote, rest = error.partition("unknown field `")
    keys = {field for kind in (Experiment, Factor, Level, Scale, When) for field in kind.__struct_encode_fields__}
    return nearest(rest.partition("`")[0], keys - {"name"}) if quote else None


def _check(experiment: Experiment) -> None:
    """Refuse unknown factors and levels, and jobs that are invalid."""
    where, factors = experiment.where, experiment.factors
    if not factors:
        raise FFLabelsError("no factor", where=where, expected="[factors.NAME] with levels")
    for name, factor in factors.items():
        here = f"{where}: factors.{name}"
        if name in OWN_COLUMNS or name.startswith(("validation ", "test ")):
            raise FFLabelsError("the name of another column of the rows", where=here, hint="choose another name")
        if not factor.levels:
            raise FFLabelsError("no level", where=here, expected="levels.NAME = { settings = { … } }")
        _known([factor.base_level], factor.levels, f"{here}.base")
        for level, part in factor.levels.items():
            for other, names in [*part.only.items(), *part.unless.items()]:
                _known([other], factors, f"{here}.levels.{level}")
                _known(names, factors[other].levels, f"{here}.levels.{level}: {other}")
            for when in part.when:
                _known(when.levels, factors, f"{here}.levels.{level}.when")
                for other, one in when.levels.items():
                    _known([one], factors[other].levels, f"{here}.levels.{level}.when: {other}")
    for name, size in experiment.scales.items():
        for other, names in size.only.items():
            _known([other], factors, f"{where}: scales.{name}.only")
            _known(names, factors[other].levels, f"{where}: scales.{name}.only.{other}")
    jobs = []
    for scale in ("full", *experiment.scales):
        jobs += (of_scale := experiment.jobs(scale))
        folders = [job.folder for job in of_scale]
        if twice := sorted({folder for folder in folders if folders.count(folder) > 1}):
            raise FFLabelsError("two jobs of one name", where=f"{where}, {scale}", got=twice[0])
    _check_report(experiment, jobs)


def _check_report(experiment: Experiment, jobs: Sequence[Job]) -> None:
    """Refuse accuracies that no run has, floors of no combination, and a plot without an axis."""
    known = [*ACCURACIES, *(f"{split} {name}" for split in ("validation", "test") for name in ACCURACIES)]
    _known(experiment.accuracies, dict.fromkeys(known), f"{experiment.where}: accuracies")
    combinations = {", ".join(job.levels[name] for name in experiment.shown_factors): None for job in jobs}
    _known(list(experiment.floors), combinations, f"{experiment.where}: floors")
    if "accuracy" in experiment.show and not experiment.shown_factors:
        raise FFLabelsError("nothing to plot against", where=f"{experiment.where}: show", got="accuracy",
                            expected="a factor that is not a replicate")  # fmt: skip


def _known(names: Sequence[str] | Mapping[str, Any], there: Mapping[str, Any], where: str) -> None:
    for name in names:
        if name not in there:
            raise FFLabelsError("matches nothing", where=where, got=name, hint=nearest(name, there))
