"""``ffnet compare``: runs side by side."""

from __future__ import annotations

import click

from fflabels_cli import options


@click.command("compare")
@options.run_folders
@options.as_json
def command(runs: tuple[str, ...], json_: bool) -> None:
    """Compare finished runs of one data set: test accuracy, mean ± standard deviation over seeds, and differences.

    Runs that differ in their seed alone are one group. Differences are to the first group, with Welch's 95 % interval.
    """
    import msgspec

    from fflabels_cli import output
    from ffnet import load_run
    from ffnet.evaluation.statistics import spread
    from ffnet.runs.compare import differences, group_runs

    groups = group_runs([load_run(run) for run in runs])
    found = differences(groups)
    if json_:
        output.print_json({"groups": msgspec.to_builtins(groups), "differences": msgspec.to_builtins(found)})
        return
    readings = list(dict.fromkeys(reading for group in groups for reading in group.accuracies))
    rows = []
    for group in groups:
        accuracies = [group.accuracies.get(reading) for reading in readings]
        rows.append([group.name, str(len(group.runs)), *(spread(each) if each else "–" for each in accuracies)])
    output.print_table("test accuracy, %", ("settings", "n", *readings), rows)
    for d in found:
        sure = "no interval: a group has one run, or no spread"
        if d.low is not None and d.high is not None:
            sure = f"95 % interval {100 * d.low:+.2f} to {100 * d.high:+.2f}, p = {d.p:.2g}"
        click.echo(f"{d.group} – {groups[0].name}, {d.reading}: {100 * d.difference:+.2f} ({sure})")
