"""``fflabels plugins list``: list the labelers and their states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fflabels_cli import options

if TYPE_CHECKING:
    from fflabels.registry import Entry


@click.command("list")
@click.option("--check", is_flag=True, help="Try each plugin in a separate process. Runs their code.")
@options.time_limit
@options.as_json
def command(check: bool, seconds: float, json_: bool) -> None:
    """List the labelers and their states, without importing them here.

    \b
    builtin     part of fflabels
    available   a plugin that was not tried
    ok, broken  a plugin that was tried (--check)
    ambiguous   in two plugins: name it as DISTRIBUTION:NAME
    reserved    a plugin with the name of a built-in labeler: name it as DISTRIBUTION:NAME

    With --check, exits with 1 when a labeler is broken or ambiguous.
    """
    from dataclasses import asdict

    from fflabels.registry import entries
    from fflabels_cli import output
    from fflabels_cli.plugin_status import tried_in_process

    if not check:
        options.refuse_typed(("seconds",), "without --check")
    labelers = [tried_in_process(entry, seconds) if check else (entry, _reserved(entry)) for entry in entries()]
    if json_:
        output.print_json([{**asdict(entry), "trouble": trouble} for entry, trouble in labelers])
    else:
        rows = [[e.name, e.state, f"{e.distribution} {e.version}", e.value] for e, _ in labelers]
        output.print_table("labelers", ("name", "state", "distribution", "class"), rows, words=4)
        for _, trouble in labelers:
            if trouble:
                click.echo(f"trouble: {trouble}")
    if check and any(entry.state in ("broken", "ambiguous") for entry, _ in labelers):
        raise SystemExit(1)


def _reserved(entry: Entry) -> str | None:
    from fflabels_cli.plugin_status import ambiguity

    return ambiguity(entry) if entry.state == "reserved" else None
