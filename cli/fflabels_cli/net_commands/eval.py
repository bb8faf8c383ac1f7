"""``ffnet eval``: accuracies of a run on a split."""

from __future__ import annotations

from typing import Any

import click

from fflabels_cli import options


@click.command("eval")
@options.run_folder
@options.inference(
    "One reading only; goodness decides in cascade among K (3) that linear proposes, in halving among what a forecast "
    "and layer after layer leave over.  [default: goodness, linear, channels where fitted]"
)
@click.option(
    "--split",
    type=click.Choice(("val", "test")),
    default="val",
    show_default=True,
    help="Make choices on val; every look at test is counted in the run folder.",
)
@options.data_root
@options.device
@options.as_json
def command(run: str, inference: Any, split: str, data: str | None, device: str | None, json_: bool) -> None:
    """Evaluate a run: accuracy, confusion matrix, accuracy a class, the untrained net beside the linear classifier."""
    import msgspec

    from fflabels_cli import net_output, output
    from ffnet import load_run

    loaded = load_run(run, device=device or "auto")
    found = loaded.evaluate(loaded.data(data), "test" if split == "test" else "validation", inference=inference)
    reads = loaded.test_reads
    if json_:
        output.print_json({**msgspec.to_builtins(found), "run": run, "test_reads": reads})
        return
    net_output.print_evaluation(found, loaded.about.data.class_names)
    if split == "test":
        click.echo(f"the test images of this run were read {reads} times")
