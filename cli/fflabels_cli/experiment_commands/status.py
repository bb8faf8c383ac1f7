"""``ffnet experiment status``."""

from __future__ import annotations

from typing import Any

import click

from fflabels_cli.experiment_options import Place, shared


@click.command("status")
@shared
def command(**place: Any) -> None:
    """Show the progress of every run, and the training time that is left, estimated from the epochs so far."""
    from fflabels_cli import output
    from ffnet.experiments.jobs import status

    _, jobs, folder = Place(**place).load()
    statuses = status(jobs, folder)
    rows = [
        [one.job.folder, one.state, f"{one.epochs} of {one.job.config.train.epochs}",
         output.duration(one.seconds_left)]
        for one in statuses
    ]  # fmt: skip
    done = sum(one.state == "finished" for one in statuses)
    left = [one.seconds_left for one in statuses if one.seconds_left is not None]
    title = f"{done} of {len(jobs)} runs are finished in {folder}"
    title += f"; about {output.duration(sum(left))} of training left in one process" if sum(left) else ""
    output.print_table(title, ("run", "state", "epochs", "left"), rows, words=2)
