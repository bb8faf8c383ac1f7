"""``fflabels list``: list the labelers."""

from __future__ import annotations

import click

from fflabels_cli import options


@click.command("list")
@click.argument("pattern", default="*")
@options.as_json
def command(pattern: str, json_: bool) -> None:
    """List the labelers, built-in ones and plugins, without importing them.

    PATTERN is a shell pattern, for instance 'mor*'.
    """
    import fnmatch

    from fflabels.registry import entries
    from fflabels_cli import output

    labelers = [entry for entry in entries() if fnmatch.fnmatch(entry.name, pattern)]
    if json_:
        output.print_json(
            [{f: getattr(e, f) for f in ("name", "state", "distribution", "version", "value")} for e in labelers]
        )
        return
    if not labelers:
        click.echo(f"no labeler matches {pattern}")
        return
    rows = [[e.name, e.state, f"{e.distribution} {e.version}", e.value] for e in labelers]
    output.print_table("labelers", ("name", "state", "distribution", "class"), rows)
