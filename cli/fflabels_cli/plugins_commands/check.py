"""``fflabels plugins check``: check that a labeler fulfils the contract."""

from __future__ import annotations

import click

from fflabels_cli import options


@click.command("check")
@click.argument("name", metavar="NAME|FILE.py:CLASS")
@click.option(
    "--golden",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="A label set of the labeler: its labels must be drawn as they were when it was written.",
)
@options.time_limit
@options.as_json
def command(name: str, golden: str | None, seconds: float, json_: bool) -> None:
    """Run every check of the contract on a labeler, in a separate process. Runs its code.

    \b
    fflabels plugins check morph
    fflabels plugins check DISTRIBUTION:NAME
    fflabels plugins check stripes.py:Stripes

    Exits with 1 when a check fails. In your own tests: fflabels.testing.
    """
    import msgspec

    from fflabels.registry import IN_A_FILE, find, source
    from fflabels.testing import KIT
    from fflabels.testing.apart import check_apart
    from fflabels_cli import output

    what = f"labeler {name}" if IN_A_FILE.fullmatch(name) else source(find(name))
    results = []
    with output.Bars() as progress:
        for result in check_apart(name, seconds=seconds, golden=golden):
            results.append(result)
            progress(f"checks of {name}", len(results), len(results) + 1)
    failed = [result for result in results if result.status == "failed"]
    if json_:
        output.print_json({"labeler": name, "kit": KIT, "results": [msgspec.to_builtins(r) for r in results]})
    else:
        done = [r for r in results if r.status != "skipped"]
        rows = [[r.check, r.status, f"{r.seconds:.2f} s", r.message if r.status == "passed" else ""] for r in done]
        output.print_table(f"{what}, checks of version {KIT}", ("check", "status", "time", "found"), rows, words=2)
        why: dict[tuple[str, str], list[str]] = {}
        for result in results:
            if result.message and result.status != "passed":
                why.setdefault((result.status, result.message), []).append(result.check)
        for (status, message), checks in why.items():
            click.echo(f"{status}: {', '.join(checks)}: {message}")
        passed = sum(result.status == "passed" for result in results)
        click.echo(f"{passed} passed, {len(failed)} failed, {len(results) - passed - len(failed)} skipped")
    if failed:
        raise SystemExit(1)
