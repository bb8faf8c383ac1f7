"""``fflabels plugins new``: start a plugin."""

from __future__ import annotations

import shlex
from pathlib import Path

import click


@click.command("new")
@click.argument("name", metavar="NAME")
@click.option(
    "--out", type=click.Path(path_type=Path), help="The folder, which must not exist.  [default: fflabels-NAME]"
)
def command(name: str, out: Path | None) -> None:
    """Write a distribution with one labeler that works and passes every check.

    NAME is what users will type for the labeler: lower-case letters, digits and hyphens.
    """
    from fflabels_cli.template import write_plugin

    folder = write_plugin(name, out or Path(f"fflabels-{name}"))
    click.echo(f"plugin: {folder}")
    click.echo(f"next: pip install -e {shlex.quote(str(folder))}, then fflabels plugins check {name}")
