"""``ffnet experiment show``."""

from __future__ import annotations

from pathlib import Path

import click

from fflabels_cli import experiment_options


@click.command("show")
@experiment_options.shared
def command(name: str, scale: str, out: Path, data: str | None) -> None:
    """Show an experiment's question, its factors and its jobs."""
    from fflabels_cli import output

    experiment, jobs, folder = experiment_options.loaded(name, scale, out, data)
    click.echo(experiment.about)
    if experiment.primary:
        click.echo(f"primary comparison: {experiment.primary}")
    for factor, part in experiment.factors.items():
        levels = ", ".join(f"{level} (base)" if level == part.base_level else level for level in part.levels)
        click.echo(f"{factor}: {levels}")
    output.print_table(
        f"{len(jobs)} runs in {folder}",
        ("run folder", "preset's data", "epochs"),
        [[job.folder, job.config.data.name, str(job.config.train.epochs)] for job in jobs],
    )
