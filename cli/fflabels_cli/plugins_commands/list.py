"""``fflabels plugins list``: labelers and their state."""

from __future__ import annotations

import click

from fflabels_cli import options


@click.command("list")
@click.option("--check", is_flag=True, help="Try each plugin in a process of its own: runs their code.")
@options.time_limit
@options.as_json
def command(check: bool, seconds: float, json_: bool) -> None:
    """List the labelers on offer and their state; none is imported here.

    \b
    builtin     of fflabels itself
    available   of a plugin, not looked at
    ok, broken  of a plugin that was tried (--check)
    ambiguous   offered by two distributions: say DISTRIBUTION:NAME

    With --check, exits with 1 when one is broken or ambiguous.
    """
    from fflabels.registry import entries
    from fflabels_cli import output
    from fflabels_cli.trial import tried

    found = [tried(entry, seconds) if check else (entry, None) for entry in entries()]
    if json_:
        fields = ("name", "state", "distribution", "version", "value")
        output.print_json([{**{f: getattr(e, f) for f in fields}, "trouble": trouble} for e, trouble in found])
    else:
        rows = [[e.name, e.state, f"{e.distribution} {e.version}", e.value] for e, _ in found]
        output.print_table("labelers", ("name", "state", "distribution", "class"), rows, words=4)
        for _, trouble in found:
            if trouble:
                click.echo(f"trouble: {trouble}")
    if check and any(entry.state in ("broken", "ambiguous") for entry, _ in found):
        raise SystemExit(1)
