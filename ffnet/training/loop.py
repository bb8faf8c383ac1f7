"""The loop: label set, epochs of steps, classifier."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from fflabels import LabelSet, References, assign, design, get_labeler, registry
from fflabels.errors import FFLabelsError
from fflabels.images import MAX_PIXELS, of_each_class
from fflabels.labelset import open_set
from fflabels.observer import DEFAULT_INTENSITY
from fflabels.progress import Progress, silent
from ffnet.config import Config, TrainConfig
from ffnet.data.dataset import Data, Split
from ffnet.inference.linear import Readout, fit_readout
from ffnet.inference.passes import channel_count, channel_logs, features, layer_goodness
from ffnet.inference.weights import (
    IMAGES,
    Calibration,
    calibration_of,
    check_validation,
    fit_channel_weights,
    is_wanted,
)
from ffnet.labels.embed import unit
from ffnet.labels.waves import code
from ffnet.model.goodness import get_goodness
from ffnet.model.net import FFNet, build_layers
from ffnet.training.forward_forward import Draws, Learner, Metrics, make_learner
from ffnet.training.losses import get_loss

CHANNEL_BYTES = 4 << 30
"""What every label leaves in the channels may take so much memory, where weights of channels are fitted."""

REFERENCES = 64
"""Training images that a set is designed on."""

LOOKED_AT = 10_000
"""Training images that tell which classes look alike."""


def references_of(data: Data) -> References:
    """Return the images that sets are designed and scored on: the first of the training images."""
    return References(unit(data.train.images[:REFERENCES]).numpy(), data.name)


def label_set(config: Config, data: Data, *, progress: Progress = silent) -> LabelSet:
    """Return the label set of a configuration: designed on the first training images, built in, or read from a file.

    With ``labels.assign = "alike"`` labels that are alike go to classes that look alike, by training images.
    A set that was scored at another shape is scored anew, at the data set's.

    Raises
    ------
    FFLabelsError
        When it has not one label a class, or the settings do not fit the data (before anything is designed).
    """
    check_fits(config, data)
    chosen = config.labels
    references = references_of(data)
    intensity = chosen.intensity or DEFAULT_INTENSITY
    if not is_labeler(chosen.set):
        labels = open_set(chosen.set)
        if chosen.n not in (None, len(labels)):
            raise FFLabelsError(
                "a set of another size", where=f"labels {chosen.set}", got=len(labels), expected=f"{chosen.n}"
            )
    else:
        count = chosen.n or data.classes
        labels = design(
            get_labeler(chosen.set, **chosen.params),
            count,
            candidates=max(chosen.candidates, count),
            shape=data.shape,
            metric=chosen.metric,
            method=chosen.method,
            seed=config.seed,
            intensity=intensity,
            references=references,
            progress=progress,
        )
    _check_count(config, len(labels), data)
    if chosen.assign == "alike":
        labels = assign(labels, _classed(data), seed=config.seed, progress=progress)
    if labels.scores is None or labels.shape != data.shape:
        report = labels.score(data.shape, references, intensity=intensity, progress=progress)
        labels = LabelSet(labels.recipes, labels.labeler, labels.provenance, report.scores)
    return labels


def check_fits(config: Config, data: Data) -> None:
    """Refuse settings of a forward–forward net that do not fit the data, before labels are designed."""
    check_names(config)
    check_trainable(data)
    build_layers(config, data.shape, offered=config.net.offered)
    if config.labels.n and is_labeler(config.labels.set):
        _check_count(config, config.labels.n, data)
    if config.net.offered_waves:
        code(data.classes, config.net.offered_waves, config.seed)
    missing = np.setdiff1d(np.arange(data.classes), data.train.classes.numpy())
    if config.labels.assign == "alike" and len(missing):
        raise FFLabelsError(
            "a class without a training image", where="labels.assign", got=f"class {missing[0]} of {data.name}",
            hint="raise data.limit, or set labels.assign=order",
        )  # fmt: skip


def _check_count(config: Config, count: int, data: Data) -> None:
    if count != data.classes:
        raise FFLabelsError(
            "not one label a class", where=f"labels {config.labels.set}", got=count,
            expected=f"{data.classes} for {data.name}",
        )  # fmt: skip


def _classed(data: Data) -> References:
    """Return training images of all classes, as many of each where there are."""
    classes, most = data.train.classes.numpy(), min(LOOKED_AT, MAX_PIXELS // math.prod(data.shape))
    among = of_each_class(classes, max(1, most // data.classes))
    return References(unit(data.train.images[torch.from_numpy(among)]).numpy(), data.name, classes[among])


def is_labeler(name: str) -> bool:
    """Return whether a name means a labeler, ``path/to/file.py:Class`` too; else it means a built-in set or a file."""
    if registry.IN_A_FILE.fullmatch(name):
        return True
    try:
        registry.find(name)
    except FFLabelsError:
        return not (":" in name or "/" in name or Path(name).suffix == ".json" or Path(name).is_file())
    return True


def learning_rate(train: TrainConfig, epoch: int, progress: float) -> float:
    """Return the rate of an epoch (from 0) when the share `progress` of all steps is done.

    ``cooldown``: lr in the first half, then lr(e) = 2·lr/E·(1 + E − e), e from 1 (paper).
    """
    match train.schedule:
        case "cooldown":
            e = epoch + 1
            return train.lr if e <= train.epochs / 2 else 2 * train.lr / train.epochs * (1 + train.epochs - e)
        case "linear":
            return train.lr * (1 - progress)
        case "cosine":
            return train.lr * 0.5 * (1 + math.cos(math.pi * progress))
    return train.lr


class Position(NamedTuple):
    """How far training has come: epochs done, and steps done of the next one. All draws follow from it."""

    epoch: int = 0
    step: int = 0


START = Position()


def steps(
    learner: Learner, config: Config, train: Split, classes: int, start: Position = START
) -> Iterator[tuple[Position, Metrics | None]]:
    """Train, step by step; yield the position after each, and an epoch's figures where one has ended.

    Parameters
    ----------
    learner
        Of the net that is trained, in the state that it had at `start`.
    config
        Decides epochs, batch, schedule and, with the seed, every draw.
    train
        On the net's device.
    classes
        How many there are.

    Raises
    ------
    NotFiniteError
        When a loss is not finite: says in which epoch and step.
    """
    first = start.step
    for epoch in range(start.epoch, config.train.epochs):
        draws = Draws(config, train.classes, classes, epoch, labels_on=learner.labels_on)
        for k in range(first, len(draws)):
            progress = (epoch + k / len(draws)) / config.train.epochs
            for group in learner.optimizer.param_groups:
                group["lr"] = learning_rate(config.train, epoch, progress)
            learner.step(train, draws, k)
            if k + 1 < len(draws):
                yield Position(epoch, k + 1), None
        check_finite(learner, epoch)
        yield Position(epoch + 1), {"epoch": epoch + 1, **learner.epoch_metrics()}
        first = 0


class NotFiniteError(FFLabelsError):
    """Training has left the finite numbers."""

    def __init__(self, what: str, epoch: int, step: int) -> None:
        hint = "lower train.lr, or compute in float32"
        where = f"epoch {epoch + 1}, step {step}" if step else f"after epoch {epoch}"
        super().__init__(what, where=where, hint=hint)


def check_finite(learner: Learner, epoch: int) -> None:
    """Raise an error that names the step at which the loss ceased to be finite; waits for the device."""
    if (step := learner.first_bad_step()) is not None:
        raise NotFiniteError("the loss is not finite", epoch, step)


def fit(net: nn.Module, data: Data, *, report: Callable[[Metrics], None] | None = None) -> list[Metrics]:
    """Train a net, and then, for a forward-forward net, its linear classifier; return each epoch's figures.

    For a run folder, checkpoints and accuracies see `ffnet.train`.

    Parameters
    ----------
    net
        `FFNet` or `BPNet`, on the device to train on; changed in place. Order and negatives depend on its
        configuration's seed and the epoch alone.
    data
        Only its training split is looked at, and its validation split where goodness is to be corrected.
    report
        Called after every epoch with its figures and images a second.

    Raises
    ------
    NotFiniteError
        When a loss is not finite: says in which epoch and step.
    """
    config = cast(FFNet, net).config
    check_trainable(data)
    check_validation(config, data)
    if isinstance(net, FFNet):
        check_channel_images(net, data)
    train = data.train.to(next(net.parameters()).device)
    history: list[Metrics] = []
    begin = time.perf_counter()
    for _, metrics in steps(make_learner(net, len(train)), config, train, data.classes):
        if metrics is None:
            continue
        history.append(metrics)
        if report:
            report({**metrics, "images_per_second": images_an_epoch(config, train) / (time.perf_counter() - begin)})
        begin = time.perf_counter()
    net.eval()
    if isinstance(net, FFNet):
        net.readout = fit_linear(net, train)
        net.calibration = fit_calibration(net, data)
        net.channel_weight = fit_channels(net, train)
    return history


def check_names(config: Config) -> None:
    """Refuse a goodness or a loss that nobody registered, before anything is made."""
    get_goodness(config.train.goodness)
    get_loss(config.train.loss)


def check_trainable(data: Data) -> None:
    """Refuse a data set without training images."""
    if not len(data.train):
        raise FFLabelsError("no training images", where=f"data set {data.name}")


def images_an_epoch(config: Config, train: Split) -> int:
    """Return how many images an epoch sees: whole batches."""
    batch = min(config.train.batch, len(train))
    return len(train) // batch * batch


def fit_calibration(net: FFNet, data: Data) -> Calibration | None:
    """Return what a trained net's goodness is corrected by, fitted on validation images; None where it is not."""
    if not is_wanted(net.config):
        return None
    check_validation(net.config, data)
    part = data.validation[:IMAGES]
    return calibration_of(layer_goodness(net, part.images), part, net.counted, net.config.inference)


def fit_channels(net: FFNet, train: Split) -> Tensor | None:
    """Return the weights of a net's channels, fitted to ``inference.channel_images`` training images, or None."""
    count = min(net.config.inference.channel_images, len(train))
    if not count:
        return None
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(net.config.seed))
    few = order[:count].to(train.images.device)
    return fit_channel_weights(channel_logs(net, train.images[few]), train.classes[few].to(net.device))


def check_channel_images(net: FFNet, data: Data) -> None:
    """Refuse to fit weights of channels to more than fits memory, before any training."""
    images, channels = min(net.config.inference.channel_images, len(data.train)), channel_count(net)
    fit = CHANNEL_BYTES // (4 * data.classes * channels)
    if images > fit:
        raise FFLabelsError(
            "too many images", where="inference.channel_images", got=images,
            expected=f"at most {fit} with {data.classes} labels and {channels} channels",
        )  # fmt: skip


@torch.no_grad()
def fit_linear(net: FFNet, train: Split, *, progress: Progress = silent) -> Readout:
    """Return the linear classifier of a net, fitted to a split that is on the net's device."""
    config = net.config
    return fit_readout(
        lambda images: features(net, images),
        train.images,
        train.classes,
        len(net.labels),
        config.inference,
        config.seed,
        progress=progress,
    )
