"""What the study of label sets says: accuracies, paired differences of rules, which statistic foretells accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata, spearmanr

from fflabels.errors import FFLabelsError, MissingExtraError
from fflabels.files import write_whole
from ffnet.evaluation.statistics import LEVEL, Gap, spread
from ffnet.experiments.labelstudy import Cell, LabelStudy, ScaleName
from ffnet.experiments.labelstudy.sets import STATISTICS
from ffnet.experiments.labelstudy.work import Done, finished
from ffnet.experiments.trials import Figures, done_lines
from ffnet.report.tables import READINGS, format_gap, markdown

try:
    from ffnet.report import figures
except ModuleNotFoundError as error:
    raise MissingExtraError('figures need matplotlib: pip install "fflabels[plots]"') from error

TABLE = "table.md"

TOLD = ("last", "linear")
"""Readings that correlations are taken with."""

RESAMPLES = 2000
"""Draws of sets, with replacement, that an interval of a rank correlation is taken from."""

FEWEST = 4
"""Sets without which there is no rank correlation."""

ALL = "all"
"""The group of all kinds."""

PAIRED = (
    "Over the same pools and seeds, in points of %: mean, 95 % t-interval over pools; **bold** where clear of zero."
)
RANKED = "Spearman's rank correlation over label sets, 95 % bootstrap interval; **bold** where it is clear of zero."

Values = npt.NDArray[np.float64]


class Rank(NamedTuple):
    """A rank correlation over sets, with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float
    sets: int


def write(study: LabelStudy, scale: ScaleName, cells: Sequence[Cell], folder: Path, command: str) -> list[Path]:
    """Write the table and a scatter plot a data set of what is finished; return where they are.

    Raises
    ------
    FFLabelsError
        When nothing is.
    """
    done = finished(cells, folder)
    if not done:
        raise FFLabelsError("no net is finished", where=str(folder))
    written = [folder / TABLE]
    write_whole(written[0], "\n".join(_table(study, scale, done, len(cells), command)).encode())
    for name, there in _by_data(done):
        written.append(folder / f"scatter-{name}.png")
        write_whole(written[-1], _scatter(name, there))
    return written


def paired(first: Sequence[Done], base: Sequence[Done], reading: str) -> Gap | None:
    """Return how one rule's nets differ from another's over the pools and seeds that both have; None where none is.

    The seeds of a pool are averaged: pools are what is drawn anew.
    """
    by_place = [{(d.cell.pool, d.cell.seed): accuracy(d.figures, reading) for d in part} for part in (first, base)]
    gaps: dict[int, list[float]] = {}
    for pool, seed in sorted(by_place[0].keys() & by_place[1].keys()):
        gaps.setdefault(pool, []).append(by_place[0][pool, seed] - by_place[1][pool, seed])
    return Gap.of([mean(gap) for gap in gaps.values()])


def rank_correlation(statistic: Sequence[float], accuracies: Sequence[float]) -> Rank | None:
    """Return Spearman's correlation, and its interval from draws of the sets with replacement; None for a constant."""
    x, y = np.asarray(statistic, float), np.asarray(accuracies, float)
    if len(x) < FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    drawn = np.random.default_rng(0).integers(len(x), size=(RESAMPLES, len(x)))
    a, b = (_centred(rankdata(values[drawn], axis=1)) for values in (x, y))
    lengths = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    found = (a * b).sum(axis=1)[lengths > 0] / lengths[lengths > 0]
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Rank(float(spearmanr(x, y).statistic), float(low), float(high), len(x))


def accuracy(figures: Figures, reading: str) -> float:
    """Return a cell's accuracy by a reading."""
    found: float = getattr(figures, reading)
    return found


def _centred(ranks: Values) -> Values:
    centred: Values = ranks - ranks.mean(axis=1, keepdims=True)
    return centred


class _SetDone(NamedTuple):
    """A label set whose nets are finished: accuracies are the mean over seeds."""

    kind: str
    family: str
    statistics: dict[str, float]
    accuracies: dict[str, float]


def _sets(done: Sequence[Done]) -> list[_SetDone]:
    """Return the sets, each once, though several rules chose it."""
    nets: dict[tuple[tuple[str, str, int], str], dict[int, Done]] = {}
    for one in done:
        nets.setdefault((one.cell.group, one.figures.labels), {}).setdefault(one.cell.seed, one)
    found = []
    for seeds in nets.values():
        kind, first = next(iter(seeds.values())).cell.kind, next(iter(seeds.values()))
        read = {reading: mean(accuracy(d.figures, reading) for d in seeds.values()) for reading in READINGS}
        found.append(_SetDone(kind.name, kind.labeler or kind.set.partition(":")[0], first.statistics, read))
    return found


def _by_data(done: Sequence[Done]) -> list[tuple[str, list[Done]]]:
    names = dict.fromkeys(d.cell.data.name for d in done)
    return [(name, [d for d in done if d.cell.data.name == name]) for name in names]


def _by_row(done: Sequence[Done]) -> dict[tuple[str, str], list[Done]]:
    """Return the cells of each kind and rule, in the study's order."""
    found: dict[tuple[str, str], list[Done]] = {}
    for one in done:
        found.setdefault((one.cell.kind.name, one.cell.rule.name), []).append(one)
    kinds = list(dict.fromkeys(kind for kind, _ in found))
    return dict(sorted(found.items(), key=lambda row: kinds.index(row[0][0])))


def _table(study: LabelStudy, scale: ScaleName, done: Sequence[Done], wanted: int, command: str) -> list[str]:
    size = study.scales[scale]
    about = f"{size.pools} pools of {size.candidates} candidates, {size.seeds} nets a set"
    lines = [f"# {study.about}", "", f"`{command}`, scale {scale}: {about}. Accuracies are of validation images, in %."]
    if len(done) < wanted:
        lines += ["", f"{wanted - len(done)} of {wanted} nets are not finished."]
    for name, there in _by_data(done):
        first = there[0].figures
        trained = f"trained on {first.settings['data.limit'] or 'all'} images × {first.settings['train.epochs']}"
        lines += ["", f"## {name}", "", f"Nets {trained}, read on {first.images}.", ""]
        lines += ["Mean ± sample standard deviation over the pools, the seeds of a pool averaged.", ""]
        lines += _accuracies(there)
        for against in study.against:
            lines += ["", f"### Less {against}", "", PAIRED, "", *_differences(there, against)]
        for reading in TOLD:
            lines += ["", f"### What foretells accuracy: {READINGS[reading]}", "", RANKED, ""]
            lines += _ranks(_sets(there), reading)
    return [*lines, "", *done_lines([one.figures for one in done])]


def _accuracies(done: Sequence[Done]) -> list[str]:
    depth = len(done[0].figures.layers)
    rows = []
    for (kind, rule), cells in _by_row(done).items():
        controls = [d.figures.untrained for d in cells if d.figures.untrained is not None]
        layers = [_over_pools(cells, [d.figures.layers[k] for d in cells]) for k in range(depth)]
        told = [_over_pools(cells, [accuracy(d.figures, reading) for d in cells]) for reading in READINGS]
        pools = len({d.cell.pool for d in cells})
        rows.append(
            [kind, rule, f"{pools} ({len(cells)})", *told, spread([mean(controls)]) if controls else "–", *layers]
        )
    head = [
        "kind",
        "rule",
        "pools (nets)",
        *READINGS.values(),
        "linear, untrained net",
        *(f"layer {k + 1}" for k in range(depth)),
    ]
    return markdown(head, rows)


def _over_pools(cells: Sequence[Done], values: Sequence[float]) -> str:
    pools: dict[int, list[float]] = {}
    for one, value in zip(cells, values, strict=True):
        pools.setdefault(one.cell.pool, []).append(value)
    return spread([mean(seeds) for seeds in pools.values()])


def _differences(done: Sequence[Done], against: str) -> list[str]:
    rows, by_row = [], _by_row(done)
    for (kind, rule), cells in by_row.items():
        base = by_row.get((kind, against))
        if rule == against or not base:
            continue
        found = [paired(cells, base, reading) for reading in READINGS]
        if found[0]:
            rows.append([kind, rule, str(found[0].size), *(format_gap(difference) for difference in found)])
    return markdown(["kind", "rule", "pools", *READINGS.values()], rows)


def _ranks(sets: Sequence[_SetDone], reading: str) -> list[str]:
    families = list(dict.fromkeys(one.family for one in sets))
    groups = {name: [one for one in sets if name in (ALL, one.family)] for name in (*families, ALL)}
    groups = {name: some for name, some in groups.items() if len(some) >= FEWEST}
    rows = []
    for key, name in STATISTICS.items():
        found = [_rank(some, key, reading) for some in groups.values()]
        rows.append([name, *found])
    return markdown(["statistic", *(f"{name}, {len(some)} sets" for name, some in groups.items())], rows)


def _rank(sets: Sequence[_SetDone], key: str, reading: str) -> str:
    there = [one for one in sets if key in one.statistics]
    rank = rank_correlation([one.statistics[key] for one in there], [one.accuracies[reading] for one in there])
    if not rank:
        return "–"
    text = f"{rank.value:+.2f} ({rank.low:+.2f} … {rank.high:+.2f})"
    return f"**{text}**" if rank.low > 0 or rank.high < 0 else text


def _scatter(name: str, done: Sequence[Done]) -> bytes:
    sets = _sets(done)
    points = {
        STATISTICS[key]: {
            kind: [(one.statistics[key], one.accuracies["last"]) for one in sets if one.kind == kind]
            for kind in dict.fromkeys(one.kind for one in sets)
        }
        for key in STATISTICS
        if all(key in one.statistics for one in sets)
    }
    return figures.scatter_by_kind(points, f"{READINGS['last']}, %", f"{name}: a point is a label set")
