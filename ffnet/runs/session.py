"""Work in a run folder: begin, go on after any end, finish."""

from __future__ import annotations

import itertools
import math
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TypeAlias

import filelock
import torch
from torch import Tensor

from fflabels.errors import FFLabelsError
from fflabels.files import write_whole
from fflabels.progress import Progress, silent
from ffnet.config import Config, Inference
from ffnet.data.dataset import Data
from ffnet.data.load import KNOWN, load_data
from ffnet.evaluation.accuracy import evaluate, untrained
from ffnet.inference.weights import check_validation
from ffnet.labels.embed import check_cache
from ffnet.model.net import FFNet
from ffnet.presets import Preset, load_preset
from ffnet.runs.checkpoint import newest_checkpoint, restore_state, save_state, write_checkpoint
from ffnet.runs.folder import (
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
    is_finished,
    load_run,
    read_settings,
    save_weights,
    settings_digest,
    with_root,
    write_json,
)
from ffnet.runs.log import Log
from ffnet.system.devices import memory_errors, resolve_device, with_dtype
from ffnet.system.ranks import Ranks, join
from ffnet.system.signals import Interrupted, Interrupts
from ffnet.training.forward_forward import Learner, Metrics, check_ranks, make_learner
from ffnet.training.loop import (
    START,
    NotFiniteError,
    Position,
    check_channel_images,
    check_finite,
    check_names,
    check_trainable,
    fit_calibration,
    fit_channels,
    fit_linear,
    images_an_epoch,
    label_set,
    steps,
)

RUNS = Path("runs")
"""Where runs go that are given no folder."""

LOCK = ".lock"
"""Held by the process that works in a run folder."""

Report: TypeAlias = Callable[[Metrics], None]
Started: TypeAlias = Callable[[Run], None]


def train(
    config: Config | Preset | str | None = None,
    *,
    out: str | Path | None = None,
    data: Data | None = None,
    started: Started | None = None,
    report: Report | None = None,
    progress: Progress = silent,
) -> Run:
    """Design the labels, train, fit the classifier, evaluate; everything is kept in the run folder.

    Under torchrun the ranks train one net together, on shares of every batch. The first one alone writes the folder,
    which all must see, and calls `started`, `report` and `progress`; it alone returns results.

    Parameters
    ----------
    config
        The settings, or a preset or its name; ``quick-digits``, on the embedded digits, unless given.
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
    config = "quick-digits" if config is None else config
    config = load_preset(config) if isinstance(config, str) else config
    config = config.config if isinstance(config, Preset) else config
    device = resolve_device(config.device)
    config = with_absolute_paths(with_dtype(config, device))
    check_names(config)
    with Interrupts() as interrupts, memory_errors():
        ranks = join()
        if not ranks.first:
            return _go_on(Path(ranks.told()), ranks, interrupts, data=data)
        with _claimed(out, config) as folder:
            data = data or load_data(config.data)
            check_trainable(data)
            check_validation(config, data)
            check_ranks(config, len(data.train), ranks)
            labels = label_set(config, data, progress=progress) if config.algorithm == "ff" else None
            net = build(config, data.shape, labels, data.classes).to(device)
            if isinstance(net, FFNet):
                check_channel_images(net, data)
                check_cache(net.labels, data.train.images, config.labels.cache or math.inf)
                net.embedder  # noqa: B018 - draws the labels: those that do not fit are refused before there is a run
            run = Run(folder, config, About.of(data, device, ranks.size), net)
            if labels:
                labels.save(folder / LABELS)
            write_json(folder / ABOUT, run.about)
            write_whole(folder / CONFIG, config.to_toml())  # the last: with it, there is a run
            ranks.told(str(folder.resolve()))
            return _work(run, data, ranks, interrupts, started, report, progress)


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
        Instead of what the run's settings say: where to compute, and where the data are, torchvision's or the images.
    data, started, report, progress
        As for `train`.

    Raises
    ------
    FFLabelsError
        When there is no run, another process works in it, its data set has changed, or no checkpoint is good.
    """
    folder = Path(folder)
    device = device or read_settings(folder)[0].device
    if is_finished(folder):
        return load_run(folder, device=device)
    with Interrupts() as interrupts, memory_errors():
        ranks = join()
        with _locked(folder) if ranks.first else nullcontext():
            ranks.told()  # that the first one holds the folder
            return _go_on(folder, ranks, interrupts, device, root, data, started, report, progress)


def _go_on(
    folder: Path,
    ranks: Ranks,
    interrupts: Interrupts,
    device: str | None = None,
    root: str | None = None,
    data: Data | None = None,
    started: Started | None = None,
    report: Report | None = None,
    progress: Progress = silent,
) -> Run:
    """Train in a run folder that is there."""
    config, about, labels = read_settings(folder)
    data = checked(data or load_data(with_root(config, root).data), about, folder)
    net = build(config, data.shape, labels, data.classes).to(resolve_device(device or config.device))
    return _work(Run(folder, config, about, net), data, ranks, interrupts, started, report, progress)


def _work(
    run: Run,
    data: Data,
    ranks: Ranks,
    interrupts: Interrupts,
    started: Started | None,
    report: Report | None,
    progress: Progress,
) -> Run:
    """Train from the newest checkpoint on, then finish; only the first rank has a diary, writes and reports."""
    config, net = run.config, run.net
    train = data.train.to(next(net.parameters()).device)
    learner, start = make_learner(net, len(train), ranks), START
    settings = settings_digest(run.folder)
    if found := _newest_checkpoint(run, settings, ranks):
        state, start = found
        restore_state(net, learner, state)
    log = Log(run.folder, start.epoch) if ranks.first else None
    if log:
        run.metrics = log.metrics
        if started:
            started(run)
    timer = _Timer(config, images_an_epoch(config, train), start)
    if log and start != START:
        log.timing(f"resumed after step {start.step} of epoch {start.epoch + 1}", seconds=0, cpu_seconds=0)
    with _deterministic(), _last_good_state_named(run.folder), interrupts.put_off():
        for position, metrics in steps(learner, config, train, data.classes, start):
            if log and metrics:
                pace = timer.pace(position)
                log.timing(f"epoch {position.epoch}", **pace)
                if reading := _validated(run, data, position):
                    metrics |= reading
                    log.timing(f"validation after epoch {position.epoch}", **timer.lap())
                log.epoch(metrics)
            late = timer.since_saved >= config.train.checkpoint_seconds
            asked, due = (int(said) for said in ranks.agree(interrupts.asked or 0, late))
            if log and asked and not metrics:
                log.timing(f"part of epoch {position.epoch + 1}", **timer.pace(position))
            if metrics or asked or due:
                _save(run, learner, position, settings, ranks)
                timer.saved()
            if asked:
                raise Interrupted(asked)
            if log:
                progress("training", timer.done(position), timer.total)
                if metrics and report:
                    speed = pace["images_per_second"]
                    report({**metrics, "images_per_second": speed, "seconds_left": timer.left(position)})
    return _finish(run, data, log, progress) if log else run


def _newest_checkpoint(run: Run, settings: str, ranks: Ranks) -> tuple[dict[str, Tensor], Position] | None:
    """Return what training goes on from; the first rank sets damaged checkpoints aside before the others look."""
    if not ranks.first:
        ranks.told()
    found = newest_checkpoint(run.folder / CHECKPOINTS, settings, set_aside=ranks.first)
    if ranks.first:
        ranks.told()
    return found


def _finish(run: Run, data: Data, log: Log, progress: Progress) -> Run:
    """Fit the classifier to the trained net and to the untrained one, and read every split once."""
    net, clock, control = run.net, _Clock(), None
    net.eval()
    if isinstance(net, FFNet):
        net.readout = fit_linear(net, data.train.to(net.device), progress=progress)
        log.timing("linear classifier", **clock.lap())
        net.calibration = fit_calibration(net, data)
        net.channel_weight = fit_channels(net, data.train)
        log.timing("weights of goodness", **clock.lap())
        control = untrained(net, data, progress=progress)
        log.timing("untrained net", **clock.lap())
        save_weights(control, run.folder / CONTROL)
    save_weights(net, run.folder / MODEL)
    progress("evaluation", 0, 2)
    validation = evaluate(net, data, "validation", control=control) if len(data.validation) else None
    progress("evaluation", 1, 2)
    run.count_test_read()
    test = evaluate(net, data, "test", control=control)
    progress("evaluation", 2, 2)
    log.timing("evaluation", **clock.lap())
    run.results = Results(validation, test)
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


def _save(run: Run, learner: Learner, position: Position, settings: str, ranks: Ranks) -> None:
    """Write a checkpoint, unless something in it is not finite; every rank brings its part of the state."""
    check_finite(learner, position.epoch)
    state = save_state(run.net, learner)
    for name, tensor in state.items():
        if not tensor.isfinite().all():
            raise NotFiniteError(f"{name} is not finite", position.epoch, position.step)
    if ranks.first:
        write_checkpoint(run.folder / CHECKPOINTS, state, position, settings)


@contextmanager
def _last_good_state_named(folder: Path) -> Iterator[None]:
    try:
        yield
    except NotFiniteError as error:
        kept = sorted((folder / CHECKPOINTS).glob("*.safetensors"))
        where = f"the last good state is {kept[-1]}" if kept else "it came before the first checkpoint"
        raise FFLabelsError(f"{error}; {where}") from None


def with_absolute_paths(config: Config) -> Config:
    """Return the configuration with the data's paths absolute, so that a run goes on from any working directory."""
    name, root = config.data.name, config.data.root
    found = {"data.root": root, "data.name": name if name not in KNOWN and Path(name).is_dir() else None}
    return config.replaced({key: str(Path(path).expanduser().resolve()) for key, path in found.items() if path})


@contextmanager
def _claimed(out: str | Path | None, config: Config) -> Iterator[Path]:
    """Make the folder of a new run and hold it; where no run comes of it, it is as it was before."""
    folder, made = _new_folder(out, config)
    try:
        with _locked(folder):
            if others := [p for p in folder.iterdir() if p.name != LOCK]:
                hint = "ffnet resume goes on with it" if (folder / CONFIG).exists() else "choose another"
                raise FFLabelsError(
                    "not a new or empty folder", where=f"out {folder}", got=f"{len(others)} files", hint=hint
                )
            yield folder
    except BaseException:
        if made and not (folder / CONFIG).exists():
            shutil.rmtree(folder, ignore_errors=True)
            if folder.parent == RUNS and not any(RUNS.iterdir()):
                RUNS.rmdir()
        raise


def _new_folder(out: str | Path | None, config: Config) -> tuple[Path, bool]:
    """Return the folder of a new run, and whether it was made just now."""
    if out is not None:
        folder = Path(out)
        there = folder.exists()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FFLabelsError(f"cannot be made: {error.strerror or error}", where=f"out {folder}") from error
        return folder, not there
    labels = config.labels.set if config.algorithm == "ff" else "bp"
    labels = Path(labels).stem if Path(labels).is_file() else re.sub(r"[:/]", "-", re.sub(r".*\.py:", "", labels))
    name = f"{Path(config.data.name).name}-{labels}-{config.seed}"
    for k in itertools.count(1):
        folder = RUNS / (name if k == 1 else f"{name}-{k}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise FFLabelsError(f"cannot be made: {error.strerror or error}", where=str(folder)) from error
        return folder, True
    raise AssertionError


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a run folder."""
    lock = filelock.FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise FFLabelsError("another process is at work there", where=str(folder)) from None
    except OSError as error:
        raise FFLabelsError(f"cannot be written: {error.strerror or error}", where=str(folder)) from error
    try:
        yield
    finally:
        lock.release()


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
        self.batch = min(config.train.batch, images)
        self.steps = max(1, images // self.batch)
        self.total = config.train.epochs * self.steps
        self.first = self.at_lap = self.done(first)
        self.began = self.wall
        self.saved()

    def done(self, position: Position) -> int:
        """Return how many steps are done."""
        return position.epoch * self.steps + position.step

    def pace(self, position: Position) -> dict[str, float]:
        """Return the seconds since the last lap, spent on training, and how many images a second they took."""
        images, self.at_lap = (self.done(position) - self.at_lap) * self.batch, self.done(position)
        lap = self.lap()
        return {**lap, "images": images, "images_per_second": round(images / max(lap["seconds"], 1e-9), 1)}

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
