"""What people see of a run: the epochs as they pass, its description, its accuracies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import click

from fflabels_cli import output

if TYPE_CHECKING:
    from ffnet.evaluation.accuracy import Evaluation
    from ffnet.runs.folder import Run
    from ffnet.runs.session import Watcher
    from ffnet.runs.tensorboard import TensorBoard

FEW = 20
"""Up to so many classes a confusion matrix is printed."""


class Training:
    """Shows training on stderr: a line an epoch and, on a terminal, a bar; turns a signal into its exit code."""

    def __init__(self, quiet: bool, tensorboard: bool = False) -> None:
        self.quiet, self.progress = quiet, output.Bars()
        self.board = _tensorboard() if tensorboard else None
        self.epochs = 0
        self.folder = ""

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
            if not is_first():
                raise SystemExit(128 + error.signum)
            go_on = f"; saved, go on with: ffnet resume {self.folder}" if self.folder else "; nothing was begun"
            click.echo(f"{error}{go_on}", err=True)
            raise SystemExit(128 + error.signum)

    def watcher(self) -> Watcher:
        """Return what `ffnet.train` and `ffnet.resume` call."""
        from ffnet.runs.session import Watcher

        return Watcher(self.started, self.epoch, self.progress)

    def started(self, run: Run) -> None:
        """Say what is trained."""
        self.folder, self.epochs = str(run.folder), run.config.train.epochs
        if self.board:
            self.board.started(run)
        if not self.quiet:
            for line in description(run):
                self.progress.say(line)

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        """Say how an epoch went."""
        if self.board:
            self.board.epoch(metrics)
        if not self.quiet:
            self.progress.say(epoch_line(metrics, self.epochs))


def _tensorboard() -> TensorBoard:
    from ffnet.runs.tensorboard import TensorBoard

    return TensorBoard()


def description(run: Run) -> Iterator[str]:
    """Yield what a run is: data, labels, net, and what a reader of its numbers must know."""
    from ffnet import FFNet

    config, data, net, train = run.config, run.about.data, run.config.net, run.config.train
    counts = ", ".join(f"{count:,} {split}" for split, count in data.counts.items())
    yield f"data    {data.name} {'x'.join(map(str, data.shape))}, {len(data.class_names)} classes: {counts}"
    how = ""
    if isinstance(run.net, FFNet):
        labels = run.net.labels
        scores = labels.scores.similarity if labels.scores else {}
        worst = ", ".join(f"{metric} {found.max:.3f}" for metric, found in scores.items())
        chosen = f"{output.describe(labels)}; {labels.provenance.method}; largest {worst}"
        waves = f"{net.offered_waves} low waves " if net.offered_waves else ""
        offered = f"; {waves}offered to later layers" if net.offered else ""
        yield f"labels  {chosen}; K {config.labels.intensity:g}{offered}"
        how = f"{train.goodness} goodness, {train.loss} loss, {train.negatives} negatives, "
    widths = "-".join(map(str, net.widths))
    pools = f" pools {'-'.join(map(str, net.pools))}" if net.pools else ""
    local = "layer-local" if config.layer_local else "NOT layer-local"
    size = f"{net.kernel}x{net.kernel}{pools}, {net.norm} norm, {parameters(run):,} parameters"
    yield f"net     {widths} {size}, {config.algorithm} ({local})"
    done = f"{train.epochs} epochs, batch {train.batch}, {how}{config.dtype}, seed {config.seed}"
    yield f"train   {done}, {run.about.device}"


def parameters(run: Run) -> int:
    """Return how many parameters the net has, what was fitted to it afterwards apart."""
    fitted = ("linear.", "forecast.")
    return sum(p.numel() for name, p in run.net.named_parameters() if not name.startswith(fitted))


def epoch_line(metrics: Mapping[str, Any], epochs: int) -> str:
    """Return an epoch's figures as a line."""
    found = [f"epoch {metrics['epoch']:>{len(str(epochs))}}/{epochs}", f"loss {metrics['loss']:.4f}"]
    if "discrimination" in metrics:
        found.append("discrimination " + " ".join(percent(d) for d in metrics["discrimination"]))
    if "train_accuracy" in metrics:
        found.append(f"train {percent(metrics['train_accuracy'])}")
    if "validation" in metrics:
        found.append(f"validation {percent(metrics['validation'])}")
    if "images_per_second" in metrics:
        found.append(f"{metrics['images_per_second']:,.0f} images/s")
        found.append(f"{_time(metrics['seconds_left'])} left")
    if dead := metrics.get("dead_layers"):
        found.append(f"DEAD: layer {', '.join(map(str, dead))} never fires, lower train.lr")
    return "  ".join(found)


def print_results(run: Run, json_: bool) -> None:
    """Print a finished run's accuracies and its folder; of several ranks, the first has them."""
    if not run.results:
        return
    found = run.results
    if json_:
        output.print_json({"run": str(run.folder), "test_reads": run.test_reads, **found.to_builtins()})
        return
    parts = [part for part in (found.validation, found.test) if part]
    rows = []
    for part in parts:
        cells = [percent(reading.accuracy) for reading in part.accuracies.values()]
        cells += [percent(reading.untrained) for reading in part.accuracies.values() if reading.untrained is not None]
        rows.append([f"{part.split} ({part.images:,})", *cells])
    names = found.test.accuracies
    control = [f"{name}, untrained net" for name, reading in names.items() if reading.untrained is not None]
    output.print_table("accuracy, % (one seed)", ("split", *names, *control), rows)
    if found.test.goodness:
        layers = " ".join(percent(accuracy) for accuracy in found.test.goodness.layers)
        click.echo(f"goodness of each layer alone, test: {layers}")
    click.echo(f"run folder: {run.folder}")


def print_evaluation(found: Evaluation, class_names: Sequence[str]) -> None:
    """Print every reading of a split: accuracy, confusion matrix, accuracy a class."""
    for name, reading in found.accuracies.items():
        beside = (
            f"; the same reading fitted to the untrained net: {percent(reading.untrained)} %"
            if reading.untrained is not None
            else ""
        )
        if reading.agreement is not None:
            beside += f"; the answer of goodness over all labels for {percent(reading.agreement)} % of them"
        click.echo(f"{found.split}, {name}: {percent(reading.accuracy)} % of {found.images:,} images{beside}")
        if reading.passes is not None:
            click.echo(f"{name}: {reading.passes:.2f} passes an image instead of {len(class_names)}")
        if reading.layers:
            click.echo("each layer alone: " + " ".join(percent(accuracy) for accuracy in reading.layers))
        per_class = [("–" if a is None else percent(a)) for a in reading.per_class]
        if len(class_names) <= FEW:
            rows = [
                [right, *map(str, row), accuracy]
                for right, row, accuracy in zip(class_names, reading.confusion, per_class, strict=True)
            ]
            output.print_table("right class by row, predicted by column", ("", *class_names, "%"), rows)
        else:
            order = sorted(range(len(class_names)), key=lambda k: (reading.per_class[k] is None, reading.per_class[k]))
            listed = ", ".join(f"{class_names[k]} {per_class[k]}" for k in order[:10])
            click.echo(f"least accurate classes: {listed} (--json has all, and the confusion matrix)")


def print_beside(runs: Sequence[Run], together: Evaluation) -> None:
    """Print what each of several runs reaches alone, as its results have it, above what they reach together."""
    names = list(dict.fromkeys(("goodness", "linear", *together.accuracies)))
    alone = {str(run.folder): getattr(run.results, together.split) for run in runs}
    rows = []
    for name, found in {**alone, "together": together}.items():
        readings = found.accuracies if found else {}
        rows.append([name, *(percent(readings[n].accuracy if n in readings else None) for n in names)])
    output.print_table(f"accuracy, %, {together.split}", ("run", *names), rows)


def percent(share: float | None) -> str:
    """Return a share in percent."""
    return "–" if share is None else f"{100 * share:.1f}"


def duration(seconds: float | None) -> str:
    """Return seconds as h:mm:ss or m:ss."""
    return "–" if seconds is None else _time(seconds)


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
