"""``ffnet experiment report``."""

from __future__ import annotations

from pathlib import Path

import click

from fflabels_cli import experiment_options


@click.command("report")
@experiment_options.shared
def command(name: str, scale: str, out: Path, data: str | None) -> None:
    """Write the rows, the table with differences, and the plot, of the runs that are finished."""
    from ffnet.experiments.pivot import write_report

    experiment, jobs, folder = experiment_options.loaded(name, scale, out, data)
    folder.mkdir(parents=True, exist_ok=True)
    for path in write_report(experiment, jobs, folder, experiment_options.report_command(name, scale)):
        click.echo(f"written: {path}")
