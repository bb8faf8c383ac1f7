"""Experiments: factors with named levels, times seeds, make jobs; a TOML file each.

::

    about = "Does a second wave help?"
    preset = "pairs-digits"
    seeds = 3
    primary = "two waves less one, goodness on validation images, paired t over 3 seeds"

    [settings]
    train.epochs = 10

    [factors.waves]
    base = "one"
    levels.one = {}
    levels.two = { settings = { labels.params = { waves = 2 } } }

    [factors.intensity]
    vary = { "labels.intensity" = [0.2, 0.35] }

Settings are applied in this order: preset, the experiment's, the scale's, each level's in the order of the factors
(with its `when`), the seed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from fflabels.errors import FFLabelsError, nearest
from ffnet.config.config import Config, type_of, used_settings
from ffnet.config.sections import Fraction, Positive
from ffnet.presets import load_preset

Settings = dict[str, Any]

OWN_COLUMNS = ("seed", "epochs", "cpu seconds", "device", "dtype", "torch")
"""Columns that the rows of all experiments have, beside one for each factor and each accuracy."""

Plot: TypeAlias = Literal["accuracy", "confusion", "learning", "maps", "label statistics"]
"""What a report shows beside its tables: see `ffnet.experiments.plots`."""


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
        The preset that its jobs start from; settings, as tables or by ``section.key``.
    seeds
        At most this many seeds; default: the experiment's.
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
    """What is varied.

    Attributes
    ----------
    levels
        By name.
    base
        The level that differences are taken to, the first unless given.
    compare
        Whether reports show these differences; false where levels are not alternatives, such as data sets.
    vary
        Settings with a list of values each: level k takes value k of every setting, and is
        named after the first setting's value.
    replicate
        Whether levels are repetitions, such as pools of candidates: reports average the seeds of each, and take these
        means for the sample.
    """

    levels: dict[str, Level] = {}
    base: str = ""
    compare: bool = True
    vary: dict[str, list[Any]] = {}
    replicate: bool = False

    def __post_init__(self) -> None:
        names = [_value_name(value) for value in next(iter(self.vary.values()), [])]
        if any(len(values) != len(names) for values in self.vary.values()):
            raise ValueError("vary: not the same number of values for each setting")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"vary: two levels are named {twice[0]}; levels.NAME = … names them")
        rows = (dict(zip(self.vary, values, strict=True)) for values in zip(*self.vary.values(), strict=True))
        varied = {name: Level(settings=row) for name, row in zip(names, rows, strict=True)}
        msgspec.structs.force_setattr(self, "levels", {**varied, **self.levels})

    @property
    def base_level(self) -> str:
        """Return the level that differences are taken to."""
        return self.base or next(iter(self.levels))


class Scale(_Part, frozen=True):
    """A size of an experiment: one line about it, settings for all jobs, number of seeds, the levels to keep."""

    about: str = ""
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
        Which accuracies reports show, with the split before the name for another than `split`; default: all that the
        runs have. ``prediction``: by each run's default inference method, so that nets with and without a goodness can
        be compared.
    change
        ``product``: all combinations of levels. ``one at a time``: base levels but for one factor.
    paper
        What the paper reports, in a line.
    show
        What reports show beside their tables.
    floors
        The least mean of the first accuracy, by levels in the order of the factors: ``"mnist, Fourier" = 0.97``.
    scales
        By name; ``full``, the experiment as it stands unless the file says otherwise, is always there.
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
    change: Literal["product", "one at a time"] = "product"
    paper: str = ""
    show: list[Plot] = []
    floors: dict[str, Fraction] = {}
    scales: dict[str, Scale] = {}
    name: str = ""

    def jobs(self, scale: str = "full", data: str | None = None, seeds: int | None = None) -> list[Job]:
        """Return all jobs of a scale, seed by seed, so that the first ones already make a whole table.

        Combinations with the same settings as an earlier one are left out.

        Parameters
        ----------
        scale
            Which.
        data
            The folder of torchvision's data sets.
        seeds
            How many; default: the scale's.

        Raises
        ------
        FFLabelsError
            When there is no such scale, preset or setting, or two levels never differ.
        """
        size = self._scale(scale)
        seeds = seeds or size.seeds or self.seeds
        jobs, seen = [], set()
        for seed, levels in itertools.product(range(seeds), self._combinations(size)):
            if any(seed >= (self.factors[name].levels[level].seeds or seeds) for name, level in levels.items()):
                continue
            config = self._config(levels, size, seed, data)
            key = msgspec.json.encode(used_settings(config), order="deterministic")
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
    def shown_factors(self) -> list[str]:
        """The factors that a table has columns for: all but replicates."""
        return [name for name, factor in self.factors.items() if not factor.replicate]

    @property
    def where(self) -> str:
        """Return how errors name the experiment."""
        return f"experiment {self.name}"

    def _scale(self, name: str) -> Scale:
        if name != "full" and name not in self.scales:
            raise FFLabelsError("no such scale", where=self.where, got=name, hint=nearest(name, ["full", *self.scales]))
        return self.scales.get(name, Scale())

    def _combinations(self, size: Scale) -> Iterator[dict[str, str]]:
        """Yield a level for each factor: the combinations that ``only`` and ``except`` allow."""
        choices = [
            [level for level in factor.levels if level in size.only.get(name, factor.levels)]
            for name, factor in self.factors.items()
        ]
        for chosen in itertools.product(*choices):
            levels = dict(zip(self.factors, chosen, strict=True))
            changed = [levels[name] for name in self.shown_factors if levels[name] != self.factors[name].base_level]
            if self.change != "product" and len(changed) > 1:
                continue
            parts = [self.factors[name].levels[level] for name, level in levels.items()]
            wanted = all(levels[other] in names for part in parts for other, names in part.only.items())
            refused = any(levels[other] in names for part in parts for other, names in part.unless.items())
            if wanted and not refused:
                yield levels

    def _config(self, levels: Mapping[str, str], size: Scale, seed: int, data: str | None) -> Config:
        presets = [self.preset] if self.preset else []
        settings: Settings = {**by_key(self.settings), **by_key(size.settings)}
        for name, level in levels.items():
            part = self.factors[name].levels[level]
            parts: list[Level | When] = [part]
            parts += [when for when in part.when if all(levels[k] == v for k, v in when.levels.items())]
            for each in parts:
                presets += [each.preset] if each.preset else []
                settings |= by_key(each.settings)
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


def by_key(settings: Mapping[str, Any], section: str = "") -> Settings:
    """Return settings by ``section.key``, given so or as tables; a setting that is a table itself stays whole."""
    by_name: Settings = {}
    for key, value in settings.items():
        name = f"{section}{key}"
        is_section = isinstance(value, Mapping) and not isinstance(type_of(name), msgspec.inspect.DictType)
        by_name |= by_key(value, f"{name}.") if is_section else {name: value}
    return by_name


def _value_name(value: Any) -> str:
    """Return what a level is called after a value."""
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)
