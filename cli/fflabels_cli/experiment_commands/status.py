"""``ffnet experiment status``."""

from __future__ import annotations

from pathlib import Path

import click

from fflabels_cli import experiment_options


@click.command("status")
@experiment_options.shared
def command(name: str, scale: str, out: Path, data: str | None) -> None:
    """Show how far every run is, and the time left as the epochs so far suggest."""
    from fflabels_cli import net_output, output
    from ffnet.experiments.jobs import status

    _, jobs, folder = experiment_options.loaded(name, scale, out, data)
    found = status(jobs, folder)
    rows = [
        [one.job.folder, one.state, f"{one.epochs} of {one.job.config.train.epochs}",
         net_output.duration(one.seconds_left)]
        for one in found
    ]  # fmt: skip
    done = sum(one.state == "finished" for one in found)
    output.print_table(f"{done} of {len(jobs)} runs are finished in {folder}", ("run", "state", "epochs", "left"), rows)
