"""Output about runs: progress of training, descriptions, accuracies."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import click

from fflabels_cli import output
from ffnet.evaluation.statistics import percent

if TYPE_CHECKING:
    from ffnet.evaluation.accuracy import Evaluation
    from ffnet.runs.folder import Run
    from ffnet.runs.record import Record
    from ffnet.runs.session import Watcher
    from ffnet.runs.tensorboard import TensorBoard

MAX_CONFUSION = 20
"""A confusion matrix is printed for at most this many classes."""


NARROW = 78
"""A confusion matrix has class names as headings if it is at most this many characters wide."""


class Training:
    """Shows training on stderr: one line per epoch and, on a terminal, a bar. Turns a signal into its exit code.

    `again` is the command that continues after a signal; default: ``ffnet resume`` of the run.
    """

    def __init__(self, quiet: bool, tensorboard: bool = False, again: str = "") -> None:
        self.quiet, self.again, self.progress = quiet, again, output.Bars()
        self.board: TensorBoard | None = None
        if tensorboard:
            from ffnet.runs.tensorboard import TensorBoard

            self.board = TensorBoard()
        self.epochs = 0
        self.folder = ""
        self.preset = ""
        """A line about the preset, printed when training begins."""

    def __enter__(self) -> Self:
        self.progress.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        self.progress.__exit__()
        if kind is None:
            return
        from ffnet import Interrupted
        from ffnet.system.ranks import is_first

        if isinstance(error, Interrupted):
            if is_first():
                folder = self.folder or error.folder
                again = self.again or (folder and f"ffnet resume {shlex.quote(str(folder))}")
                saved = f"; saved; continue with: {again}" if again else "; no run was started"
                click.echo(f"{error}{saved}", err=True)
            raise SystemExit(128 + error.signum)

    def watcher(self) -> Watcher:
        """Return the watcher for `ffnet.train` and `ffnet.resume`."""
        from ffnet.runs.session import Watcher

        return Watcher(self.started, self.epoch, self.progress)

    def started(self, run: Run) -> None:
        """Print what is trained."""
        self.folder, self.epochs = str(run.folder), run.config.train.epochs
        if self.board:
            self.board.started(run)
        if not self.quiet:
            for line in filter(None, [self.preset, *description(run)]):
                self.progress.print_line(line)

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        """Print the metrics of an epoch."""
        if self.board:
            self.board.epoch(metrics)
        if not self.quiet:
            self.progress.print_line(epoch_line(metrics, self.epochs))


def description(run: Run | Record) -> Iterator[str]:
    """Yield lines that describe a run: data, labels, net, training."""
    from fflabels import LabelSet
    from fflabels.label_set_file import Contents

    config, data, net, train = run.config, run.about.data, run.config.net, run.config.train
    counts = ", ".join(f"{count:,} {split}" for split, count in data.counts.items())
    if start := run.about.started:
        yield f"start   the weights of {start.run} after {start.epochs} epochs"
    yield f"data    {data.name} {'x'.join(map(str, data.shape))}, {len(data.class_names)} classes: {counts}"
    learning, warning = "", None
    labels = run.labels
    if isinstance(labels, LabelSet | Contents):
        scores = labels.scores.similarity if labels.scores else {}
        largest = ", ".join(f"{metric} {similarity.max:.3f}" for metric, similarity in scores.items())
        label_set = f"{output.describe(labels)}; {labels.provenance.method}; largest {largest}"
        layers = config.labels.layers
        beside = f"; {layers.set} in {layers.count} channels of later layers" if layers.count else ""
        yield f"labels  {label_set}; K {config.labels.intensity:g}{beside}"
        learning = f"{train.goodness} goodness, {train.loss} loss, {train.negatives} negatives, "
        warning = labels.warning
    elif labels is not None:
        learned = "learned" if config.labels.goodness.learn else "fixed"
        sides = "-".join(f"{side}x{side}" for side in config.labels.goodness.regions)
        regions = f" in {sides} regions" if sides else ""
        kinds = ", ".join(f"{width}: {labels.origin(width)}" for width in labels.sets)
        yield f"labels  {len(labels)} {learned} codes over the channels of each layer{regions} ({kinds})"
        learning = f"{train.goodness} goodness of all labels, "
    widths = "-".join(map(str, net.widths))
    shrinking = {"strides": net.strides, "pools": net.pools}
    reduced = "".join(f" {name} {'-'.join(map(str, sizes))}" for name, sizes in shrinking.items() if sizes)
    local = "layer-local" if config.layer_local else "NOT layer-local"
    size = f"{net.kernel}x{net.kernel}{reduced}, {net.norm} norm, {parameters(run):,} parameters"
    yield f"net     {widths} {size}, {config.algorithm} ({local})"
    plan = f"{train.epochs} epochs, batch {train.batch}, {learning}{config.dtype}, seed {config.seed}"
    yield f"train   {plan}, {run.about.last.device}"
    if warning:
        yield f"labels  {warning}"


def parameters(run: Run | Record) -> int:
    """Return the number of parameters of the net, without the heads that are fitted after training."""
    from ffnet.model import size

    return size.parameters(run.config, run.about.data.shape, len(run.about.data.class_names))


def epoch_line(metrics: Mapping[str, Any], epochs: int) -> str:
    """Return the metrics of an epoch as one line."""
    parts = [f"epoch {metrics['epoch']:>{len(str(epochs))}}/{epochs}", f"loss {metrics['loss']:.4f}"]
    if "discrimination" in metrics:
        parts.append("discrimination " + " ".join(percent(d) for d in metrics["discrimination"]))
    if "train_accuracy" in metrics:
        parts.append(f"train {percent(metrics['train_accuracy'])}")
    if "validation" in metrics:
        parts.append(f"validation {percent(metrics['validation'])}")
    if "images_per_second" in metrics:
        parts.append(f"{metrics['images_per_second']:,.0f} images/s")
        parts.append(f"{output.duration(metrics['seconds_left'])} left")
    if dead := metrics.get("dead_layers"):
        parts.append(f"DEAD: layer {', '.join(map(str, dead))} never fires, lower train.lr")
    return "  ".join(parts)


def print_results(run: Run | Record, json_: bool) -> None:
    """Print a finished run's accuracies and its folder. On ranks other than 0 there are no results to print."""
    if not run.results:
        return
    if json_:
        output.print_json({"run": str(run.folder), "test_reads": run.test_reads, **run.results.to_builtins()})
        return
    last = run.results.parts[-1]
    head = ["split"]
    for name, accuracy in last.accuracies.items():
        head += [name] if accuracy.untrained is None else [name, "untrained net"]
    chance, rows = percent(1 / len(run.about.data.class_names)), []
    for part in run.results.parts:
        cells = [f"{part.split} ({part.images:,})"]
        for accuracy in part.accuracies.values():
            shares = accuracy.accuracy, accuracy.untrained
            cells += [percent(share) for share in shares if share is not None]
        rows.append([*cells, chance])
    output.print_table("accuracy, % (one seed)", (*head, "chance"), rows)
    if goodness := last.accuracies.get("goodness"):
        layers = " ".join(percent(accuracy) for accuracy in goodness.layers)
        click.echo(f"goodness of each layer alone, {last.split}: {layers}")
    click.echo(f"run folder: {run.folder}")


def print_next_steps(run: Run) -> None:
    """Print three commands to try after a finished run."""
    folder = shlex.quote(str(run.folder))
    click.echo("next:")
    for line, about in (
        (f"ffnet report {folder}", "one page with curves, confusions and maps"),
        (f"ffnet predict {folder} IMAGE…", "classes of your own images or folders"),
        (f"ffnet train --start {folder}", "train further; on other images with --dataset FOLDER"),
    ):
        click.echo(f"  {line}  # {about}")


def print_evaluation(evaluation: Evaluation, class_names: Sequence[str]) -> None:
    """Print the accuracy on a split by each inference method, with confusion matrix and accuracy per class."""
    for name, accuracy in evaluation.accuracies.items():
        beside = ""
        if accuracy.untrained is not None:
            beside += f"; untrained net: {percent(accuracy.untrained)} %"
        if accuracy.agreement is not None:
            beside += f"; same answer as goodness over all labels: {percent(accuracy.agreement)} %"
        counted = f"{percent(accuracy.accuracy)} % of {evaluation.images:,} images"
        click.echo(f"{evaluation.split}, {name}: {counted}{beside}")
        if accuracy.passes is not None:
            click.echo(f"{name}: {accuracy.passes:.2f} passes per image instead of {len(class_names)}")
        if accuracy.layers:
            click.echo("each layer alone: " + " ".join(percent(share) for share in accuracy.layers))
        per_class = [percent(share) for share in accuracy.per_class]
        if len(class_names) <= MAX_CONFUSION:
            print_confusion(accuracy.confusion, class_names, per_class)
        else:
            shares = accuracy.per_class
            order = sorted(range(len(shares)), key=lambda k: (shares[k] is None, shares[k]))
            least = ", ".join(f"{class_names[k]} {per_class[k]}" for k in order[:10])
            click.echo(f"least accurate classes: {least} (--json has all, and the confusion matrix)")


def print_confusion(confusion: Sequence[Sequence[int]], names: Sequence[str], per_class: Sequence[str]) -> None:
    """Print a confusion matrix, and the accuracy of each class; columns of long names are numbered."""
    fits = 2 * max(map(len, names)) + sum(len(name) + 2 for name in names) <= NARROW
    rows = [
        [name if fits else f"{k} {name}", *map(str, row), share]
        for k, (name, row, share) in enumerate(zip(names, confusion, per_class, strict=True))
    ]
    head = names if fits else list(map(str, range(len(names))))
    output.print_table("true class by row, predicted by column", ("", *head, "%"), rows)


def print_beside_runs(runs: Sequence[Run], ensemble: Evaluation) -> None:
    """Print the accuracies of each run, from its results, above those of their ensemble."""
    names = list(dict.fromkeys(("goodness", "linear", *ensemble.accuracies)))
    evaluations = [(str(run.folder), getattr(run.results, ensemble.split)) for run in runs]
    rows = []
    for name, evaluation in [*evaluations, ("together", ensemble)]:
        accuracies = evaluation.accuracies if evaluation else {}
        rows.append([name, *(percent(accuracies[n].accuracy if n in accuracies else None) for n in names)])
    output.print_table(f"accuracy, %, {ensemble.split}", ("run", *names), rows)
