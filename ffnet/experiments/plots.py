"""What a report shows beside its tables: curves, confusion matrices, activation maps, statistics of labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fflabels.files import write_whole
from ffnet.data.dataset import first_of_each_class
from ffnet.evaluation.activation_maps import activation_maps
from ffnet.experiments.factors import Experiment, Job, Plot, slug
from ffnet.experiments.jobs import Row, data_root
from ffnet.experiments.label_statistics import show_statistics
from ffnet.experiments.pivot import sample
from ffnet.report import figures
from ffnet.report.names import drawable
from ffnet.runs.folder import Run, load_run

EXPLAINED = 8
"""Images whose activation maps are drawn."""

MOST = 60
"""At most this many runs are drawn side by side: much wider pictures cannot be drawn."""


def accuracy_curves(experiment: Experiment, rows: Sequence[Row], columns: Sequence[str], title: str) -> bytes:
    """Draw accuracies by the levels of the first factor, a line for each accuracy and combination of the others."""
    x, *others = experiment.shown_factors
    together: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        together.setdefault((row[x], *(row[other] for other in others)), []).append(row)
    lines: dict[str, dict[str, list[float]]] = {}
    for (point, *at), own in together.items():
        for column in columns:
            if values := sample(experiment, own, column):
                name = ", ".join([*at, column.removeprefix(f"{experiment.split} ")])
                lines.setdefault(name, {})[point] = values
    points = [level for level in experiment.factors[x].levels if any(level in line for line in lines.values())]
    split = f"{experiment.split} " if all(column.startswith(experiment.split) for column in columns) else ""
    return figures.accuracy_by_point(lines, points, x, f"{split}accuracy, %", title)


def draw_plots(
    experiment: Experiment,
    finished: Sequence[Job],
    folder: Path,
    rows: Sequence[Row],
    columns: Sequence[str],
    title: str,
) -> list[str]:
    """Write the plots that an experiment asks for to its folder; return the lines of the report that show them.

    They are made of the finished jobs, of their rows and the accuracies that reports show (`columns`).
    """
    lines: list[str] = []
    first: dict[str, Job] = {}  # a run of each combination
    for job in finished:
        first.setdefault(", ".join(job.levels.values()), job)
    for kind in experiment.show:
        if kind == "label statistics":
            lines += show_statistics(experiment, finished, folder, rows)
            continue
        if kind == "accuracy":
            pictures: dict[str, bytes] = {kind: accuracy_curves(experiment, rows, columns, title)}
        else:
            runs = {name: load_run(folder / job.folder) for name, job in list(first.items())[:MOST]}
            roots = {name: data_root(job.config) for name, job in first.items()}
            pictures = _of_runs(kind, runs, title, roots)
            if len(first) > MOST:
                lines += [f"The first {MOST} of {len(first)} combinations.", ""]
        for name, picture in pictures.items():
            write_whole(folder / f"{name}.png", picture)
            lines += [f"![{experiment.about}: {name}]({name}.png)", ""]
    return lines


def _of_runs(kind: Plot, runs: dict[str, Run], title: str, roots: dict[str, str | None]) -> dict[str, bytes]:
    """Draw the runs themselves, by file name: the first one's confusion matrix, or all learning curves or maps.

    Activation maps of several data sets are a picture each.
    """
    if kind == "learning":
        return {kind: figures.learning_side_by_side({name: run.metrics for name, run in runs.items()}, title)}
    if kind == "confusion":
        name, run = next(iter(runs.items()))
        assert run.results
        part = run.results.parts[-1]
        table = (part.goodness or next(iter(part.accuracies.values()))).confusion
        names = drawable(run.about.data.class_names)
        return {kind: figures.confusion(table, names, f"{name}, {part.split} images; {title}")}
    by_data: dict[str, dict[str, Run]] = {}
    for name, run in runs.items():
        by_data.setdefault(f"{run.about.data.name}-{'x'.join(map(str, run.net.shape))}", {})[name] = run
    pictures = {}
    for data, own in by_data.items():
        first = next(iter(own))
        images = first_of_each_class(own[first].data(roots[first]).shown, EXPLAINED).images
        maps = {name: activation_maps(run.net, images) for name, run in own.items()}
        file = kind if len(by_data) == 1 else f"{kind}-{slug(data)}"
        pictures[file] = figures.activation_side_by_side(images, maps, title)
    return pictures
