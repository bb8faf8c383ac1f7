"""``ffnet experiment show``."""

from __future__ import annotations

from typing import Any

import click

from fflabels_cli.experiment_options import Place, shared


@click.command("show")
@shared
def command(**place: Any) -> None:
    """Show an experiment's question, its factors and its jobs."""
    from fflabels_cli import output

    experiment, jobs, folder = Place(**place).load()
    output.print_line(experiment.about)
    if experiment.primary:
        output.print_line(f"primary comparison: {experiment.primary}")
    for factor, part in experiment.factors.items():
        base = part.base_level if part.compare else None
        levels = ", ".join(f"{level} (base)" if level == base else level for level in part.levels)
        output.print_line(f"{factor}: {levels}")
    output.print_table(
        f"{len(jobs)} runs in {folder}",
        ("run folder", "preset's data", "epochs"),
        [[job.folder, job.config.data.name, str(job.config.train.epochs)] for job in jobs],
    )
