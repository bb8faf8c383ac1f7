"""The ablation at work: net by net, what is there is not done again, then the tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean

from fflabels.errors import FFLabelsError
from fflabels.files import write_whole
from ffnet import tables
from ffnet.ablation import Ablation, Job, ScaleName
from ffnet.comparison import spread
from ffnet.devices import memory_errors
from ffnet.tables import Gap, markdown, told
from ffnet.training import label_set
from ffnet.trials import CORRECTIONS, Figures, data_of, read_figures, train_and_read, write

TABLE = "table.md"

READINGS = {**tables.READINGS, "weighted": "goodness, weighted sum", "offsets": "goodness, sum without offsets",
            "both": "goodness, weighted sum without offsets"}  # fmt: skip
"""How accuracy is read, and what tables call it."""

ORDER = "goodness"
"""Changes are told in the order of their effect on this reading."""

SIDE_BY_SIDE = ("goodness", "last", "linear")
"""Readings whose differences are told."""

PAIRED = (
    "Mean ± sample standard deviation over seeds; in brackets the difference to the unchanged recipe of the same seeds "
    "with its 95 % t-interval, **bold** where clear of zero. Seconds: of the processor, for the training alone."
)

Begin = Callable[[Job, int, int], None]
"""Called before a net with its number, from 1, and how many there are."""


def work(jobs: Sequence[Job], folder: Path, *, begin: Begin | None = None) -> None:
    """Do what is not done yet; other processes may do other nets in the folder meanwhile.

    Raises
    ------
    FFLabelsError
        When a net of other settings is in the place of one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    finished(jobs, folder)  # refuses those of other settings before hours of work
    designed, labels = None, None
    for number, job in enumerate(jobs, 1):
        if read_figures(_file(job, folder), job.settings):
            continue
        if begin:
            begin(job, number, len(jobs))
        with memory_errors():
            data = data_of(job.config.data)
            wanted = (job.config.labels, job.config.data, job.config.seed)
            if labels is None or designed != wanted:  # most changes leave the labels as they are
                designed, labels = wanted, label_set(job.config, data)
            figures = train_and_read(
                job.config, data, labels, job.settings, readout=job.data.readout, validation=job.data.validation,
                correct_on=job.data.correct_on, control=job.change is None,
            )  # fmt: skip
        write(_file(job, folder), figures)


def finished(jobs: Sequence[Job], folder: Path) -> list[tuple[Job, Figures]]:
    """Return the nets that are finished, with their figures; those of other settings are refused."""
    found = [(job, read_figures(_file(job, folder), job.settings)) for job in jobs]
    return [(job, figures) for job, figures in found if figures]


def report(ablation: Ablation, scale: ScaleName, jobs: Sequence[Job], folder: Path, command: str) -> Path:
    """Write the tables of what is finished; return where they are.

    Raises
    ------
    FFLabelsError
        When nothing is.
    """
    done = finished(jobs, folder)
    if not done:
        raise FFLabelsError("no net is finished", where=str(folder))
    seeds = ablation.scales[scale].seeds
    what = f"`{command}`, scale {scale}: {seeds} nets of each."
    lines = [f"# {ablation.about}", "", f"{what} Accuracies are of validation images, in %; test images are not read."]
    if len(done) < len(jobs):
        lines += ["", f"{len(jobs) - len(done)} of {len(jobs)} nets are not finished."]
    lines += ["", PAIRED]
    for data, recipe, labels in dict.fromkeys((j.data.name, j.recipe.name, j.labels.name) for j, _ in done):
        there = [(j, f) for j, f in done if (j.data.name, j.recipe.name, j.labels.name) == (data, recipe, labels)]
        first = there[0][1]
        images, epochs = first.settings["data.limit"] or "all", first.settings["train.epochs"]
        lines += [
            "",
            f"## {data}: {recipe}, {labels}",
            "",
            f"{images} training images × {epochs}, {first.images} read.",
        ]
        lines += ["", *_effects(there), *_readings(there)]
    write_whole(folder / TABLE, "\n".join([*lines, "", *tables.done([figures for _, figures in done])]).encode())
    return folder / TABLE


def _by_change(there: Sequence[tuple[Job, Figures]]) -> dict[str, dict[int, Figures]]:
    """Return the figures by change, "" for the unchanged recipe, and seed."""
    found: dict[str, dict[int, Figures]] = {}
    for job, figures in there:
        found.setdefault(job.change.name if job.change else "", {})[job.seed] = figures
    return found


def _effects(there: Sequence[tuple[Job, Figures]]) -> list[str]:
    changes = _by_change(there)
    base = changes.pop("", {})
    rows = [["unchanged", str(len(base)), *(spread(_all(base, r)) for r in SIDE_BY_SIDE), _control(base), _took(base)]]
    found = []
    for name, nets in changes.items():
        gaps = {reading: _gap(nets, base, reading) for reading in SIDE_BY_SIDE}
        cells = [f"{spread(_all(nets, r))} [{told(gaps[r])}]" for r in SIDE_BY_SIDE]
        order = gap.mean if (gap := gaps[ORDER]) else 0.0
        found.append((-order, [name, str(len(nets)), *cells, "", _took(nets)]))
    head = ["change", "n", *(READINGS[r] for r in SIDE_BY_SIDE), "linear, untrained net", "seconds"]
    return markdown(head, [*(rows if base else []), *(row for _, row in sorted(found, key=lambda each: each[0]))])


def _readings(there: Sequence[tuple[Job, Figures]]) -> list[str]:
    """Return what correcting goodness does to the unchanged recipe."""
    base = {seed: f for seed, f in _by_change(there).get("", {}).items() if f.corrected}
    rows = []
    for reading in CORRECTIONS if base else ():
        gap = Gap.of([_value(f, reading) - _value(f, ORDER) for f in base.values()])
        rows.append([READINGS[reading], spread(_all(base, reading)), told(gap)])
    head = ["reading of the unchanged recipe", "accuracy", f"less {READINGS[ORDER]}"]
    return ["", *markdown(head, rows)] if rows else []


def _gap(nets: dict[int, Figures], base: dict[int, Figures], reading: str) -> Gap | None:
    shared = sorted(nets.keys() & base.keys())
    return Gap.of([_value(nets[seed], reading) - _value(base[seed], reading) for seed in shared])


def _all(nets: dict[int, Figures], reading: str) -> list[float]:
    return [_value(figures, reading) for figures in nets.values()]


def _value(figures: Figures, reading: str) -> float:
    value = figures.read(reading)
    assert value is not None
    return value


def _control(nets: dict[int, Figures]) -> str:
    found = [figures.untrained for figures in nets.values() if figures.untrained is not None]
    return spread(found) if found else "–"


def _took(nets: dict[int, Figures]) -> str:
    return f"{mean(figures.train_seconds for figures in nets.values()):.0f}"


def _file(job: Job, folder: Path) -> Path:
    return folder / f"{job.name}.json"
