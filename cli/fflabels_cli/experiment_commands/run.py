"""``ffnet experiment run``."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click

from fflabels_cli import options
from fflabels_cli.experiment_options import Place, shared

if TYPE_CHECKING:
    from pathlib import Path

    from ffnet.experiments.cluster import Resources
    from ffnet.experiments.factors import Experiment, Job

COMMAND = "import sys; from fflabels_cli.app import ffnet; sys.argv = ['ffnet', *sys.argv[1:]]; ffnet()"


@click.command("run")
@shared
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that share the jobs here."
)
@click.option(
    "--on",
    type=click.Choice(("slurm", "local")),
    help="Submit with submitit. slurm: submit a job array and return. local: run processes on this machine and wait.",
)
@click.option("--partition", help="With --on slurm: the partition.  [default: Slurm's]")
@click.option(
    "--time", "minutes", type=click.IntRange(min=1), default=1440, show_default=True, help="With --on: minutes."
)
@click.option("--gpus", type=click.IntRange(min=0), default=0, show_default=True, help="With --on: GPUs for each job.")
@click.option("--memory", type=click.IntRange(min=1), help="With --on slurm: GiB for each job.  [default: Slurm's]")
def command(
    workers: int, on: Any, partition: str | None, minutes: int, gpus: int, memory: int | None, **place: Any
) -> None:
    """Start or resume all runs that are not finished, then write the report.

    Stop it at any time; started again, it continues. Several processes or machines can share the folder: each takes
    the next run that no other works on. A job that Slurm pre-empts, or that reaches its time limit, is queued again and
    continues from its checkpoint.
    """
    options.try_plugins_before_import()
    if on != "slurm":
        options.refuse_typed(("partition", "memory"), "without --on slurm")
    if not on:
        options.refuse_typed(("minutes", "gpus"), "without --on")
        run(Place(**place), workers)
        return
    if on == "slurm":
        options.refuse_typed(("workers",), "with --on slurm: each run is a job of its own")
    from ffnet.experiments.cluster import Resources

    run_on(Place(**place), on, Resources(partition, minutes, gpus, memory), workers)


def run(place: Place, workers: int) -> None:
    """Work through the jobs here, then report."""
    from fflabels_cli import net_output
    from ffnet.experiments.jobs import DivergedError, finished_jobs, run_jobs, wait_for
    from ffnet.system.signals import Interrupts

    _, jobs, folder = place.load()

    again = [sys.executable, "-c", COMMAND, "experiment", "run", *place.words]
    others = [
        subprocess.Popen(again, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own command
        for _ in range(workers - 1)
    ]
    try:
        with net_output.Training(quiet=False, again="the same command") as screen, Interrupts():

            def begin(job: Job, number: int, of: int) -> None:
                screen.progress.print_line(f"run {number} of {of}: {job.folder}")
                screen.progress("experiment", number - 1, of)

            while held := run_jobs(jobs, folder, begin=begin, watcher=screen.watcher()):
                wait_for(held, folder)
    except DivergedError:
        for other in others:  # what they hold is not lost
            other.wait()
        if finished_jobs(jobs, folder):
            write(place)
        raise
    finally:
        for other in others:
            other.terminate() if sys.exc_info()[0] else other.wait()
    report(place)


def run_on(place: Place, on: Any, resources: Resources, workers: int) -> None:
    """Submit the jobs; on this machine wait for them, and report."""
    from fflabels.errors import FFLabelsError
    from fflabels_cli import net_output
    from ffnet.experiments.cluster import LOGS, cancel, submit, wait_until_done
    from ffnet.experiments.jobs import finished_jobs
    from ffnet.system.signals import Interrupts

    _, jobs, folder = place.load()
    submitted = submit(jobs, folder, on, resources, workers)
    if on == "slurm" and submitted:
        click.echo(f"submitted: {', '.join(job.job_id for job in submitted)}; logs in {folder / LOGS}")
        click.echo(f"then: {place.report_command}")
        return
    try:
        with net_output.Training(quiet=True, again="the same command"), Interrupts():
            wait_until_done(submitted)
    except FFLabelsError:
        if finished_jobs(jobs, folder):
            write(place)
        raise
    except BaseException:
        cancel(submitted)
        raise
    report(place)


def write(place: Place) -> tuple[Experiment, list[Job], Path]:
    """Write the report; return what it is about, as `Place.load` does."""
    from ffnet.experiments.pivot import write_report

    experiment, jobs, folder = place.load()
    for path in write_report(experiment, jobs, folder, place.report_command, place.scale):
        click.echo(f"written: {path}")
    return experiment, jobs, folder


def report(place: Place) -> None:
    """Write the report; a mean below its floor ends in exit code 1."""
    from ffnet.experiments.jobs import rows_of
    from ffnet.experiments.pivot import below_floor

    experiment, jobs, folder = write(place)
    if place.scale == "full" and (low := below_floor(experiment, rows_of(jobs, folder))):
        raise click.ClickException(f"below the floor: {'; '.join(low)}")
