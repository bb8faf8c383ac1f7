"""``ffnet experiment run``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fflabels_cli import experiment_options

if TYPE_CHECKING:
    from ffnet.experiments.factors import Job

COMMAND = "import sys; from fflabels_cli.app import ffnet; sys.argv = ['ffnet', *sys.argv[1:]]; ffnet()"


@click.command("run")
@experiment_options.shared
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that share the jobs."
)
def command(name: str, scale: str, out: Path, data: str | None, workers: int) -> None:
    """Start or resume all runs that are not finished, then write the report.

    Stopped at any time, it continues where it was. Several processes or machines may share the folder: each takes the
    next run that nobody works on.
    """
    run(name, scale, out, data, workers)


def run(name: str, scale: str, out: Path, data: str | None, workers: int) -> None:
    """Do what the command does."""
    from fflabels_cli import net_output
    from ffnet.experiments.jobs import run_jobs, wait_for
    from ffnet.experiments.pivot import write_report
    from ffnet.runs.session import Watcher

    experiment, jobs, folder = experiment_options.loaded(name, scale, out, data)

    def begin(job: Job, number: int, of: int) -> None:
        click.echo(f"run {number} of {of}: {job.folder}", err=True)

    given = [name, "--scale", scale, "--out", str(out), *(["--data", data] if data else [])]
    again = [sys.executable, "-c", COMMAND, "experiment", "run", *given]
    others = [
        subprocess.Popen(again, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own command
        for _ in range(workers - 1)
    ]
    try:
        with net_output.Training(quiet=False) as screen:
            while held := run_jobs(jobs, folder, begin=begin, watcher=Watcher(screen.started, screen.epoch)):
                wait_for(held, folder)
    finally:
        for other in others:
            other.terminate() if sys.exc_info()[0] else other.wait()
    for path in write_report(experiment, jobs, folder, experiment_options.report_command(name, scale)):
        click.echo(f"written: {path}")
