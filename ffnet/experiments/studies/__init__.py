"""Studies: a file a result of the paper says which runs it needs, at which scales, and what comes of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

import msgspec

from fflabels.errors import FFLabelsError, nearest
from ffnet.config import Config, Positive, read_toml
from ffnet.presets import load_preset

ScaleName: TypeAlias = Literal["smoke", "cpu", "full"]
Figure: TypeAlias = Literal["accuracy", "confusion", "learning", "maps"]

T = TypeVar("T")


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of a study's file."""


class Group(_Part, frozen=True):
    """Runs of one kind: a preset, and what differs from it.

    Attributes
    ----------
    name, preset
        What the table and the figure call it; where its settings begin.
    settings
        By ``section.key``.
    vary
        By ``section.key`` as many values as the study has points; all settings here change together.
    readings
        Which accuracies are told: goodness, linear, bp.
    paper
        What the paper reports, by reading and point.
    """

    name: str
    preset: str
    settings: dict[str, Any] = {}
    vary: dict[str, list[Any]] = {}
    readings: tuple[Literal["goodness", "linear", "bp"], ...] = ("goodness", "linear")
    paper: dict[str, dict[str, str]] = {}


class Scale(_Part, frozen=True):
    """How large a study is made.

    Attributes
    ----------
    about
        What is not as in the paper, in a line; empty where all is.
    seeds
        Runs of each.
    settings
        For all runs, by ``section.key``; what a group varies stays varied.
    vary
        Instead of the groups' values of the same settings.
    points
        Instead of the study's.
    """

    seeds: Positive
    about: str = ""
    settings: dict[str, Any] = {}
    vary: dict[str, list[Any]] = {}
    points: list[str] = []


class _File(_Part, frozen=True):
    about: str
    figure: Figure
    groups: list[Group]
    scales: dict[ScaleName, Scale]
    split: Literal["validation", "test"] = "test"
    x: str = ""
    points: list[str] = msgspec.field(default_factory=lambda: [""])


class Job(NamedTuple):
    """One run of a study.

    Attributes
    ----------
    group, point, seed
        Which.
    config
        Its settings.
    """

    group: Group
    point: str
    seed: int
    config: Config

    @property
    def folder(self) -> str:
        """The run folder's name."""
        words = [self.group.name, *([self.point] if self.point else []), str(self.seed)]
        return "-".join("".join(c if c.isalnum() or c == "." else "_" for c in word) for word in words)


BEFORE_BASE = {
    "net.init": "torch", "net.first_layer": "local",
    "train.peer": 0.0, "train.relu_gradient": "true", "train.weight_decay": 0.0,
}  # fmt: skip
"""What the paper presets had when the rows of the smaller scales were measured: these stay comparable."""


class Study(NamedTuple):
    """A result of the paper.

    Attributes
    ----------
    name, about
        What it is called, and what it is.
    figure
        What is drawn: accuracy against the points, a confusion matrix, learning curves, or activation maps.
    groups
        Kinds of runs.
    scales
        How large it can be made.
    split
        Which accuracies are told.
    x, points
        What is varied, and its values; a single empty one where nothing is.
    """

    name: str
    about: str
    figure: Figure
    groups: list[Group]
    scales: dict[ScaleName, Scale]
    split: Literal["validation", "test"]
    x: str
    points: list[str]

    def at(self, scale: ScaleName) -> Scale:
        """Return a scale.

        Raises
        ------
        FFLabelsError
            When the study has it not.
        """
        if scale not in self.scales:
            raise FFLabelsError(
                "no such scale", where=f"study {self.name}", got=scale, expected=" or ".join(self.scales)
            )
        return self.scales[scale]

    def points_at(self, scale: ScaleName) -> list[str]:
        """Return the points of a scale."""
        return self.at(scale).points or self.points

    def jobs(self, scale: ScaleName, seeds: int | None = None, data: str | None = None) -> list[Job]:
        """Return all runs of a scale, seed by seed, so that the first ones already make a whole table.

        Parameters
        ----------
        scale
            Which.
        seeds
            How many of each; the scale's own number unless given.
        data
            The folder of torchvision's data sets.
        """
        size, points = self.at(scale), self.points_at(scale)
        extra = {"data.root": data} if data else {}
        as_measured = {} if scale == "full" else BEFORE_BASE
        found = []
        for seed, group, (k, point) in itertools.product(
            range(size.seeds if seeds is None else seeds), self.groups, enumerate(points)
        ):
            varied = {key: size.vary.get(key, values)[k] for key, values in group.vary.items()}
            config = load_preset(group.preset).config.replaced(
                {**as_measured, **group.settings, **size.settings, **varied, **extra, "seed": seed}
            )
            found.append(Job(group, point, seed, config))
        return found


def parse_shard(part: str) -> tuple[int, int]:
    """Return i and n of ``i/n``, i from 1 to n.

    Raises
    ------
    FFLabelsError
        When `part` is no such thing, or out of range.
    """
    number, _, count = part.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise FFLabelsError("no such shard", where="shard", got=part, expected="i/n, i from 1 to n")
    return int(number), int(count)


def shard(jobs: Sequence[T], part: str | None) -> list[T]:
    """Return the i-th of n parts of the runs, for ``i/n``, i from 1.

    Raises
    ------
    FFLabelsError
        When `part` is no such thing, or out of range.
    """
    if part is None:
        return list(jobs)
    number, count = parse_shard(part)
    return list(jobs[number - 1 :: count])


def load_checked(path: str | Path | None, package: str, built_in: str, kind: type[T], check: Callable[[T], None]) -> T:
    """Return what a study's file says, or the built-in one of a package; errors name the file.

    Parameters
    ----------
    path
        The file; None for the built-in one.
    package, built_in
        Where that one is.
    kind
        What the file holds.
    check
        Raises `FFLabelsError` for what its types do not refuse.

    Raises
    ------
    FFLabelsError
        For a file that cannot be read, an unknown key, or what `check` refuses.
    """
    where = str(path) if path else f"study {Path(built_in).stem}"
    try:
        content = Path(path).read_bytes() if path else files(package).joinpath(built_in).read_bytes()
        found = msgspec.convert(read_toml(content, where), kind)
    except OSError as error:
        raise FFLabelsError(f"cannot be read: {error.strerror or error}", where=where) from None
    except msgspec.ValidationError as error:
        raise FFLabelsError(f"bad study: {error}", where=where) from None
    try:
        check(found)
    except FFLabelsError as error:
        raise FFLabelsError(str(error), where=where) from None
    return found


def known(names: Iterable[str], there: Sequence[str], where: str) -> list[str]:
    """Return names, each once; refuse one that is not there, and name the nearest."""
    found = list(dict.fromkeys(names))
    for name in found:
        if name not in there:
            raise FFLabelsError("not in the study", where=where, got=name, hint=nearest(name, there))
    return found


def list_studies() -> list[str]:
    """Return the names of all studies."""
    return sorted(f.name.removesuffix(".toml") for f in files(__name__).iterdir() if f.name.endswith(".toml"))


def load_study(name: str | Path) -> Study:
    """Return a study by name, or from a file of one's own.

    Raises
    ------
    FFLabelsError
        For an unknown name (the nearest is named), an unknown key, or values that are not one a point.
    """
    if str(name).endswith(".toml"):
        path = Path(name)
        try:
            return _read(path.stem, path.read_bytes(), str(path))
        except OSError as error:
            raise FFLabelsError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
    if name not in list_studies():
        raise FFLabelsError("no such study", where="study", got=str(name), hint=nearest(str(name), list_studies()))
    return _read(str(name), files(__name__).joinpath(f"{name}.toml").read_bytes(), f"study {name}")


def _read(name: str, data: bytes, where: str) -> Study:
    try:
        found = msgspec.convert(read_toml(data, where), _File)
    except msgspec.ValidationError as error:
        raise FFLabelsError(f"bad study: {error}", where=where) from None
    study = Study(name, *(getattr(found, key) for key in Study._fields[1:]))
    varied = {key for group in study.groups for key in group.vary}
    for scale, size in study.scales.items():
        here = f"{where}, {scale}"
        for key in size.vary:
            if key not in varied:
                raise FFLabelsError("varied by no group", where=here, got=key, hint=nearest(key, varied))
        points = study.points_at(scale)
        for key, values in _varied(study, size):
            if len(values) != len(points):
                raise FFLabelsError(
                    "not one a point", where=f"{here}: {key}", got=f"{len(values)} values", expected=f"{len(points)}"
                )
        folders = [job.folder for job in study.jobs(scale, 1)]
        if len(set(folders)) < len(folders):
            raise FFLabelsError("two runs of one name", where=here, got=", ".join(folders))
    return study


def _varied(study: Study, size: Scale) -> Iterator[tuple[str, list[Any]]]:
    """Yield every list of values at a scale."""
    for group in study.groups:
        for key, values in group.vary.items():
            yield key, size.vary.get(key, values)
