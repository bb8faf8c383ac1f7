"""Jobs on a cluster, through submitit: on Slurm an array with an element for each job, here a few processes."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from fflabels.errors import FFLabelsError, MissingExtraError
from ffnet.experiments.factors import Job
from ffnet.experiments.jobs import finished_jobs, run_jobs, start_or_resume, wait_for

try:
    import submitit
except ModuleNotFoundError as error:
    raise MissingExtraError("--on needs submitit", extra="cluster") from error

Cluster: TypeAlias = Literal["slurm", "local"]

LOGS = "cluster"
"""Subfolder with the logs of the cluster's processes."""

REQUEUED = 1000
"""How often a job that reached its time limit is queued again, at most."""


class Resources(NamedTuple):
    """What each job gets: Slurm's partition (its default if none), minutes, GPUs, and GiB of memory."""

    partition: str | None = None
    minutes: int = 24 * 60
    gpus: int = 0
    memory: int | None = None


class Work:
    """Runs jobs in a process of the cluster; pickled there and back.

    Each run continues from its checkpoint, so a process that was pre-empted or reached its time limit starts anew.
    Several GPUs train one net together, a rank on each.
    """

    def __init__(self, jobs: Sequence[Job], folder: Path, gpus: int = 0, on: Cluster = "slurm") -> None:
        self.jobs, self.folder, self.gpus, self.on = list(jobs), folder, gpus, on

    def __call__(self) -> None:
        """Start or resume all jobs that are not finished."""
        # Slurm pre-empts a job with SIGTERM and, some time later, SIGKILL; after that it queues the job again. It would
        # not queue a job again that ends by itself on SIGTERM.
        if self.on == "slurm":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self.gpus > 1:
            for job in self.jobs:
                run_on_ranks(job, self.folder, self.gpus, self.on)
            return
        while held := run_jobs(self.jobs, self.folder):
            wait_for(held, self.folder)

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """Return what submitit queues again on its signal, which comes before the time limit."""
        return submitit.helpers.DelayedSubmission(self)


def run_on_ranks(job: Job, folder: Path, ranks: int, on: Cluster = "slurm") -> None:
    """Start or resume a job with torchrun's launcher, on several ranks of this machine.

    Raises
    ------
    FFLabelsError
        When a rank fails: the error of the one that ended first.
    """
    config = LaunchConfig(
        1, 1, ranks, run_id=job.folder, rdzv_backend="c10d", rdzv_endpoint="localhost:0", max_restarts=0,
        signals_to_handle="SIGHUP" if on == "slurm" else "SIGHUP,SIGTERM",  # Slurm's SIGTERM stays ignored
    )  # fmt: skip
    try:
        elastic_launch(config, _run_rank)(job, folder)
    except ChildFailedError as error:
        _, ours, reason = str(error).rpartition("FFLabelsError: ")
        if not ours:
            raise
        raise FFLabelsError(reason.partition("\n")[0]) from None


def _run_rank(job: Job, folder: Path) -> None:
    start_or_resume(job.config, folder / job.folder)


def submit(
    jobs: Sequence[Job], folder: Path, on: Cluster, resources: Resources, workers: int = 1
) -> list[submitit.Job[Any]]:
    """Submit all jobs that are not finished; return submitit's jobs: one for each on Slurm, one per worker here.

    Raises
    ------
    FFLabelsError
        When Slurm is not installed, or refuses the jobs.
    """
    if on == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
        raise FFLabelsError("Slurm is not installed here", where="--on slurm", expected="sbatch and srun on the PATH")
    done = finished_jobs(jobs, folder)
    left = [job for job in jobs if job not in done]
    if not left:
        return []
    workers = len(left) if on == "slurm" else min(workers, len(left))
    shares = [left] * workers if on == "local" and resources.gpus < 2 else [left[k::workers] for k in range(workers)]
    works = [Work(share, folder, resources.gpus, on) for share in shares]
    executor = submitit.AutoExecutor(folder=folder / LOGS, cluster=on, slurm_max_num_timeout=REQUEUED)
    asked = {"timeout_min": resources.minutes, "gpus_per_node": resources.gpus, "name": "ffnet"}
    if on == "slurm":
        asked |= {"slurm_partition": resources.partition, "mem_gb": resources.memory}
        asked |= {"slurm_additional_parameters": {"requeue": True}}  # whatever the cluster's default is
    executor.update_parameters(**{name: value for name, value in asked.items() if value})
    try:
        with executor.batch():
            submitted = [executor.submit(work) for work in works]
    except submitit.core.utils.FailedJobError as error:
        reason = "; ".join(line.removeprefix("sbatch: error: ") for line in str(error).strip().splitlines())
        raise FFLabelsError(f"refused: {reason}", where=f"--on {on}") from None
    return submitted


def wait_until_done(submitted: Sequence[submitit.Job[Any]]) -> None:
    """Wait for all submitted jobs.

    Raises
    ------
    FFLabelsError
        When one of them failed: the last line of its error, and where its log is.
    """
    failed = [(job, error) for job in submitted if (error := job.exception())]
    if failed:
        job, error = failed[0]
        trace = str(error).partition("\n" + 22 * "-" + "\nYou can")[0]  # submitit's words around it
        name, colon, reason = trace.strip().splitlines()[-1].partition(": ")
        ours = colon and name.endswith("Error") and name.startswith(("fflabels.", "ffnet."))
        raise FFLabelsError(reason if ours else f"{name}{colon}{reason}", where=str(job.paths.stderr))


def cancel(submitted: Sequence[submitit.Job[Any]]) -> None:
    """End jobs on this machine after their step; their runs continue from their checkpoints.

    submitit's own `cancel` sends SIGINT, which processes ignore that a shell has started in the background.
    """
    for job in submitted:
        with suppress(ProcessLookupError):
            os.kill(int(job.job_id), signal.SIGTERM)  # the controller's process, which passes it on
