"""The study of label sets: which rule of choice, of which kind of labels, gives sets that a net learns best."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

import msgspec

from fflabels.errors import FFLabelsError, nearest
from fflabels.metrics import METRICS
from ffnet.config import Config, Natural, Positive, result_settings
from ffnet.experiments.factors import slug
from ffnet.experiments.studies import known, load_checked, parse_shard
from ffnet.prepare import check_unweighted
from ffnet.presets import load_preset

ScaleName: TypeAlias = Literal["smoke", "cpu"]
Floor = Annotated[float, msgspec.Meta(ge=0)]

BUILT_IN = "labels.toml"


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the study's file."""


class Kind(_Part, frozen=True):
    """Labels of one kind.

    Attributes
    ----------
    name
        What tables call it.
    labeler, params
        What proposes them.
    set
        Instead: a built-in set or a label-set file, which nothing is chosen from.
    """

    name: str
    labeler: str = ""
    params: dict[str, Any] = {}
    set: str = ""

    def __post_init__(self) -> None:
        if bool(self.labeler) == bool(self.set):
            raise ValueError(f"kind {self.name} needs a labeler or a set, one of them")


class Rule(_Part, frozen=True):
    """How a set is chosen from the candidates.

    Attributes
    ----------
    name
        What tables call it.
    method
        ``best``, ``random``, or ``given``: there is one set only, a built-in one or a labeler's complete one.
    by
        What ``best`` makes small: a metric of `fflabels.similarity`; or large: ``pixel``, the RMS difference of the
        embedded images.
    min_visibility
        The candidates' floor.
    """

    name: str
    method: Literal["best", "random", "given"] = "best"
    by: str = "pearson"
    min_visibility: Floor = 1.0

    def __post_init__(self) -> None:
        known = (*METRICS, "pixel")
        if self.by not in known:
            raise ValueError(f"Invalid enum value {self.by!r}: {nearest(self.by, known)}")


class Rows(_Part, frozen=True):
    """Kinds and rules, by name, each of these with each of those.

    Attributes
    ----------
    kinds, rules
        Their names.
    pools, seeds
        How many of each, at most; the scale's unless given.
    """

    kinds: list[str]
    rules: list[str]
    pools: Positive | None = None
    seeds: Positive | None = None


class DataSet(_Part, frozen=True):
    """Where sets are tried.

    Attributes
    ----------
    name
        What tables call it.
    preset, settings
        Net, training and data; what differs, by ``section.key``.
    readout
        The linear classifiers are fitted to the first so many training images.
    validation
        Accuracies are taken on the first so many validation images.
    rows
        What is tried, the main rows first.
    """

    name: str
    preset: str
    rows: list[Rows]
    settings: dict[str, Any] = {}
    readout: Positive = 16_000
    validation: Positive = 3000


class Scale(_Part, frozen=True):
    """How large the study is made: data sets, pools of candidates, net seeds, candidates in a pool."""

    data: list[str]
    pools: Positive
    seeds: Positive
    candidates: Positive
    settings: dict[str, Any] = {}


class Cell(NamedTuple):
    """One net: a data set, a label set (kind, rule, pool) and the net's seed.

    Attributes
    ----------
    data, kind, rule, pool, seed
        Which.
    candidates
        In a pool.
    config
        The net's settings.
    """

    data: DataSet
    kind: Kind
    rule: Rule
    pool: Natural
    seed: Natural
    candidates: Positive
    config: Config

    @property
    def set_name(self) -> str:
        """The label set's file name, without its ending."""
        return "-".join(slug(word) for word in (self.data.name, self.kind.name, self.rule.name, str(self.pool)))

    @property
    def name(self) -> str:
        """The cell's file name, without its ending."""
        return f"{self.set_name}-{self.seed}"

    @property
    def group(self) -> tuple[str, str, int]:
        """Cells that share a pool of candidates."""
        return self.data.name, self.kind.name, self.pool

    @property
    def set_settings(self) -> dict[str, Any]:
        """What decides the label set."""
        data = {
            key: value
            for key, value in result_settings(self.config, without=("labels",)).items()
            if key.startswith("data.")
        }
        return {
            "kind": msgspec.to_builtins(self.kind),
            "rule": msgspec.to_builtins(self.rule),
            "pool": self.pool,
            "candidates": self.candidates,
            "labels.intensity": self.config.labels.intensity,
            **data,
        }

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the cell's figures."""
        return {
            **result_settings(self.config, without=("labels",)),
            **self.set_settings,
            "readout": self.data.readout,
            "validation": self.data.validation,
        }


class LabelStudy(_Part, frozen=True):
    """The study: what there is of each, how large it can be made, and the rules that all others are told against."""

    about: str
    kinds: list[Kind]
    rules: list[Rule]
    data: list[DataSet]
    scales: dict[ScaleName, Scale]
    against: list[str] = []

    def cells(self, scale: ScaleName, data: str | None = None, only: Sequence[str] = ()) -> list[Cell]:
        """Return all cells of a scale, the main rows of the first pool and seed first: a beginning makes whole tables.

        Parameters
        ----------
        scale
            Which.
        data
            The folder of torchvision's data sets.
        only
            These data sets alone.

        Raises
        ------
        FFLabelsError
            When the study has no such scale, or the scale no such data set.
        """
        if scale not in self.scales:
            raise FFLabelsError("no such scale", where="study labels", got=scale, expected=" or ".join(self.scales))
        size = self.scales[scale]
        wanted = [_named(self.data, name, "data") for name in known(only, size.data, "--only") or size.data]
        depth = max(len(one.rows) for one in wanted)
        found = []
        for seed, pool, tier, one in itertools.product(range(size.seeds), range(size.pools), range(depth), wanted):
            for kind, rule in self._row(one, tier, pool, seed):
                if pool and rule.method == "given":
                    continue
                extra = {"data.root": data} if data else {}
                changed = {**one.settings, **size.settings, **extra, "seed": seed}
                config = load_preset(one.preset).config.replaced(changed)
                check_unweighted(config, f"data {one.name}")
                found.append(Cell(one, kind, rule, pool, seed, size.candidates, config))
        return found

    def _row(self, data: DataSet, tier: int, pool: int, seed: int) -> list[tuple[Kind, Rule]]:
        if tier >= len(data.rows):
            return []
        rows, where = data.rows[tier], f"data {data.name}"
        if pool >= (rows.pools or pool + 1) or seed >= (rows.seeds or seed + 1):
            return []
        kinds = [_named(self.kinds, name, f"{where}: kinds") for name in rows.kinds]
        rules = [_named(self.rules, name, f"{where}: rules") for name in rows.rules]
        return list(itertools.product(kinds, rules))


def load_label_study(path: str | Path | None = None) -> LabelStudy:
    """Return the built-in study, or one's own from a file.

    Raises
    ------
    FFLabelsError
        For a file that cannot be read, an unknown key, a name that nothing has, or two cells of one name.
    """
    return load_checked(path, __name__, BUILT_IN, LabelStudy, _check)


def shard(cells: Sequence[Cell], part: str | None) -> list[Cell]:
    """Return the i-th of n parts of the cells, for ``i/n``, i from 1; cells that share a pool stay together.

    Raises
    ------
    FFLabelsError
        When `part` is no such thing, or out of range.
    """
    if part is None:
        return list(cells)
    number, count = parse_shard(part)
    sizes: dict[tuple[str, str, int], int] = {}
    for cell in cells:
        sizes[cell.group] = sizes.get(cell.group, 0) + 1
    owner: dict[tuple[str, str, int], int] = {}
    loads: dict[tuple[str, str], list[int]] = {}
    total = [0] * count
    for group, size in sorted(sizes.items(), key=lambda item: -item[1]):
        load = loads.setdefault(group[:2], [0] * count)  # of each data set and kind its share: cells differ in cost
        owner[group] = min(range(count), key=lambda k: (load[k], total[k]))
        load[owner[group]] += size
        total[owner[group]] += size
    return [cell for cell in cells if owner[cell.group] == number - 1]


def _check(study: LabelStudy) -> None:
    """Refuse a name that nothing has, or two cells have."""
    known(study.against, [rule.name for rule in study.rules], "against")
    for scale in study.scales:
        names = [cell.name for cell in study.cells(scale)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise FFLabelsError("two cells of one name", where=scale, got=", ".join(twice))


def _named(parts: Sequence[Any], name: str, where: str) -> Any:
    known([name], [part.name for part in parts], where)
    return next(part for part in parts if part.name == name)
