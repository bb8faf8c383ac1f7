"""Start, resume and finish a run in its folder."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from fflabels.errors import FFLabelsError
from fflabels.files import write_whole
from fflabels.progress import Progress, silent
from fflabels.registry import running_no_files
from ffnet.data.dataset import Data
from ffnet.data.folders import with_range
from ffnet.data.load import check_range, load_data
from ffnet.evaluation.accuracy import evaluate
from ffnet.labels.choose import choose_labels
from ffnet.labels.kinds import offer_files
from ffnet.model.compute_type import with_dtype
from ffnet.prepare import check_drawing, check_evaluation, check_names, check_run, sets_of
from ffnet.runs import files
from ffnet.runs.checkpoint import name_last_checkpoint, newest_for, restore_state, save_state, write_checkpoint
from ffnet.runs.clock import TrainingClock
from ffnet.runs.finish import finish
from ffnet.runs.folder import Run, build, is_finished, load_run
from ffnet.runs.locks import BEGUN, locked, new_run_folder
from ffnet.runs.log import Log
from ffnet.runs.settings import (
    About,
    check_data,
    read_config,
    read_layer_labels,
    read_settings,
    record_machine,
    settings_digest,
    with_root,
)
from ffnet.runs.start import (
    Start,
    load_start_weights,
    mark_of,
    same_labels,
    start_from,
    starting_settings,
    with_absolute_paths,
    with_data,
)
from ffnet.system.devices import deterministic, memory_errors, resolve_device
from ffnet.system.ranks import Ranks, join_ranks
from ffnet.system.signals import Interrupted, Interrupts
from ffnet.training.learner import Learner, Metrics
from ffnet.training.loop import START, NotFiniteError, Position, check_finite, images_per_epoch, make_learner, steps


def _ignore(*_: Any) -> None:
    pass


@dataclass(frozen=True)
class Watcher:
    """Functions that a training calls on rank 0, so that others can follow it.

    Attributes
    ----------
    started
        Called with the run when training begins; its folder exists then.
    report
        Called after every epoch with its metrics, images per second and seconds left.
    progress
        Called with the name of the work being done, steps done, and steps in all.

    Examples
    --------
    >>> from ffnet.runs.session import Watcher
    >>> watcher = Watcher(report=lambda metrics: print(f"epoch {metrics['epoch']}"))
    >>> watcher.report({"epoch": 3, "loss": 0.5})
    epoch 3
    """

    started: Callable[[Run], None] = _ignore
    report: Callable[[Metrics], None] = _ignore
    progress: Progress = silent


def train(
    config: Start = None,
    *,
    dataset: str | None = None,
    labels: str | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    device: str | None = None,
    start: str | Path | Run | None = None,
    out: str | Path | None = None,
    data: Data | Dataset[Any] | None = None,
    watcher: Watcher | None = None,
    **settings: Any,
) -> Run:
    """Design the labels, train, fit the linear classifier, evaluate; the run folder keeps everything.

    Under torchrun the ranks train one net together, each on its share of every batch. All ranks must see the run
    folder. Only rank 0 writes it, calls the watcher and returns results.

    Parameters
    ----------
    config
        The settings, a preset or its name. Default: the quick preset of the data set, or the settings of `start`.
    dataset, epochs, seed, device
        The settings of these names; a data set's name or a folder of class folders.
    labels
        A labeler, a built-in set or a file: labels for the image, or codes.
    start
        A run whose layers the training starts from, on the same or other data and classes. Heads are fitted anew.
    out
        The run folder, new or empty; default: a new folder under ``runs/``.
    data
        `Data` or a PyTorch data set (`Data.from_dataset`). Default: loaded as the settings say.
    watcher
        Follows the training.
    **settings
        Other settings by their dotted names: ``**{"train.lr": 1e-3}``.

    Raises
    ------
    FFLabelsError
        When settings, labels and data do not fit each other, the loss is not finite, or memory or disk is full.
    Interrupted
        On SIGINT or SIGTERM, after the current step is done and saved.

    Examples
    --------
    >>> import tempfile, ffnet
    >>> small = {"data.limit": 100, "net.widths": [4, 4, 4]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = ffnet.train(ffnet.Config(labels="fourier:paper10"), epochs=1, out=folder, **small)
    ...     list(run.results.test.accuracies), run.test_reads
    (['goodness', 'linear'], 1)
    """
    # Decide the settings.
    watcher = watcher or Watcher()
    source = start if isinstance(start, Run) or start is None else load_run(start)
    values = {"train.epochs": epochs, "seed": seed, "device": device, **settings}
    if dataset is not None and data is not None:
        raise FFLabelsError("given twice", where="dataset", got=f"{dataset}, and data", hint="leave one of them out")
    preset, _, _, config = starting_settings(config, source, dataset=dataset, labels=labels, values=values)
    if labels is not None and config.algorithm != "ff":
        raise FFLabelsError("not used", where="labels", got=labels, expected=f"none with algorithm={config.algorithm}")
    offer_files(config, source.config if source else None)  # on all ranks; what only a run names is not run
    computing_device = resolve_device(config.device)
    config, data = with_data(with_absolute_paths(config), data, values)
    check_names(config)

    with Interrupts() as interrupts, memory_errors():
        ranks = join_ranks()
        if not ranks.first:
            # They wait until rank 0 has written the settings.
            return _continue(Path(ranks.broadcast_text()), ranks, interrupts, watcher, data=data)
        with new_run_folder(out, config) as folder:
            # Refuse what cannot be trained before the labels are designed; then build the net.
            check_range(config.data)
            config = config.replaced({"data.range": with_range(config.data).range})
            data = data or load_data(config.data)
            with running_no_files():
                kept = source if source and same_labels(source, config, data) else None
                layer_labels = kept.net.layer_labels if kept else None
                check_run(config, data, ranks, layer_labels)
                check_evaluation(config, data)
                config = with_dtype(config, computing_device, data.shape)
                chosen = kept.net.labels if kept else None
                if chosen is None and config.algorithm == "ff":
                    chosen = choose_labels(config, data, progress=watcher.progress)
                net = build(config, data.shape, chosen, data.classes, layer_labels).to(computing_device)
            check_drawing(net)
            about = About.of(data, computing_device, ranks.size, sets_of(net), started=mark_of(source))
            run = Run(folder, config, about, net)
            if source:
                start_from(source, net, data, folder)
            # Write what the run begins with, and train.
            if chosen:
                chosen.save(folder / files.LABELS)
            if net.layer_labels:
                net.layer_labels.save(folder / files.LAYER_LABELS)
            files.write_json(folder / files.ABOUT, run.about)
            origin = f"# preset {preset}\n".encode() if preset else b""
            write_whole(folder / files.CONFIG, origin + config.to_toml())  # last: a folder with this file holds a run
            (folder / BEGUN).unlink(missing_ok=True)
            ranks.broadcast_text(str(folder.resolve()))
            return _train(run, data, ranks, interrupts, watcher)


def resume(
    folder: str | Path,
    *,
    device: str | None = None,
    root: str | None = None,
    data: Data | None = None,
    watcher: Watcher | None = None,
    epochs: int | None = None,
) -> Run:
    """Continue a run that was stopped or killed; a finished run is returned as it is.

    On the same device the result is bit for bit that of a run that was never stopped.

    Parameters
    ----------
    folder
        The run folder.
    device
        Where to compute, instead of the device in the run's settings.
    root
        Where the data are now: the folder of torchvision's data sets, or the run's own folder of images.
    data
        The run's data set, loaded unless given.
    watcher
        Follows the training.
    epochs
        Refused: a run keeps its settings. ``train(start=folder, epochs=…)`` trains on.

    Raises
    ------
    FFLabelsError
        When the folder holds no run, another process works in it, the data set has changed, the labeler draws the
        labels otherwise than when the run began, or every checkpoint is damaged.

    Examples
    --------
    >>> import tempfile, ffnet
    >>> small = ["labels.set=fourier:paper10", "data.limit=100", "train.epochs=1", "net.widths=[4,4,4]"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = ffnet.train(ffnet.Config().override(small), out=folder)
    ...     ffnet.resume(folder).results == run.results  # already finished
    True
    """
    if epochs is not None:  # its learning rate has fallen already
        call = f"ffnet.train(start={str(folder)!r}, epochs={epochs})"
        raise FFLabelsError("a run keeps its settings", where="epochs", got=epochs, hint=f"{call} is a new run")
    folder = Path(folder)
    device = device or read_config(folder)[0].device
    if finished := is_finished(folder):
        try:
            return load_run(folder, device=device)
        except files.DamagedError as error:
            reason = str(error).removesuffix(f" ({files.REBUILD_HINT})")
            warnings.warn(f"{reason}; rebuilt", files.DamagedWarning, stacklevel=2)
    with Interrupts() as interrupts, memory_errors():
        ranks = join_ranks()
        with locked(folder) if ranks.first else nullcontext():
            ranks.broadcast_text()  # the others wait here until rank 0 has locked the folder
            if not finished and is_finished(folder):  # another process did it while this one waited
                return load_run(folder, device=device)
            return _continue(folder, ranks, interrupts, watcher or Watcher(), device, root, data)


def _continue(
    folder: Path,
    ranks: Ranks,
    interrupts: Interrupts,
    watcher: Watcher,
    device: str | None = None,
    root: str | None = None,
    data: Data | None = None,
) -> Run:
    """Train in a run folder that exists."""
    if ranks.first:
        files.remove_helpers(folder)
    config, about, labels = read_settings(folder, changed="refuse")
    data = check_data(data or load_data(with_root(config, root).data, about.data.splits), about, folder)
    with running_no_files():
        layer_labels = read_layer_labels(folder, changed="refuse")
        check_run(config, data, ranks, layer_labels)
        net = build(config, data.shape, labels, data.classes, layer_labels)
    check_evaluation(config, data)
    net = net.to(resolve_device(device or config.device))
    check_drawing(net)
    if about.started or (folder / files.STARTED).exists():
        load_start_weights(net, folder)
    return _train(Run(folder, config, about, net), data, ranks, interrupts, watcher)


def _train(run: Run, data: Data, ranks: Ranks, interrupts: Interrupts, watcher: Watcher) -> Run:
    """Train from the newest checkpoint on, then finish the run. Only rank 0 writes, logs and calls the watcher."""
    config, net = run.config, run.net
    train = data.train.to(net.device)

    # Where training starts.
    learner, start = make_learner(net, len(train), ranks), START
    settings = settings_digest(run.folder)
    if newest := newest_for(run.folder, settings, ranks):
        state, start = newest
        restore_state(net, learner, state)
    log = Log(run.folder, start.epoch) if ranks.first else None
    if log:
        run.about = record_machine(run.folder, run.about, net.device, ranks.size, start)
        run.metrics = log.metrics
        watcher.started(run)
    clock = TrainingClock(config, images_per_epoch(config, train), start)
    if log and start != START:
        log.timing(f"resumed after step {start.step} of epoch {start.epoch + 1}", seconds=0, cpu_seconds=0)

    # Train step by step: log each epoch, save when a checkpoint is due, stop when a signal asked for it.
    with deterministic(), name_last_checkpoint(run.folder), interrupts.put_off():
        for position, metrics in steps(learner, config, train, data.classes, start):
            if log and metrics:
                pace = clock.pace(position)
                log.timing(f"epoch {position.epoch}", **pace)
                if validation := _validation_metrics(run, data, position):
                    metrics |= validation
                    log.timing(f"validation after epoch {position.epoch}", **clock.lap())
                log.epoch(metrics)
            # The ranks agree on signals and on the time: all save, and stop, after the same step.
            is_due = clock.since_saved >= config.train.checkpoint_seconds
            signum, due = (int(number) for number in ranks.largest_of(interrupts.asked or 0, is_due))
            if log and signum and not metrics:
                log.timing(f"part of epoch {position.epoch + 1}", **clock.pace(position))
            if metrics or signum or due:
                _save_checkpoint(run, learner, position, settings, ranks)
                clock.saved()
            if signum:
                raise Interrupted(signum)
            if log:
                watcher.progress("training", clock.done(position), clock.total)
                if metrics:
                    speed = pace["images_per_second"]
                    watcher.report({**metrics, "images_per_second": speed, "seconds_left": clock.left(position)})
    return finish(run, data, log, watcher.progress) if log else run


def _validation_metrics(run: Run, data: Data, position: Position) -> Metrics:
    """Return the validation accuracy if ``train.validate_every`` asks for it after this epoch, else nothing."""
    every = run.config.train.validate_every
    if not every or position.epoch % every or not len(data.validation):
        return {}
    inference = "goodness" if run.labels else None
    (validation,) = evaluate(run.net, data, "validation", inference=inference).accuracies.values()
    layers = {"validation_layers": validation.layers} if validation.layers else {}
    return {"validation": validation.accuracy, **layers}


def _save_checkpoint(run: Run, learner: Learner, position: Position, settings: str, ranks: Ranks) -> None:
    """Write a checkpoint on rank 0. Every rank refuses a state that is not finite."""
    check_finite(learner, position.epoch)
    state = save_state(run.net, learner)
    for name, tensor in state.items():
        if not tensor.isfinite().all():
            raise NotFiniteError(f"{name} is not finite", position.epoch, position.step)
    if ranks.first:
        write_checkpoint(run.folder / files.CHECKPOINTS, state, position, settings)
