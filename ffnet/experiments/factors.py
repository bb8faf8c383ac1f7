"""Experiments: factors with named levels, times seeds, make jobs; a TOML file each.

::

    about = "Does a second wave help?"
    preset = "quick-digits"
    seeds = 3
    primary = "two waves less one, goodness on validation images, paired t over 3 seeds"

    [settings]
    train.epochs = 10

    [factors.waves]
    base = "one"
    levels.one = {}
    levels.two = { settings = { labels.params = { waves = 2 } } }

Settings are applied in this order: preset, the experiment's, the scale's, each level's in the order of the factors
(with its `when`), the seed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from fflabels.errors import FFLabelsError, nearest
from ffnet.config import Config, Positive, read_toml, result_settings
from ffnet.presets import load_preset

Settings = dict[str, Any]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of an experiment's file."""


class When(_Part, frozen=True, rename={"levels": "if"}):
    """Settings of a level for some levels of other factors: ``{ if = { data = "mnist" }, settings = { … } }``."""

    levels: dict[str, str]
    preset: str | None = None
    settings: Settings = {}


class Level(_Part, frozen=True, rename={"unless": "except"}):
    """A level of a factor.

    Attributes
    ----------
    preset, settings
        What its jobs have: a preset that they start from, settings as in a configuration file or by ``section.key``.
    seeds
        At most this many seeds; the experiment's unless given.
    only, unless
        Levels of other factors that it is combined with, or not combined with; ``only``, ``except`` in the file.
    when
        More settings, for some levels of other factors.
    """

    preset: str | None = None
    settings: Settings = {}
    seeds: Positive | None = None
    only: dict[str, list[str]] = {}
    unless: dict[str, list[str]] = {}
    when: list[When] = []


class Factor(_Part, frozen=True):
    """What is varied: levels by name, and the one that differences are taken to, the first unless given."""

    levels: dict[str, Level]
    base: str = ""

    @property
    def base_level(self) -> str:
        """Return the level that differences are taken to."""
        return self.base or next(iter(self.levels))


class Scale(_Part, frozen=True):
    """How large an experiment is made: settings for all jobs, seeds, only these levels."""

    settings: Settings = {}
    seeds: Positive | None = None
    only: dict[str, list[str]] = {}


class Experiment(_Part, frozen=True):
    """An experiment.

    Attributes
    ----------
    about
        One line.
    factors
        By name, in order.
    primary
        The primary comparison: what is compared, how many seeds, which test. Written before anything runs.
    preset, settings
        What all jobs start from.
    seeds
        How many: 0, 1, …
    split
        The images that reports show accuracies of.
    accuracies
        Which accuracies reports show; all that the runs have unless given.
    scales
        By name; ``full``, the experiment as it stands, is always there.
    name
        The file's name, without its ending.
    """

    about: str
    factors: dict[str, Factor]
    primary: str = ""
    preset: str | None = None
    settings: Settings = {}
    seeds: Positive = 3
    split: Literal["validation", "test"] = "validation"
    accuracies: list[str] = []
    scales: dict[str, Scale] = {}
    name: str = ""

    def jobs(self, scale: str = "full", data: str | None = None) -> list[Job]:
        """Return all jobs of a scale, seed by seed, so that the first ones already make a whole table.

        A combination whose configuration another one has already is left out.

        Parameters
        ----------
        scale
            Which.
        data
            The folder of torchvision's data sets.

        Raises
        ------
        FFLabelsError
            When there is no such scale, preset or setting, or two levels never differ.
        """
        size = self._scale(scale)
        seeds = size.seeds or self.seeds
        jobs, seen = [], set()
        for seed, levels in itertools.product(range(seeds), list(self._combinations(size))):
            if any(seed >= (self.factors[name].levels[level].seeds or seeds) for name, level in levels.items()):
                continue
            config = self._config(levels, size, seed, data)
            key = msgspec.json.encode(result_settings(config), order="deterministic")
            if key not in seen:
                jobs.append(Job(levels, seed, config))
            seen.add(key)
        for name, factor in self.factors.items():
            present = {job.levels[name] for job in jobs}
            wanted = [level for level in factor.levels if level in size.only.get(name, factor.levels)]
            if missing := [level for level in wanted if level not in present]:
                raise FFLabelsError(
                    "a level without a job of its own", where=f"{self.where}: factors.{name}", got=missing[0],
                    expected="settings that no other level has, and an `only` that something matches",
                )  # fmt: skip
        return jobs

    @property
    def where(self) -> str:
        """Return how errors name the experiment."""
        return f"experiment {self.name}"

    def _scale(self, name: str) -> Scale:
        if name != "full" and name not in self.scales:
            raise FFLabelsError("no such scale", where=self.where, got=name, hint=nearest(name, ["full", *self.scales]))
        return self.scales.get(name, Scale())

    def _combinations(self, size: Scale) -> Iterator[dict[str, str]]:
        """Yield a level for each factor, where all levels want to be combined with each other."""
        choices = [
            [level for level in factor.levels if level in size.only.get(name, factor.levels)]
            for name, factor in self.factors.items()
        ]
        for chosen in itertools.product(*choices):
            levels = dict(zip(self.factors, chosen, strict=True))
            parts = [self.factors[name].levels[level] for name, level in levels.items()]
            wanted = all(levels[other] in names for part in parts for other, names in part.only.items())
            refused = any(levels[other] in names for part in parts for other, names in part.unless.items())
            if wanted and not refused:
                yield levels

    def _config(self, levels: Mapping[str, str], size: Scale, seed: int, data: str | None) -> Config:
        presets = [self.preset] if self.preset else []
        settings: Settings = {**flat(self.settings), **flat(size.settings)}
        for name, level in levels.items():
            part = self.factors[name].levels[level]
            parts: list[Level | When] = [part]
            parts += [when for when in part.when if all(levels[k] == v for k, v in when.levels.items())]
            for each in parts:
                presets += [each.preset] if each.preset else []
                settings |= flat(each.settings)
        if not presets:
            raise FFLabelsError("no preset", where=self.where, got=", ".join(levels.values()), expected="preset = …")
        own = {"seed": seed, **({"data.root": data} if data else {})}
        return load_preset(presets[-1]).config.replaced({**settings, **own}, self.where)


class Job(NamedTuple):
    """One run: a level of each factor, a seed, and the configuration that they make."""

    levels: dict[str, str]
    seed: int
    config: Config

    @property
    def folder(self) -> str:
        """Return the name of its run folder."""
        return "-".join([*(slug(level) for level in self.levels.values()), str(self.seed)])


def slug(words: str) -> str:
    """Return words as a part of a file's name."""
    return "_".join("".join(c if c.isalnum() or c == "." else " " for c in words).split())


def flat(settings: Mapping[str, Any]) -> Settings:
    """Return settings by ``section.key``, given so or as tables."""
    found: Settings = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and "." not in key:
            found |= {f"{key}.{name}": each for name, each in value.items()}
        else:
            found[key] = value
    return found


def list_experiments() -> list[str]:
    """Return the names of the built-in experiments."""
    there = files("ffnet.experiments").joinpath("files").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in there if file.name.endswith(".toml"))


def load_experiment(name: str | Path) -> Experiment:
    """Return an experiment by name, or from a file of one's own, whose name ends in ``.toml``.

    Raises
    ------
    FFLabelsError
        For an unknown name or key (the nearest is named), a factor or level that there is not, two levels with the same
        settings, or a setting that there is not.
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
    elif name in list_experiments():
        file = files("ffnet.experiments").joinpath("files", f"{name}.toml")
        tree = read_toml(file.read_bytes(), f"experiment {name}")
    else:
        raise FFLabelsError("no such experiment", where="experiment", got=name, hint=nearest(name, list_experiments()))
    base = tree.pop("base", None)
    return _merged(_tree(base), tree) if base else tree


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(base)
    for key, value in own.items():
        both[key] = _merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return both


def _nearest_key(error: str) -> str | None:
    """Return a hint that names the nearest key of an unknown one."""
    _, quote, rest = error.partition("unknown field `")
    keys = {field for kind in (Experiment, Factor, Level, Scale, When) for field in kind.__struct_encode_fields__}
    return nearest(rest.partition("`")[0], keys - {"name"}) if quote else None


def _check(experiment: Experiment) -> None:
    """Refuse names that there are not, and jobs that cannot be."""
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
