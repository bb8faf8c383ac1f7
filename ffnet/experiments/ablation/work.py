"""The ablation at work: net by net, what is there is not done again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ffnet.experiments.ablation import Job
from ffnet.experiments.trials import Figures, data_of, read_figures, train_and_read, write
from ffnet.prepare import label_set
from ffnet.system.devices import memory_errors

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
        unchanged = job.change is None
        with memory_errors():
            data = data_of(job.config.data)
            wanted = (job.config.labels, job.config.data, job.config.seed)
            if labels is None or designed != wanted:  # most changes leave the labels as they are
                designed, labels = wanted, label_set(job.config, data)
            figures = train_and_read(
                job.config, data, labels, job.settings, readout=job.data.readout, validation=job.data.validation,
                correct_on=job.data.correct_on if unchanged else 0, control=unchanged,
            )  # fmt: skip
        write(_file(job, folder), figures)


def finished(jobs: Sequence[Job], folder: Path) -> list[tuple[Job, Figures]]:
    """Return the nets that are finished, with their figures; those of other settings are refused."""
    found = [(job, read_figures(_file(job, folder), job.settings)) for job in jobs]
    return [(job, figures) for job, figures in found if figures]


def _file(job: Job, folder: Path) -> Path:
    return folder / f"{job.name}.json"
