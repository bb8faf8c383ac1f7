"""``ffnet reproduce``: the old name of ``ffnet experiment``, for one release."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fflabels_cli import options


@click.command("reproduce")
@click.argument("name", metavar="[NAME|FILE.toml]", required=False)
@click.option("--scale", default="cpu", show_default=True, help="As for ffnet experiment run.")
@click.option("--seeds", type=click.IntRange(min=1), help="As for ffnet experiment run.")
@click.option("--shard", hidden=True, expose_value=False)
@click.option("--out", type=click.Path(path_type=Path), default=Path("experiments"), show_default=True, help="Where.")
@options.data_root
def command(name: str | None, **given: Any) -> None:
    """Reproduce a result of the paper: the old name of ffnet experiment run, or list without a NAME.

    Processes share a folder by themselves, so --shard is accepted and does nothing.
    """
    if name:
        run_renamed("reproduce", name, **given)
        return
    from fflabels_cli.experiment_commands import list as listing

    click.echo("Warning: ffnet reproduce is now ffnet experiment list", err=True)
    listing.command.main([], standalone_mode=False)


def run_renamed(old: str, name: str, **given: Any) -> None:
    """Say what a command is called now, and run the experiment."""
    from fflabels_cli.experiment_commands.run import run
    from fflabels_cli.experiment_options import Place

    click.echo(f"Warning: ffnet {old} is now ffnet experiment run {name} --scale {given['scale']}", err=True)
    run(Place(name, **given), workers=1)
