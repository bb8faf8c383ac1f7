"""What an experiment shows: a table of all combinations, paired differences to base levels, an effects plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scipy.stats import false_discovery_control, ttest_1samp

from fflabels.errors import MissingExtraError
from fflabels.files import write_whole
from ffnet.evaluation.statistics import Gap, spread
from ffnet.experiments.factors import Experiment, Job
from ffnet.experiments.jobs import rows_of, write_rows
from ffnet.report.tables import format_gap, markdown

Row = dict[str, Any]
REPORT, EFFECTS = "report.md", "effects.png"
RATE = 0.05
"""False discoveries among the differences that are marked, at most (Benjamini and Hochberg 1995)."""


class Effect(NamedTuple):
    """A level less the base level of its factor, paired by seed and by the levels of all other factors.

    Attributes
    ----------
    factor, level, others
        Which, and the levels of the other factors.
    accuracy
        Of which column.
    gap
        The mean difference with its interval; None where no pair is there.
    p
        Of the paired t-test; None where it cannot be taken.
    mixed
        Whether a pair was computed on two kinds of processor.
    """

    factor: str
    level: str
    others: dict[str, str]
    accuracy: str
    gap: Gap | None
    p: float | None
    mixed: bool


def accuracy_columns(experiment: Experiment, rows: Sequence[Row]) -> list[str]:
    """Return the columns that reports show: accuracies on the experiment's split."""
    there = [name for name in dict.fromkeys(n for row in rows for n in row) if name.startswith(f"{experiment.split} ")]
    wanted = [f"{experiment.split} {name}" for name in experiment.accuracies] or there
    return [name for name in wanted if name in there]


def effects(experiment: Experiment, rows: Sequence[Row]) -> list[Effect]:
    """Return all differences to base levels."""
    found = []
    columns = accuracy_columns(experiment, rows)
    for name, factor in experiment.factors.items():
        base = factor.base_level
        others = [other for other in experiment.factors if other != name]
        groups = list(dict.fromkeys(tuple(row[other] for other in others) for row in rows))
        for level in (level for level in factor.levels if level != base):
            for group in groups:
                own, of_base = (
                    {row["seed"]: row for row in rows if row[name] == which and _at(row, others) == group}
                    for which in (level, base)
                )
                for column in columns if own else ():
                    seeds = [s for s in own if s in of_base and column in own[s] and column in of_base[s]]
                    values = [own[s][column] - of_base[s][column] for s in seeds]
                    gap = Gap.of(values)
                    p = float(ttest_1samp(values, 0).pvalue) if gap and gap.low is not None else None
                    mixed = any(own[s]["device"] != of_base[s]["device"] for s in seeds)
                    found.append(Effect(name, level, dict(zip(others, group, strict=True)), column, gap, p, mixed))
    return found


def _at(row: Row, others: Sequence[str]) -> tuple[str, ...]:
    return tuple(row[other] for other in others)


def discoveries(found: Sequence[Effect]) -> set[int]:
    """Return which effects pass the procedure of Benjamini and Hochberg, by their place."""
    tested = [k for k, effect in enumerate(found) if effect.p is not None]
    if not tested:
        return set()
    adjusted = false_discovery_control([found[k].p for k in tested])
    return {k for k, p in zip(tested, adjusted, strict=True) if p <= RATE}


def report(experiment: Experiment, jobs: Sequence[Job], rows: Sequence[Row], command: str) -> str:
    """Return the report as Markdown.

    Parameters
    ----------
    experiment, jobs, rows
        The experiment, all its jobs, and the rows of those that are finished.
    command
        What makes this report.
    """
    columns = accuracy_columns(experiment, rows)
    short = [column.removeprefix(f"{experiment.split} ") for column in columns]
    lines = [f"# {experiment.about}", "", f"`{command}`", ""]
    if experiment.primary:
        lines += [f"Primary comparison: {experiment.primary}.", ""]
    seen = dict.fromkeys(tuple(row[name] for name in experiment.factors) for row in rows)
    table = []
    for levels in seen:
        own = [row for row in rows if _at(row, list(experiment.factors)) == levels]
        cells = [spread(shares) if (shares := [row[c] for row in own if c in row]) else "–" for c in columns]
        seconds = sum(row["cpu seconds"] for row in own) / len(own)
        table.append([*levels, str(len(own)), *cells, f"{seconds:.0f}"])
    lines += [f"Accuracy on the {experiment.split} images, %: mean ± standard deviation over n seeds.", ""]
    lines += [*markdown([*experiment.factors, "n", *short, "CPU s"], table), ""]
    lines += _differences(experiment, rows)
    devices = dict.fromkeys(f"{row['device']}, {row['dtype']}, torch {row['torch']}" for row in rows)
    hours = sum(row["cpu seconds"] for row in rows) / 3600
    lines += [f"{len(rows)} runs, {hours:.1f} CPU hours.", "", *(f"- {device}" for device in devices), ""]
    done = {(*(row[name] for name in experiment.factors), row["seed"]) for row in rows}
    missing = [job for job in jobs if (*job.levels.values(), job.seed) not in done]
    if missing:
        lines += [f"Not finished: {len(missing)} of {len(jobs)}.", "", *(f"- {job.folder}" for job in missing), ""]
    return "\n".join(lines)


def _differences(experiment: Experiment, rows: Sequence[Row]) -> list[str]:
    found = effects(experiment, rows)
    passed, columns = discoveries(found), accuracy_columns(experiment, rows)
    lines: list[str] = []
    for name, factor in experiment.factors.items():
        own = [(k, effect) for k, effect in enumerate(found) if effect.factor == name and effect.gap]
        if not own:
            continue
        others = [other for other in experiment.factors if other != name]
        table: dict[tuple[str, ...], dict[str, tuple[str, int]]] = {}
        for k, effect in own:
            gap = format_gap(effect.gap) + (" ✓" if k in passed else "") + (" (two processors)" if effect.mixed else "")
            key = (effect.level, *effect.others.values())
            table.setdefault(key, {})[effect.accuracy] = (gap, effect.gap.size if effect.gap else 0)
        body = [
            [*key, str(max(size for _, size in cells.values())), *(cells.get(c, ("–", 0))[0] for c in columns)]
            for key, cells in table.items()
        ]
        short = [column.removeprefix(f"{experiment.split} ") for column in columns]
        words = f"{name}: less {factor.base_level}, in points, paired by seed; in brackets the 95 % interval."
        lines += [words, "", *markdown([name, *others, "pairs", *short], body), ""]
    if lines:
        lines += ["Bold: the interval leaves zero out. ✓: still so by Benjamini and Hochberg's procedure, 5 %.", ""]
    return lines


def draw_effects(experiment: Experiment, rows: Sequence[Row], path: Path) -> bool:
    """Draw all differences with their intervals; return whether there was one to draw."""
    try:
        from ffnet.report import figures
    except ModuleNotFoundError as error:
        raise MissingExtraError('figures need matplotlib: pip install "fflabels[plots]"') from error
    panels: dict[str, dict[str, dict[str, Gap]]] = {}
    for effect in effects(experiment, rows):
        if effect.gap and effect.gap.low is not None:
            name = " · ".join([effect.level, *effect.others.values()])
            column = effect.accuracy.removeprefix(f"{experiment.split} ")
            panels.setdefault(column, {}).setdefault(effect.factor, {})[name] = effect.gap
    if not panels:
        return False
    names = list(dict.fromkeys(name for panel in panels.values() for gaps in panel.values() for name in gaps))
    picture = figures.effects(panels, names, "points, less the base level", experiment.about)
    write_whole(path, picture)
    return True


def write_report(experiment: Experiment, jobs: Sequence[Job], folder: Path, command: str) -> list[Path]:
    """Write ``results.csv``, ``report.md`` and, where differences have intervals, ``effects.png``; return the files."""
    rows = rows_of(jobs, folder)
    paths = [write_rows(rows, folder), folder / REPORT]
    text = report(experiment, jobs, rows, command)
    if draw_effects(experiment, rows, folder / EFFECTS):
        paths.append(folder / EFFECTS)
        text += f"\n![Differences to the base levels]({EFFECTS})\n"
    write_whole(folder / REPORT, text.encode())
    return paths
