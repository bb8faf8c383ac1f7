"""Work in a run folder: begin, go on after any end, finish."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import filelock
import torch

from fflabels.errors import FFLabelsError
from fflabels.files import write_whole
from fflabels.progress import Progress, silent
from ffnet.checkpoint import newest_checkpoint, restore_state, save_state, write_checkpoint
from ffnet.config import Config, Inference
from ffnet.data import Data, load_data
from ffnet.devices import memory_errors, resolve_device, with_dtype
from ffnet.interrupts import Interrupted, Interrupts
from ffnet.learner import Learner, Metrics, make_learner
from ffnet.log import Log
from ffnet.metrics import evaluate, untrained
from ffnet.network import FFNet
from ffnet.run import (
    ABOUT,
    CHECKPOINTS,
    CONFIG,
    CONTROL,
    LABELS,
    MODEL,
    RESULTS,
    About,
    Results,
    Run,
    build,
    checked,
    load_run,
    read_settings,
    save_weights,
    with_root,
    write_json,
)
from ffnet.training import START, NotFiniteError, Position, check_finite, fit_linear, images_an_epoch, label_set, steps

RUNS = Path("runs")
"""Where runs go that are given no folder."""

Report: TypeAlias = Callable[[Metrics], None]
Started: TypeAlias = Callable[[Run], None]


def train(
    config: Config | None = None,
    *,
    out: str | Path | None = None,
    data: Data | None = None,
    started: Started | None = None,
    report: Report | None = None,
    progress: Progress = silent,
) -> Run:
    """Design the labels, train, fit the classifier, evaluate; everything is kept in the run folder.

    Parameters
    ----------
    config
        The settings; the defaults train on the embedded digits.
    out
        The run folder, new or empty; one under ``runs/`` unless given.
    data
        Read as the settings say unless given.
    started
        Called with the run when its folder is there and training begins.
    report
        Called after every epoch with its figures, images a second and seconds left.
    progress
        Called with what is being done, steps done, and steps in all.

    Raises
    ------
    FFLabelsError
        For settings, labels and data that do not fit each other, a loss that is not finite, memory or disk exhausted.
    Interrupted
        On SIGINT or SIGTERM, after the step was finished and saved.
    """
    config = config or Config()
    device = resolve_device(config.device)
    config = _with_absolute_paths(with_dtype(config, device))
    folder = _new_folder(out, config)
    with Interrupts() as interrupts, memory_errors():
        data = data or load_data(config.data)
        labels = label_set(config, data, progress=progress) if config.algorithm == "ff" else None
        net = build(config, data.shape, labels, data.classes).to(device)
        if isinstance(net, FFNet):
            net.embedder  # noqa: B018 - draws the labels: those that do not fit are refused before there is a folder
        run = Run(folder, config, About.of(data, device), net)
        with _locked(folder):
            if labels:
                labels.save(folder / LABELS)
            write_json(folder / ABOUT, run.about)
            write_whole(folder / CONFIG, config.to_toml())  # the last: with it, there is a run
            if started:
                started(run)
            return _work(run, data, interrupts, report, progress)


def resume(
    folder: str | Path,
    *,
    device: str | None = None,
    root: str | None = None,
    data: Data | None = None,
    started: Started | None = None,
    report: Report | None = None,
    progress: Progress = silent,
) -> Run:
    """Go on with a run that was stopped or killed, as if it had not been; a finished one is returned as it is.

    Parameters
    ----------
    folder
        The run's.
    device, root
        Instead of what the run's settings say: where to compute, and the folder of torchvision's data sets.
    data, started, report, progress
        As for `train`.

    Raises
    ------
    FFLabelsError
        When there is no run, another process works in it, its data set has changed, or no checkpoint is good.
    """
    folder = Path(folder)
    config, about, labels = read_settings(folder)
    device = device or config.device
    if (folder / RESULTS).exists():
        return load_run(folder, device=device)
    with Interrupts() as interrupts, memory_errors(), _locked(folder):
        data = checked(data or load_data(with_root(config, root).data), about, folder)
        net = build(config, data.shape, labels, data.classes).to(resolve_device(device))
        run = Run(folder, config, about, net)
        if started:
            started(run)
        return _work(run, data, interrupts, report, progress)


def _work(run: Run, data: Data, interrupts: Interrupts, report: Report | None, progress: Progress) -> Run:
    """Train from the newest checkpoint on, then finish."""
    config, net = run.config, run.net
    train = data.train.to(next(net.parameters()).device)
    learner, start = make_learner(net, len(train)), START
    if found := newest_checkpoint(run.folder / CHECKPOINTS):
        state, start = found
        restore_state(net, learner, state)
    log, timer = Log(run.folder, start.epoch), _Timer(config, images_an_epoch(config, train), start)
    with _deterministic(), interrupts.put_off(), _last_good_state_named(run.folder):
        for position, metrics in steps(learner, config, train, data.classes, start):
            if metrics:
                metrics |= _validated(run, data, position)
                log.epoch(metrics)
                speed = timer.speed
                log.timing(f"epoch {position.epoch}", images_per_second=round(speed, 1), **timer.lap())
            if metrics or interrupts.asked or timer.since_saved >= config.train.checkpoint_seconds:
                _save(run, learner, position)
                timer.saved()
            if interrupts.asked:
                raise Interrupted(interrupts.asked)
            progress("training", timer.done(position), timer.total)
            if metrics and report:
                report({**metrics, "images_per_second": speed, "seconds_left": timer.left(position)})
    return _finish(run, data, log, progress)


def _finish(run: Run, data: Data, log: Log, progress: Progress) -> Run:
    """Fit the classifier to the trained net and to the untrained one, and read every split once."""
    net, clock, control = run.net, _Clock(), None
    net.eval()
    if isinstance(net, FFNet):
        net.readout = fit_linear(net, data.train.to(net.device), progress=progress)
        log.timing("linear classifier", **clock.lap())
        control = untrained(net, data, progress=progress)
        log.timing("untrained net", **clock.lap())
        save_weights(control, run.folder / CONTROL)
    save_weights(net, run.folder / MODEL)
    progress("evaluation", 0, 2)
    validation = evaluate(net, data, "validation", control=control) if len(data.validation) else None
    progress("evaluation", 1, 2)
    test = evaluate(net, data, "test", control=control)
    progress("evaluation", 2, 2)
    log.timing("evaluation", **clock.lap())
    run.metrics, run.results = log.metrics, Results(validation, test, test_reads=1)
    write_json(run.folder / RESULTS, run.results)
    return run


def _validated(run: Run, data: Data, position: Position) -> Metrics:
    """Return the accuracy on the validation images where it is due after an epoch."""
    every = run.config.train.validate_every
    if not every or position.epoch % every or not len(data.validation):
        return {}
    inference: Inference | None = "goodness" if isinstance(run.net, FFNet) else None
    (reading,) = evaluate(run.net, data, "validation", inference=inference).readings.values()
    return {"validation": reading.accuracy} | ({"validation_layers": reading.layers} if reading.layers else {})


def _save(run: Run, learner: Learner, position: Position) -> None:
    """Write a checkpoint, unless something in it is not finite."""
    check_finite(learner, position.epoch)
    state = save_state(run.net, learner)
    for name, tensor in state.items():
        if not tensor.isfinite().all():
            raise NotFiniteError(f"{name} is not finite", position.epoch, position.step)
    write_checkpoint(run.folder / CHECKPOINTS, state, position)


@contextmanager
def _last_good_state_named(folder: Path) -> Iterator[None]:
    try:
        yield
    except NotFiniteError as error:
        kept = sorted((folder / CHECKPOINTS).glob("*.safetensors"))
        where = f"the last good state is {kept[-1]}" if kept else "it came before the first checkpoint"
        raise FFLabelsError(f"{error}; {where}") from None


def _with_absolute_paths(config: Config) -> Config:
    """Return the configuration with the data's paths absolute, so that a run goes on from any working directory."""
    found = {"data.root": config.data.root, "data.name": config.data.name if Path(config.data.name).is_dir() else None}
    return config.override([f"{key}={json.dumps(str(Path(p).resolve()))}" for key, p in found.items() if p])


def _new_folder(out: str | Path | None, config: Config) -> Path:
    """Return the folder of a new run, refusing one that holds something."""
    if out is None:
        labels = config.labels.set if config.algorithm == "ff" else "bp"
        labels = Path(labels).stem if Path(labels).exists() else labels.replace(":", "-")
        name = f"{Path(config.data.name).name}-{labels}-{config.seed}"
        names = (RUNS / (name if k == 1 else f"{name}-{k}") for k in itertools.count(1))
        return next(path for path in names if not path.exists())
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        hint = "ffnet resume goes on with it" if (folder / CONFIG).exists() else "choose another"
        raise FFLabelsError("not a new or empty folder", where=f"out {folder}", hint=hint)
    return folder


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a run folder, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".lock", timeout=0):
            yield
    except filelock.Timeout:
        raise FFLabelsError("another process is at work there", where=str(folder)) from None


@contextmanager
def _deterministic() -> Iterator[None]:
    """Let convolutions on a GPU add in a fixed order: a resumed run equals one that was left alone."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        yield


class _Clock:
    """Seconds on the clock, and of the processor, lap by lap."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def lap(self) -> dict[str, float]:
        """Return the seconds since the last lap."""
        wall, cpu = self.wall, self.cpu
        self.wall, self.cpu = time.perf_counter(), time.process_time()
        return {"seconds": self.wall - wall, "cpu_seconds": self.cpu - cpu}


class _Timer(_Clock):
    """How fast training goes, how long it takes yet, and how old the last checkpoint is."""

    def __init__(self, config: Config, images: int, first: Position) -> None:
        super().__init__()
        self.images, self.steps = images, max(1, images // config.train.batch)
        self.total = config.train.epochs * self.steps
        self.first, self.began = self.done(first), self.wall
        self.saved()

    def done(self, position: Position) -> int:
        """Return how many steps are done."""
        return position.epoch * self.steps + position.step

    @property
    def speed(self) -> float:
        """Images a second in this epoch."""
        return self.images / max(time.perf_counter() - self.wall, 1e-9)

    def left(self, position: Position) -> float:
        """Return the seconds that training will take yet, at the mean speed so far."""
        past, new = time.perf_counter() - self.began, self.done(position) - self.first
        return past / max(new, 1) * (self.total - self.done(position))

    def saved(self) -> None:
        """Note that a checkpoint was written."""
        self._saved = time.monotonic()

    @property
    def since_saved(self) -> float:
        """Seconds since the last checkpoint."""
        return time.monotonic() - self._saved
