"""Experiments from TOML files, ours by name; invalid ones are refused here, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from fflabels.errors import FFLabelsError, nearest
from ffnet.config import read_toml
from ffnet.experiments.factors import Experiment, Factor, Level, Scale, When
from ffnet.presets import merged


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
    tree = _tree(str(name))
    where = f"experiment {Path(str(name)).stem}"
    try:
        experiment = msgspec.convert({**tree, "name": Path(str(name)).stem}, Experiment)
    except msgspec.ValidationError as error:
        raise FFLabelsError(f"bad experiment: {error}", where=where, hint=_nearest_key(str(error))) from None
    _check(experiment)
    return experiment


def _tree(name: str) -> dict[str, Any]:
    """Return the tables of a file, on top of those of its ``base``."""
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
    return merged(_tree(base), tree) if base else tree


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
    for scale in ("full", *experiment.scales):
        folders = [job.folder for job in experiment.jobs(scale)]
        if twice := sorted({folder for folder in folders if folders.count(folder) > 1}):
            raise FFLabelsError("two jobs of one name", where=f"{where}, {scale}", got=twice[0])


def _known(names: Sequence[str] | Mapping[str, Any], there: Mapping[str, Any], where: str) -> None:
    for name in names:
        if name not in there:
            raise FFLabelsError("matches nothing", where=where, got=name, hint=nearest(name, there))
