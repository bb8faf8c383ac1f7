"""``ffnet experiment list``."""

from __future__ import annotations

import click


@click.command("list")
def command() -> None:
    """List the built-in experiments."""
    from fflabels_cli import output
    from ffnet.experiments.load import list_experiments, load_experiment

    rows = [[name, load_experiment(name).about] for name in list_experiments()]
    output.print_table("experiments", ("name", "what"), rows, words=2)
