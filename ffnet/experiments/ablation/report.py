"""What the ablation says: accuracies of each change, its differences to the unchanged recipe, a picture of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from fflabels.errors import FFLabelsError, MissingExtraError
from fflabels.files import write_whole
from ffnet.evaluation.statistics import Gap, spread
from ffnet.experiments.ablation import Ablation, Job, ScaleName
from ffnet.experiments.ablation.work import finished
from ffnet.experiments.studies import plain
from ffnet.experiments.trials import Figures, done_lines
from ffnet.report import tables
from ffnet.report.tables import format_gap, markdown

try:
    from ffnet.report import figures
except ModuleNotFoundError as error:
    raise MissingExtraError('figures need matplotlib: pip install "fflabels[plots]"') from error

TABLE = "table.md"

READINGS = {**tables.READINGS, "weighted": "goodness, weighted sum"}
"""How accuracy is read, and what tables call it."""

ORDER = "goodness"
"""Changes are told in the order of their effect on this reading."""

SIDE_BY_SIDE = ("goodness", "last", "linear")
"""Readings whose differences are told."""

DRAWN = ("goodness", "linear")
"""Readings whose differences are drawn."""

DIFFERENCE = "differences of one change at a time, 95 % intervals, cut where wider"

PAIRED = (
    "Mean ± sample standard deviation over seeds; in brackets the difference to the unchanged recipe of the same seeds "
    "with its 95 % t-interval, **bold** where clear of zero. Seconds: of the processor, for the training alone"
)


class Part(NamedTuple):
    """The finished nets of a recipe on a data set, with one kind of labels."""

    data: str
    recipe: str
    labels: str
    by_change: dict[str, dict[int, Figures]]
    """Figures by change and seed."""
    base: dict[int, Figures]
    """Those of the unchanged recipe."""

    @property
    def nets(self) -> list[Figures]:
        """The figures of all nets, those of the unchanged recipe first."""
        return [found for seeds in (self.base, *self.by_change.values()) for found in seeds.values()]

    def gap(self, change: str, reading: str) -> Gap | None:
        """Return how a change's nets differ from the unchanged recipe's of the same seeds; None where none is."""
        nets = self.by_change[change]
        shared = sorted(nets.keys() & self.base.keys())
        return Gap.of([_value(nets[seed], reading) - _value(self.base[seed], reading) for seed in shared])

    @property
    def in_order(self) -> list[str]:
        """The changes, the largest gain first."""
        gaps = {change: self.gap(change, ORDER) for change in self.by_change}
        return sorted(gaps, key=lambda change: -(gap.mean if (gap := gaps[change]) else 0.0))


def write(ablation: Ablation, scale: ScaleName, jobs: Sequence[Job], folder: Path, command: str) -> list[Path]:
    """Write the tables, and a picture a recipe and data set, of what is finished; return where they are.

    Raises
    ------
    FFLabelsError
        When nothing is.
    """
    done = finished(jobs, folder)
    if not done:
        raise FFLabelsError("no net is finished", where=str(folder))
    parts = _parts(done)
    begun = {part.data for part in parts}
    wanted = sum(job.data.name in begun for job in jobs)
    written = [folder / TABLE]
    write_whole(written[0], "\n".join(_table(ablation, scale, parts, wanted, command)).encode())
    for data, recipe in dict.fromkeys((part.data, part.recipe) for part in parts):
        these = [part for part in parts if (part.data, part.recipe) == (data, recipe)]
        if any(part.gap(change, ORDER) for part in these for change in part.by_change):
            written.append(folder / f"effects-{plain(data)}-{plain(recipe)}.png")
            write_whole(written[-1], _picture(f"{data}, from {recipe}: {DIFFERENCE}", these))
    return written


def _parts(done: Sequence[tuple[Job, Figures]]) -> list[Part]:
    parts: dict[tuple[str, str, str], Part] = {}
    for job, found in done:
        key = (job.data.name, job.recipe.name, job.labels.name)
        part = parts.setdefault(key, Part(*key, {}, {}))
        nets = part.by_change.setdefault(job.change.name, {}) if job.change else part.base
        nets[job.seed] = found
    return list(parts.values())


def _table(ablation: Ablation, scale: ScaleName, parts: Sequence[Part], wanted: int, command: str) -> list[str]:
    what = f"`{command}`, scale {scale}: {ablation.scales[scale].seeds} nets of each."
    nets = [found for part in parts for found in part.nets]
    lines = [f"# {ablation.about}", "", f"{what} Accuracies are of validation images, in %; test images are not read."]
    if len(nets) < wanted:
        lines += ["", f"{wanted - len(nets)} of {wanted} nets are not finished."]
    machine = Counter(map(_machine, nets)).most_common(1)[0][0]
    lines += ["", PAIRED + (f", on {machine}." if any(_machine(net) != machine for net in nets) else ".")]
    for part in parts:
        first = part.nets[0]
        images, epochs = first.settings["data.limit"] or "all", first.settings["train.epochs"]
        trained = f"{images} training images × {epochs}, {first.images} read."
        lines += ["", f"## {part.data}: {part.recipe}, {part.labels}", "", trained, "", *_effects(part, machine)]
        lines += _readings(part)
    return [*lines, "", *done_lines(nets)]


def _effects(part: Part, machine: str) -> list[str]:
    base = part.base
    rows = [
        [
            "unchanged",
            str(len(base)),
            *(spread(_all(base, r)) for r in SIDE_BY_SIDE),
            _control(base),
            _took(base, machine),
        ]
    ]
    rows = rows if base else []
    for change in part.in_order:
        nets = part.by_change[change]
        cells = [f"{spread(_all(nets, r))} [{format_gap(part.gap(change, r))}]" for r in SIDE_BY_SIDE]
        rows.append([change, str(len(nets)), *cells, "", _took(nets, machine)])
    return markdown(["change", "n", *(READINGS[r] for r in SIDE_BY_SIDE), "linear, untrained net", "seconds"], rows)


def _readings(part: Part) -> list[str]:
    """Return what correcting goodness does to the unchanged recipe."""
    base = {seed: found for seed, found in part.base.items() if found.corrected}
    rows = []
    if base:
        gap = Gap.of([_value(found, "weighted") - _value(found, ORDER) for found in base.values()])
        rows.append([READINGS["weighted"], spread(_all(base, "weighted")), format_gap(gap)])
    head = ["reading of the unchanged recipe", "accuracy", f"less {READINGS[ORDER]}"]
    return ["", *markdown(head, rows)] if rows else []


def _picture(title: str, parts: Sequence[Part]) -> bytes:
    """Draw the changes in the order of the first labels that they were tried with, as the tables have them."""
    names = list(dict.fromkeys(change for part in parts for change in part.in_order))
    panels = {
        READINGS[reading]: {
            part.labels: {change: gap for change in part.by_change if (gap := part.gap(change, reading))}
            for part in parts
        }
        for reading in DRAWN
    }
    return figures.effects(panels, names, "points of %", title)


def _all(nets: dict[int, Figures], reading: str) -> list[float]:
    return [_value(found, reading) for found in nets.values()]


def _value(found: Figures, reading: str) -> float:
    value = found.read(reading)
    assert value is not None
    return value


def _control(nets: dict[int, Figures]) -> str:
    values = [found.untrained for found in nets.values() if found.untrained is not None]
    return spread(values) if values else "–"


def _machine(found: Figures) -> str:
    return f"{found.device}, {found.dtype}"


def _took(nets: dict[int, Figures], machine: str) -> str:
    """Return what training takes on a kind of machine, so that no two kinds are compared."""
    seconds = [found.train_seconds for found in nets.values() if _machine(found) == machine]
    return f"{mean(seconds):.0f}" if seconds else "–"
