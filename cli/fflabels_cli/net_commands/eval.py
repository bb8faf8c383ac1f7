"""``ffnet eval``: accuracies of a run, or of several together, on a split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fflabels_cli import options

if TYPE_CHECKING:
    from ffnet.evaluation.accuracy import SplitName


@click.command("eval")
@options.run_folders
@options.inference(
    "One reading only; goodness decides in cascade among K (3) that linear proposes, in halving among what a forecast "
    "and layer after layer leave over; both sums goodness and linear, weighted by the validation images.  "
    "[default: goodness, linear, channels where fitted; of several runs goodness, linear, both]",
    "both",
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
def command(
    runs: tuple[str, ...], inference: Any, split: str, data: str | None, device: str | None, json_: bool
) -> None:
    """Evaluate a run: accuracy, confusion matrix, accuracy a class, the untrained net beside the linear classifier.

    Several runs on the same images are read as one: their goodness and their classifiers' logits are summed, each with
    a weight fitted to the validation images; these are read with weights that one half of them gives for the other.
    """
    from fflabels_cli import net_output, output
    from ffnet import Ensemble, load_run

    loaded = [load_run(run, device=device or "auto") for run in runs]
    together = Ensemble(loaded) if len(loaded) > 1 or inference == "both" else None
    name: SplitName = "test" if split == "test" else "validation"
    found = (together or loaded[0]).evaluate(loaded[0].data(data), name, inference=inference)
    reads = [run.test_reads for run in loaded]
    if json_:
        of_each = {"runs": {run: {"test_reads": count} for run, count in zip(runs, reads, strict=True)}}
        which = of_each if len(loaded) > 1 else {"run": runs[0], "test_reads": reads[0]}
        output.print_json({**found.to_builtins(), **which})
        return
    net_output.print_evaluation(found, loaded[0].about.data.class_names)
    if len(loaded) > 1:
        net_output.print_beside(loaded, found)
    if split == "test":
        times = f"run were read {reads[0]}" if len(reads) == 1 else f"runs were read {', '.join(map(str, reads))}"
        click.echo(f"the test images of {'this' if len(reads) == 1 else 'these'} {times} times")
