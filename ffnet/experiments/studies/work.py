"""A study at work: its runs one by one, each begun, gone on with or left as it is; then its table and its figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from fflabels.errors import FFLabelsError, MissingExtraError
from fflabels.files import write_whole
from ffnet.data.dataset import one_a_class
from ffnet.data.load import KNOWN
from ffnet.evaluation.accuracy import Evaluation
from ffnet.evaluation.activation_maps import activation_maps
from ffnet.evaluation.statistics import spread
from ffnet.experiments.jobs import check_settings
from ffnet.experiments.studies import Group, Job, ScaleName, Study
from ffnet.report.tables import markdown
from ffnet.runs.files import CONFIG
from ffnet.runs.folder import Run, is_finished, load_run
from ffnet.runs.session import Watcher, resume, train

try:
    from ffnet.report import figures
except ModuleNotFoundError as error:
    raise MissingExtraError('figures need matplotlib: pip install "fflabels[plots]"') from error

TABLE, FIGURE = "table.md", "figure.png"

EXPLAINED = 8
"""Images whose activation maps are drawn."""

Begin = Callable[[Job, int, int], None]
"""Called before a run with its number, from 1, and how many there are."""


class Row(NamedTuple):
    """A line of a study's table: accuracies, shares, one a seed."""

    group: Group
    point: str
    reading: str
    values: list[float]

    @property
    def paper(self) -> str:
        """What the paper reports."""
        return self.group.paper.get(self.reading, {}).get(self.point, "–")


def work(
    jobs: Sequence[Job],
    folder: Path,
    *,
    begin: Begin | None = None,
    watcher: Watcher | None = None,
) -> None:
    """Do what is not done yet of the runs, each in a folder of its own: other processes may do others meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, job in enumerate(jobs, 1):
        out = folder / job.folder
        check_settings(job.config, out)
        if is_finished(out):
            continue
        if begin:
            begin(job, number, len(jobs))
        if (out / CONFIG).exists():
            resume(out, root=_root(job), watcher=watcher)
        else:
            train(job.config, out=out, watcher=watcher)


def _root(job: Job) -> str | None:
    """Return where torchvision's data sets are, which a run in the job's place may have had elsewhere."""
    return job.config.data.root if job.config.data.name in KNOWN else None


def _finished(jobs: Sequence[Job], folder: Path) -> list[tuple[Job, Run]]:
    """Return the jobs whose runs are finished, with their runs."""
    found = []
    for job in jobs:
        if is_finished(folder / job.folder):
            check_settings(job.config, folder / job.folder)
            found.append((job, load_run(folder / job.folder)))
    return found


def results(study: Study, scale: ScaleName, finished: Sequence[tuple[Job, Run]]) -> list[Row]:
    """Return the accuracies of finished runs."""
    rows: dict[tuple[str, str, str], Row] = {}
    for job, run in finished:
        assert run.results
        part = run.results.validation if study.split == "validation" else run.results.test
        if part is None:
            raise FFLabelsError("no validation images", where=str(run.folder), hint='split = "test" needs none')
        for reading, share in _accuracies(part, job.group):
            key = (job.group.name, job.point, reading)
            rows.setdefault(key, Row(job.group, job.point, reading, [])).values.append(share)
    order = [(g.name, p, r) for g in study.groups for p in study.points_at(scale) for r in (*g.readings, "untrained")]
    return [rows[key] for key in order if key in rows]


def _accuracies(part: Evaluation, group: Group) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = [
        (name, reading.accuracy) for name, reading in part.accuracies.items() if name in group.readings
    ]
    if "linear" in group.readings and part.linear and part.linear.untrained is not None:
        found.append(("untrained", part.linear.untrained))
    return found


def write(study: Study, scale: ScaleName, jobs: Sequence[Job], folder: Path, command: str) -> tuple[Path, Path]:
    """Write the table and the figure of what is finished; return where they are.

    Raises
    ------
    FFLabelsError
        When nothing is.
    """
    finished = _finished(jobs, folder)
    if not finished:
        raise FFLabelsError("no run is finished", where=str(folder))
    rows = results(study, scale, finished)
    runs = [run for _, run in finished]
    write_whole(folder / TABLE, _table(study, scale, rows, runs, len(jobs), command).encode())
    write_whole(folder / FIGURE, _figure(study, scale, rows, finished))
    return folder / TABLE, folder / FIGURE


def _table(study: Study, scale: ScaleName, rows: Sequence[Row], runs: Sequence[Run], wanted: int, command: str) -> str:
    head = ["runs", *([study.x] if study.x else []), "read by", "paper", "here", "n"]
    lines = [[row.group.name, *([row.point] if study.x else []), _read_by(row.reading), row.paper, spread(row.values),
              str(len(row.values))] for row in rows]  # fmt: skip
    places = sorted({_place(run) for run in runs})
    return "\n".join(
        [
            f"# {study.about}",
            "",
            f"`{command}`: {study.split} accuracy in %, mean ± sample standard deviation over n seeds.",
            "",
            f"Scale {_scale(study, scale)}",
            *([f"{wanted - len(runs)} of {wanted} runs are not finished."] if len(runs) < wanted else []),
            "",
            *markdown(head, lines),
            "",
            *(f"- {place}" for place in places),
            "",
        ]
    )


def _scale(study: Study, scale: ScaleName) -> str:
    size = study.at(scale)
    changed = bool(size.settings or size.vary)
    return f"{scale}: {size.about or ('other settings than the presets' if changed else 'as the presets are')}"


def _place(run: Run) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in sorted(run.about.versions.items()))
    return f"{run.about.device}, {run.config.dtype}, {versions}"


def _read_by(reading: str) -> str:
    return {"untrained": "linear, untrained net", "bp": "softmax"}.get(reading, reading)


def _figure(study: Study, scale: ScaleName, rows: Sequence[Row], finished: Sequence[tuple[Job, Run]]) -> bytes:
    title = _scale(study, scale)
    first: dict[tuple[str, str], Run] = {}
    for job, run in finished:
        first.setdefault((job.group.name, job.point), run)
    match study.figure:
        case "accuracy":
            lines: dict[str, dict[str, list[float]]] = {}
            for row in rows:
                lines.setdefault(f"{row.group.name}, {_read_by(row.reading)}", {})[row.point] = row.values
            y = f"{study.split} accuracy, %"
            return figures.accuracy_by_point(lines, study.points_at(scale), study.x, y, title)
        case "confusion":
            key, run = next(iter(first.items()))
            assert run.results
            reading = run.results.test.goodness or run.results.test.bp
            assert reading
            return figures.confusion(reading.confusion, run.about.data.class_names, f"{_name(key)}; {title}")
        case "learning":
            return figures.learning_side_by_side({_name(key): run.metrics for key, run in first.items()}, title)
    data = finished[0][1].data(_root(finished[0][0]))
    images = one_a_class(data.validation if len(data.validation) else data.train, EXPLAINED).images
    maps = {_name(key): activation_maps(run.net, images) for key, run in first.items()}
    return figures.activation_side_by_side(images, maps, title)


def _name(key: tuple[str, str]) -> str:
    return " ".join(key).strip()
