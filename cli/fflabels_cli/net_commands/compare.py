"""``ffnet compare``: compare runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fflabels_cli import options

if TYPE_CHECKING:
    from ffnet.evaluation.accuracy import SplitName
    from ffnet.runs.compare import Difference


LONG = 40
"""Groups whose settings take more characters have a number in the lines on differences."""


@click.command("compare")
@click.argument("runs", metavar="RUN…", nargs=-1, required=True, type=click.Path())
@options.split("Accuracies on these images. Make choices on validation (val for short).")
@options.as_json
def command(runs: tuple[str, ...], split: SplitName, json_: bool) -> None:
    """Compare finished runs on one data set: mean accuracy ± standard deviation over seeds, and differences.

    Runs that differ only in their seed are a group. Differences are from the first group, with 95 % intervals: of pairs
    of runs with the same seed (paired t-test), or of the means where fewer than two seeds are the same (Welch's
    t-test). Nothing is computed, so the test images are not evaluated again.
    """
    import msgspec

    from fflabels_cli import output
    from ffnet.evaluation.statistics import spread
    from ffnet.runs.compare import differences, group_runs
    from ffnet.runs.record import read_record

    groups = group_runs([read_record(run) for run in runs], split)
    compared = differences(groups)
    if json_:
        parts = {"groups": msgspec.to_builtins(groups), "differences": msgspec.to_builtins(compared)}
        output.print_json({"split": split, **parts})
        return
    names = list(dict.fromkeys(name for group in groups for name in group.accuracies))
    rows = []
    short = {g.name: g.name if len(g.name) <= LONG else f"({k})" for k, g in enumerate(groups, 1)}
    for group in groups:
        accuracies = [group.accuracies.get(name) for name in names]
        name = group.name if short[group.name] == group.name else f"{short[group.name]} {group.name}"
        rows.append([name, str(len(group.runs)), *(spread(shares) if shares else "–" for shares in accuracies)])
    output.print_table(f"{split} accuracy, %", ("settings", "n", *names), rows)
    for d in compared:
        output.print_line(
            f"{short[d.group]} – {short[groups[0].name]}, {d.accuracy}: {100 * d.difference:+.2f} ({_interval(d)})"
        )


def _interval(d: Difference) -> str:
    """Return a difference's interval, and how it was measured."""
    how = f"paired by {d.pairs} seeds" if d.pairs else "not paired"
    if d.mixed:
        how += f", {d.mixed} of the pairs trained on two devices"
    if d.low is None or d.high is None:
        return f"no interval: {'no spread' if d.pairs else 'a group has one run, or no spread'}"
    return f"95 % interval {100 * d.low:+.2f} to {100 * d.high:+.2f}, p = {d.p:.2g}; {how}"
