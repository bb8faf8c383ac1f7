"""What an experiment shows: a table of all combinations, paired differences to base levels, an effects plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple, TypeAlias

from scipy.stats import false_discovery_control

from fflabels.errors import FFLabelsError, MissingExtraError
from fflabels.files import write_whole
from ffnet.evaluation.statistics import Gap, spread
from ffnet.experiments.factors import Experiment, Job
from ffnet.experiments.jobs import PREDICTION, Row, finished_jobs, rows_of, write_rows
from ffnet.report.tables import format_gap, markdown

Levels: TypeAlias = tuple[str, ...]

REPORT, EFFECTS = "report.md", "effects.png"
SPLITS = ("validation ", "test ")
"""Columns of accuracies begin with the split."""

RATE = 0.05
"""False discoveries among the marked differences of a factor, at most (Benjamini and Hochberg 1995)."""


class Effect(NamedTuple):
    """A level less the base level of its factor, paired by seed and by the levels of all other factors.

    Attributes
    ----------
    factor, level, others
        The factor and its level; the levels of the other factors, without replicates.
    accuracy
        The column of the accuracy.
    gap
        The mean difference with its interval; None without pairs.
    p
        The p-value of the paired t-test; None if it cannot be computed.
    mixed
        Whether a pair was computed on two kinds of processor, or in two number types.
    """

    factor: str
    level: str
    others: dict[str, str]
    accuracy: str
    gap: Gap | None
    p: float | None
    mixed: bool


def accuracy_columns(experiment: Experiment, rows: Sequence[Row]) -> list[str]:
    """Return the columns that reports show: accuracies on the experiment's split, and others that it names in full."""
    present = list(dict.fromkeys(name for row in rows for name in row if name.startswith(SPLITS)))
    measured = [name for name in present if name.startswith(f"{experiment.split} ") and not name.endswith(PREDICTION)]
    return [name for name in _wanted(experiment) or measured if name in present]


def _wanted(experiment: Experiment) -> list[str]:
    """Return the columns of the accuracies that an experiment names."""
    wanted = [name if name.startswith(SPLITS) else f"{experiment.split} {name}" for name in experiment.accuracies]
    return list(dict.fromkeys(wanted))


def sample(experiment: Experiment, rows: Sequence[Row], column: str) -> list[float]:
    """Return a column's sample: a value for each seed or, with replicates, the mean over the seeds of each."""
    values: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        if column in row:
            values.setdefault(_draw(experiment, row), []).append(row[column])
    return [mean(of_draw) for of_draw in values.values()]


def _draw(experiment: Experiment, row: Row) -> tuple[Any, ...]:
    """Return the key of one draw: the levels of replicate factors, or the seed if there are none."""
    return tuple(row[name] for name, factor in experiment.factors.items() if factor.replicate) or (row["seed"],)


def effects(experiment: Experiment, rows: Sequence[Row]) -> list[Effect]:
    """Return all differences to base levels."""
    differences = []
    columns, factors = accuracy_columns(experiment, rows), experiment.shown_factors
    for name in (name for name in factors if experiment.factors[name].compare):
        base, others = experiment.factors[name].base_level, [other for other in factors if other != name]
        groups: dict[Levels, dict[str, list[Row]]] = {}
        for row in rows:
            groups.setdefault(_levels(row, others), {}).setdefault(row[name], []).append(row)
        for level in (level for level in experiment.factors[name].levels if level != base):
            for group, by_level in groups.items():
                if level in by_level:
                    pairs = _pairs(experiment, by_level[level], by_level.get(base, []))
                    at = dict(zip(others, group, strict=True))
                    differences += [_effect(experiment, name, level, at, column, pairs) for column in columns]
    return differences


def _pairs(experiment: Experiment, own: Sequence[Row], of_base: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Return the rows of the same draw and seed, a level's and the base level's."""
    base = {(*_draw(experiment, row), row["seed"]): row for row in of_base}
    keys = [(*_draw(experiment, row), row["seed"]) for row in own]
    return [(row, base[key]) for row, key in zip(own, keys, strict=True) if key in base]


def _effect(
    experiment: Experiment, factor: str, level: str, at: dict[str, str], column: str, pairs: list[tuple[Row, Row]]
) -> Effect:
    both = [(row, base) for row, base in pairs if column in row and column in base]
    gaps = [{**row, column: row[column] - base[column]} for row, base in both]
    gap, mixed = Gap.of(sample(experiment, gaps, column)), any(_kind(row) != _kind(base) for row, base in both)
    return Effect(factor, level, at, column, gap, gap.p if gap else None, mixed)


def _kind(row: Row) -> tuple[str, str]:
    """Return what a net was computed on, and in what number type."""
    return row["device"], row["dtype"]


def _levels(row: Row, names: Sequence[str]) -> Levels:
    return tuple(row[name] for name in names)


def discoveries(differences: Sequence[Effect]) -> set[int]:
    """Return which effects pass the procedure of Benjamini and Hochberg, by their place: factor by factor."""
    passed = set()
    for factor in {effect.factor for effect in differences}:
        tested = [k for k, effect in enumerate(differences) if effect.factor == factor and effect.p is not None]
        adjusted = false_discovery_control([differences[k].p for k in tested]) if tested else ()
        passed |= {k for k, p in zip(tested, adjusted, strict=True) if p <= RATE}
    return passed


def below_floor(experiment: Experiment, rows: Sequence[Row]) -> list[str]:
    """Return the combinations whose mean accuracy, the first that reports show, is below their floor."""
    means: dict[str, list[float]] = {}
    wanted = _wanted(experiment) or accuracy_columns(experiment, rows)
    for row in rows:
        if wanted and wanted[0] in row:
            means.setdefault(", ".join(_levels(row, experiment.shown_factors)), []).append(row[wanted[0]])
    return [name for name, floor in experiment.floors.items() if name in means and mean(means[name]) < floor]


def report(experiment: Experiment, jobs: Sequence[Job], rows: Sequence[Row], command: str, scale: str = "full") -> str:
    """Return the report as Markdown, of all jobs of a scale and the rows of those that are finished."""
    # What was asked, at which scale.
    lines = [f"# {experiment.about}", "", f"`{command}`", ""]
    if experiment.primary:
        lines += [f"Primary comparison: {experiment.primary}.", ""]
    if about := about_scale(experiment, scale):
        lines += [f"Scale {about}.", ""]
    if experiment.paper:
        lines += [f"The paper: {experiment.paper}.", ""]

    # The tables: all combinations, then differences.
    columns, factors = accuracy_columns(experiment, rows), experiment.shown_factors
    draws = "seeds" if factors == [*experiment.factors] else "draws; the seeds of each are averaged first"
    others = ", where a column names no others" if any(not c.startswith(experiment.split) for c in columns) else ""
    lines += [f"Accuracy on the {experiment.split} images{others}, %: mean ± standard deviation over n {draws}.", ""]
    table = []
    for levels in dict.fromkeys(_levels(row, factors) for row in rows):
        own = [row for row in rows if _levels(row, factors) == levels]
        samples = [sample(experiment, own, column) for column in columns]
        size = len({_draw(experiment, row) for row in own})
        n = str(size) if size == len(own) else f"{size} ({len(own)} runs)"
        seconds = mean(row["cpu seconds"] for row in own)
        table.append([*levels, n, *(spread(sample) if sample else "–" for sample in samples), f"{seconds:.0f}"])
    lines += [*markdown([*factors, "n", *_short(experiment, columns), "CPU s"], table), ""]
    lines += _differences(experiment, rows)
    lines += [f"Below its floor: {name}.\n" for name in below_floor(experiment, rows)]

    # Where it was computed, and what is missing.
    devices = dict.fromkeys(f"{row['device']}, {row['dtype']}, torch {row['torch']}" for row in rows)
    hours = sum(row["cpu seconds"] for row in rows) / 3600
    runs = "1 run" if len(rows) == 1 else f"{len(rows)} runs"
    lines += [f"{runs}, {hours:.1f} CPU hours.", "", *(f"- {device}" for device in devices), ""]
    done = {(*_levels(row, [*experiment.factors]), row["seed"]) for row in rows}
    missing = [job for job in jobs if (*job.levels.values(), job.seed) not in done]
    if missing:
        lines += [f"Not finished: {len(missing)} of {len(jobs)}.", "", *(f"- {job.folder}" for job in missing), ""]
    return "\n".join(lines)


def about_scale(experiment: Experiment, scale: str) -> str:
    """Return what a scale is, in a line; empty for the experiment as it stands."""
    about = experiment.scales[scale].about if scale in experiment.scales else ""
    return f"{scale}: {about}" if about else ""


def _short(experiment: Experiment, columns: Sequence[str]) -> list[str]:
    return [column.removeprefix(f"{experiment.split} ") for column in columns]


def _differences(experiment: Experiment, rows: Sequence[Row]) -> list[str]:
    differences = effects(experiment, rows)
    passed, columns, factors = discoveries(differences), accuracy_columns(experiment, rows), experiment.shown_factors
    replicates = [name for name in experiment.factors if name not in factors]
    lines: list[str] = []
    for name in factors:
        own = [(k, effect) for k, effect in enumerate(differences) if effect.factor == name and effect.gap]
        if not own:
            continue
        others = [other for other in factors if other != name]
        table: dict[Levels, dict[str, tuple[str, int]]] = {}
        for k, effect in own:
            gap = format_gap(effect.gap) + (" ✓" if k in passed else "") + (" (two kinds)" if effect.mixed else "")
            key = (effect.level, *effect.others.values())
            table.setdefault(key, {})[effect.accuracy] = (gap, effect.gap.size if effect.gap else 0)
        body = [
            [*key, str(max(size for _, size in cells.values())), *(cells.get(c, ("–", 0))[0] for c in columns)]
            for key, cells in table.items()
        ]
        paired = " and ".join([*replicates, "seed"])
        base = experiment.factors[name].base_level
        words = f"{name}: difference to {base}, in points, paired by {paired}; in brackets its"
        head = [name, *others, "pairs", *_short(experiment, columns)]
        lines += [f"{words} 95 % interval.", "", *markdown(head, body), ""]
    if lines:
        lines += [
            "Bold: the interval excludes zero. ✓: passes the Benjamini–Hochberg procedure at 5 %, factor by factor. "
            "Two kinds: some pairs were computed on two kinds of processor, or in two number types.",
            "",
        ]
    return lines


def draw_effects(experiment: Experiment, rows: Sequence[Row], path: Path) -> bool:
    """Draw all differences with their intervals; return whether there was one to draw."""
    from ffnet.report import figures

    panels: dict[str, dict[str, dict[str, Gap]]] = {}
    shown = [(effect, gap) for effect in effects(experiment, rows) if (gap := effect.gap) and gap.low is not None]
    several = len({effect.factor for effect, _ in shown}) > 1
    for effect, gap in shown:
        level = f"{effect.factor} {effect.level}" if several else effect.level
        name = " · ".join([level, *effect.others.values()])
        column = effect.accuracy.removeprefix(f"{experiment.split} ")
        panels.setdefault(column, {}).setdefault(effect.factor, {})[name] = gap
    if not panels:
        return False
    names = list(dict.fromkeys(name for panel in panels.values() for gaps in panel.values() for name in gaps))
    write_whole(path, figures.effects(panels, names, "difference to the base level, points", experiment.about))
    return True


def write_report(
    experiment: Experiment, jobs: Sequence[Job], folder: Path, command: str, scale: str = "full"
) -> list[Path]:
    """Write the rows, ``report.md``, and the plots that there is something to draw for; return the first files.

    Raises
    ------
    FFLabelsError
        When no run is finished.
    MissingExtraError
        Without matplotlib.
    """
    try:
        from ffnet.experiments.plots import draw_plots
    except ModuleNotFoundError as error:
        raise MissingExtraError("figures need matplotlib", extra="plots") from error
    finished = finished_jobs(jobs, folder)
    if not finished:
        raise FFLabelsError("no run is finished", where=str(folder), hint="ffnet experiment run starts them")
    rows = rows_of(finished, folder)
    paths = [*write_rows(rows, folder), folder / REPORT]
    text = report(experiment, jobs, rows, command, scale)
    write_whole(folder / REPORT, text.encode())  # the tables are there even if a plot cannot be drawn
    title = about_scale(experiment, scale) or experiment.about
    text += "\n".join(["", *draw_plots(experiment, finished, folder, rows, accuracy_columns(experiment, rows), title)])
    if draw_effects(experiment, rows, folder / EFFECTS):
        paths.append(folder / EFFECTS)
        text += f"\n![Differences to the base levels]({EFFECTS})\n"
    write_whole(folder / REPORT, text.encode())
    return paths
