"""``ffnet eval``: accuracies of a run, or of an ensemble of runs, on a split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fflabels_cli import options

if TYPE_CHECKING:
    from ffnet.evaluation.accuracy import SplitName


@click.command("eval")
@click.argument("runs", metavar="RUN…", nargs=-1, required=True, type=click.Path())
@options.plugin_code
@options.inference(
    "One inference method only. cascade: goodness decides among the K (3) classes that linear proposes. halving: a "
    "forecast, then each layer, discards labels; goodness decides among the rest. both: goodness and linear are "
    "summed, with weights fitted on the validation images.  [default: goodness, linear; for several runs also both]",
    "both",
)
@options.split(
    "Images to evaluate. Make choices on validation (val for short). The run folder counts evaluations on test images."
)
@options.data_root
@options.device
@options.as_json
def command(
    runs: tuple[str, ...], inference: Any, split: SplitName, data: str | None, device: str | None, json_: bool
) -> None:
    """Evaluate a run: accuracy, confusion matrix, accuracy per class; beside the untrained net.

    Several runs on the same images are evaluated as an ensemble: their goodness and the logits of their classifiers are
    summed, with weights fitted on the validation images. Each half of the validation images is evaluated with weights
    fitted on the other half.
    """
    from fflabels_cli import net_output, output
    from ffnet import Ensemble, load_run
    from ffnet.inference.predict import check_inference

    loaded = [load_run(run, device=device or "auto") for run in runs]
    ensemble = Ensemble(loaded) if len(loaded) > 1 or inference == "both" else None
    if not ensemble:
        check_inference(loaded[0].net, inference)
    loaded_data = loaded[0].data(data)
    with output.Bars() as progress:
        evaluation = (ensemble or loaded[0]).evaluate(loaded_data, split, inference=inference, progress=progress)
    reads = [run.test_reads for run in loaded]
    if json_:
        several = {"runs": {run: {"test_reads": count} for run, count in zip(runs, reads, strict=True)}}
        single = {"run": runs[0], "test_reads": reads[0]}
        output.print_json({**evaluation.to_builtins(), **(several if len(loaded) > 1 else single)})
        return
    net_output.print_evaluation(evaluation, loaded[0].about.data.class_names)
    if len(loaded) > 1:
        net_output.print_beside_runs(loaded, evaluation)
    if split == "test":
        which = "this run" if len(reads) == 1 else "these runs"
        click.echo(f"the test images of {which} were evaluated {', '.join(map(output.times, reads))}")
