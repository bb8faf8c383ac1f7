"""``fflabels list``: which labelers there are."""

from __future__ import annotations

import click

from fflabels_cli import options


@click.command("list")
@click.argument("pattern", default="*")
@options.as_json
def command(pattern: str, json_: bool) -> None:
    """List the labelers on offer, built-in ones and plugins; none is imported.

    PATTERN is a shell pattern, for instance 'mor*'.
    """
    import fnmatch

    from fflabels.registry import entries
    from fflabels_cli import output

    found = [entry for entry in entries() if fnmatch.fnmatch(entry.name, pattern)]
    if json_:
        output.print_json(
            [{f: getattr(e, f) for f in ("name", "state", "distribution", "version", "value")} for e in found]
        )
        return
    if not found:
        click.echo(f"no labeler matches {pattern}")
        return
    rows = [[e.name, e.state, f"{e.distribution} {e.version}", e.value] for e in found]
    output.print_table("labelers", ("name", "state", "distribution", "class"), rows)
