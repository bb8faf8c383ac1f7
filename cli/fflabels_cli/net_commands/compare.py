"""``ffnet compare``: compare runs."""

from __future__ import annotations

import click

from fflabels_cli import options


@click.command("compare")
@options.run_folders
@options.as_json
def command(runs: tuple[str, ...], json_: bool) -> None:
    """Compare finished runs on one data set: test accuracy, mean ± standard deviation over seeds, differences.

    Runs that differ only in their seed are a group. Differences are to the first group, with Welch's 95 % interval.
    """
    import msgspec

    from fflabels_cli import output
    from ffnet.evaluation.statistics import spread
    from ffnet.runs.compare import differences, group_runs
    from ffnet.runs.record import read_record

    groups = group_runs([read_record(run) for run in runs])
    compared = differences(groups)
    if json_:
        output.print_json({"groups": msgspec.to_builtins(groups), "differences": msgspec.to_builtins(compared)})
        return
    names = list(dict.fromkeys(name for group in groups for name in group.accuracies))
    rows = []
    for group in groups:
        accuracies = [group.accuracies.get(name) for name in names]
        rows.append([group.name, str(len(group.runs)), *(spread(shares) if shares else "–" for shares in accuracies)])
    output.print_table("test accuracy, %", ("settings", "n", *names), rows)
    for d in compared:
        interval = "no interval: a group has one run, or no spread"
        if d.low is not None and d.high is not None:
            interval = f"95 % interval {100 * d.low:+.2f} to {100 * d.high:+.2f}, p = {d.p:.2g}"
        click.echo(f"{d.group} – {groups[0].name}, {d.reading}: {100 * d.difference:+.2f} ({interval})")
