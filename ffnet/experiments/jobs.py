"""Run jobs, one run folder each: skip finished ones and those that another process holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, Literal, NamedTuple, TypeAlias

from fflabels.errors import FFLabelsError
from fflabels.files import write_whole
from ffnet.config import Config, result_settings
from ffnet.data.dataset import Data
from ffnet.data.load import KNOWN
from ffnet.experiments.factors import Job
from ffnet.labels.kinds import offer_files
from ffnet.prepare import check_names
from ffnet.runs.files import CONFIG
from ffnet.runs.folder import Run, is_finished
from ffnet.runs.label_files import changed_file
from ffnet.runs.locks import LockedError, is_locked
from ffnet.runs.log import METRICS, TIMINGS, as_csv, read_lines
from ffnet.runs.record import Record, read_record
from ffnet.runs.session import Watcher, resume, train
from ffnet.runs.settings import read_config
from ffnet.runs.start import with_absolute_paths
from ffnet.training.loop import NotFiniteError

State: TypeAlias = Literal["finished", "running", "stopped", "waiting"]
Begin: TypeAlias = Callable[[Job, int, int], None]
Row: TypeAlias = dict[str, Any]

RESULTS, PARQUET = "results.csv", "results.parquet"

PREDICTION = "prediction"
"""The accuracy by a run's default inference method, whatever its algorithm."""

POLLING = 5.0
"""Seconds between two looks at a folder that another process works in."""


class DivergedError(FFLabelsError):
    """The loss of some runs was not finite; all others are done."""


class Status(NamedTuple):
    """How far a job is: its state, epochs done, and the seconds that are left, estimated from epochs so far."""

    job: Job
    state: State
    epochs: int
    seconds_left: float | None


def run_jobs(
    jobs: Sequence[Job], folder: Path, *, begin: Begin | None = None, watcher: Watcher | None = None
) -> list[Job]:
    """Start or resume all jobs that are not finished, one after the other; return those that other processes hold.

    Several processes may share the folder: each takes the next job that nobody holds. If a job's loss is not
    finite, the others still run.

    Parameters
    ----------
    jobs, folder
        Each job's run folder is in this folder.
    begin
        Called with a job, its number and how many there are, before it runs.
    watcher
        Of each training.

    Raises
    ------
    FFLabelsError
        When a folder holds a run of other settings.
    DivergedError
        After all jobs, when the loss of some was not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for job in jobs:  # before hours of work
        check_settings(job.config, folder / job.folder)
        check_names(job.config)
    held, diverged = [], []
    for number, job in enumerate(jobs, 1):
        out = folder / job.folder
        if is_finished(out):
            continue
        if is_locked(out):
            held.append(job)
            continue
        if begin:
            begin(job, number, len(jobs))
        try:
            start_or_resume(job.config, out, watcher)
        except LockedError:
            held.append(job)
        except NotFiniteError as error:
            diverged.append(f"{job.folder}: {error}")
        except FFLabelsError:
            if not is_finished(out):  # else another process was quicker
                raise
    if diverged:
        raise DivergedError(f"{len(diverged)} of {len(jobs)} runs have no results; {diverged[0]}", where=str(folder))
    return held


def start_or_resume(config: Config, out: Path, watcher: Watcher | None = None, data: Data | None = None) -> Run:
    """Return the run in a folder, started or resumed there and now finished; data are loaded unless given."""
    if (out / CONFIG).exists():
        offer_files(config)  # the experiment names them, not the run folder alone
        return resume(out, root=data_root(config), data=data, watcher=watcher)
    return train(config, out=out, data=data, watcher=watcher)


def data_root(config: Config) -> str | None:
    """Return where torchvision's data sets, or a folder of images, are now: a run may have had them elsewhere.

    None for data from Python.
    """
    if config.data.name in KNOWN:
        return config.data.root
    folder = with_absolute_paths(config).data.name
    return folder if Path(folder).is_dir() else None


def check_settings(config: Config, out: Path) -> None:
    """Refuse a run of other settings in a job's place.

    Settings that never change a result may differ, and what a run decides itself where it is ``auto``: the number type,
    and the range of its pictures.

    Raises
    ------
    FFLabelsError
        When the folder holds a run, and its settings are not these, or the label-set file that they name has other
        labels now.
    """
    if not (out / CONFIG).exists():
        return
    wanted = with_absolute_paths(config)
    decided = {"dtype": wanted.dtype, "data.range": wanted.data.range}
    free = tuple(key for key, value in decided.items() if value == "auto")
    present = read_config(out)[0]
    before, now = Path(present.data.name), Path(wanted.data.name)
    if present.data.name not in KNOWN and before.name == now.name and not before.is_dir():
        free += ("data.name",)  # the folder has moved; a run that is resumed compares its images' hash
    same = result_settings(present, without=free) == result_settings(wanted, without=free)
    if not same or present.inference.test != wanted.inference.test:
        raise FFLabelsError(
            "holds a run of other settings", where=str(out), hint="move it away, or choose another --out"
        )
    if file := changed_file(present, out):
        hint = f"{file} has changed since; move the run away, or choose another --out"
        raise FFLabelsError("holds a run with other labels", where=str(out), hint=hint)


def status(jobs: Sequence[Job], folder: Path) -> list[Status]:
    """Return the state of every job; the time left is estimated from epochs of the job, else of its other seeds."""
    lines = {job.folder: read_lines(folder / job.folder / TIMINGS) for job in jobs}
    pace = {
        name: [float(str(line["seconds"])) for line in timings if str(line["what"]).startswith("epoch ")]
        for name, timings in lines.items()
    }
    of_levels: dict[tuple[str, ...], list[float]] = {}
    for job in jobs:
        of_levels.setdefault(tuple(job.levels.values()), []).extend(pace[job.folder])
    everything = [seconds for some in pace.values() for seconds in some]
    statuses = []
    for job in jobs:
        out = folder / job.folder
        epochs, stopped = len(read_lines(out / METRICS)), (out / CONFIG).exists()
        state: State = (
            "finished" if is_finished(out) else "running" if is_locked(out) else "stopped" if stopped else "waiting"
        )
        known = pace[job.folder] or of_levels[tuple(job.levels.values())] or everything
        left = 0.0 if state == "finished" else mean(known) * (job.config.train.epochs - epochs) if known else None
        statuses.append(Status(job, state, epochs, left))
    return statuses


def finished_jobs(jobs: Sequence[Job], folder: Path) -> list[Job]:
    """Return the jobs whose runs are finished."""
    return [job for job in jobs if is_finished(folder / job.folder)]


def rows_of(jobs: Sequence[Job], folder: Path) -> list[Row]:
    """Return a flat row for every finished job: levels, seed, every accuracy in shares, CPU seconds, device."""
    rows = []
    for job in finished_jobs(jobs, folder):
        check_settings(job.config, folder / job.folder)
        rows.append({**job.levels, "seed": job.seed, **_figures(read_record(folder / job.folder))})
    return rows


def _figures(run: Record) -> Row:
    assert run.results
    figures: Row = {}
    config = run.config
    method = config.algorithm if config.algorithm != "ff" else "goodness" if config.has_codes else "linear"
    for part in run.results.parts:
        if method in part.accuracies:
            figures[f"{part.split} {PREDICTION}"] = part.accuracies[method].accuracy
        for name, accuracy in part.accuracies.items():
            figures[f"{part.split} {name}"] = accuracy.accuracy
            if accuracy.layers:
                figures[f"{part.split} {name}, last layer"] = accuracy.layers[-1]
            if accuracy.untrained is not None:
                figures[f"{part.split} {name}, untrained"] = accuracy.untrained
    timings = read_lines(run.folder / TIMINGS)
    seconds = sum(float(str(line["cpu_seconds"])) for line in timings)
    return {
        **figures,
        "epochs": len(run.metrics),
        "cpu seconds": round(seconds, 1),
        "device": run.about.devices,
        "dtype": config.dtype,
        "torch": run.about.versions["torch"],
    }


def write_rows(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Write the rows as ``results.csv``, and as ``results.parquet`` if pyarrow is installed; return the files."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    write_whole(folder / RESULTS, as_csv(rows).encode())
    try:
        from pyarrow import BufferOutputStream, parquet, table
    except ModuleNotFoundError:
        return [folder / RESULTS]
    sink = BufferOutputStream()
    parquet.write_table(table({name: [row.get(name) for row in rows] for name in names}), sink)
    write_whole(folder / PARQUET, sink.getvalue().to_pybytes())
    return [folder / RESULTS, folder / PARQUET]


def wait_for(jobs: Sequence[Job], folder: Path) -> None:
    """Wait until no process holds any of these jobs."""
    for job in jobs:
        wait_until_unlocked(folder / job.folder)


def wait_until_unlocked(out: Path) -> None:
    """Wait until no process works in a run folder."""
    while is_locked(out):
        time.sleep(POLLING)
