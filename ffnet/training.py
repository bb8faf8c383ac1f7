"""The loop: label set, epochs of steps, classifier."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from torch import nn

from fflabels import LabelSet, References, design
from fflabels.errors import FFLabelsError
from fflabels.labelset import open_set
from ffnet.config import Config, TrainConfig
from ffnet.data import Data, Split
from ffnet.inference import features
from ffnet.learner import Draws, Metrics, make_learner
from ffnet.network import FFNet
from ffnet.readout import Readout, fit_readout

REFERENCES = 64
"""Training images that a set is designed on."""


def label_set(config: Config, data: Data) -> LabelSet:
    """Return the label set of a configuration: designed on the first training images, built in, or read from a file.

    Raises
    ------
    FFLabelsError
        When it has not one label a class.
    """
    name = config.labels.set
    if Path(name).exists() or ":" in name:
        labels = open_set(name)
    else:
        images = (data.train.images[:REFERENCES].float() / 255).numpy()
        labels = design(
            name,
            data.classes,
            candidates=max(config.labels.candidates, data.classes),
            shape=data.shape,
            metric=config.labels.metric,
            method=config.labels.method,
            seed=config.seed,
            references=References(images, data.name),
        )
    if len(labels) != data.classes:
        raise FFLabelsError(
            "not one label a class", where=f"labels {name}", got=len(labels), expected=f"{data.classes} for {data.name}"
        )
    return labels


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


def fit(net: nn.Module, data: Data, *, report: Callable[[Metrics], None] | None = None) -> list[Metrics]:
    """Train a net, and then, for a forward-forward net, its linear classifier; return each epoch's figures.

    Parameters
    ----------
    net
        `FFNet` or `BPNet`, on the device to train on; changed in place. Order and negatives depend on its
        configuration's seed and the epoch alone.
    data
        Only its training split is looked at.
    report
        Called after every epoch with its figures and images a second.

    Raises
    ------
    FFLabelsError
        When a loss is not finite: says in which epoch and step.
    """
    config = cast(FFNet, net).config
    train = data.train.to(next(net.parameters()).device)
    learner = make_learner(net, len(train))
    history: list[Metrics] = []
    for epoch in range(config.train.epochs):
        begin = time.perf_counter()
        draws = Draws(config, train.classes, data.classes, epoch)
        for k in range(len(draws)):
            progress = (epoch + k / len(draws)) / config.train.epochs
            for group in learner.optimizer.param_groups:
                group["lr"] = learning_rate(config.train, epoch, progress)
            learner.step(train, draws, k)
        found = {"epoch": epoch + 1, **learner.epoch_metrics()}
        if found["bad_step"] is not None:
            raise FFLabelsError(
                "the loss is not finite",
                where=f"epoch {epoch + 1}, step {found['bad_step']}",
                hint="lower train.lr, or compute in float32",
            )
        history.append(found)
        if report:
            seconds = time.perf_counter() - begin
            report({**found, "images_per_second": draws.order_SB.numel() / seconds})
    net.eval()
    if isinstance(net, FFNet):
        net.readout = fit_linear(net, train)
    return history


@torch.no_grad()
def fit_linear(net: FFNet, train: Split) -> Readout:
    """Return the linear classifier of a net, fitted to a split that is on the net's device."""
    config = net.config
    return fit_readout(
        lambda images: features(net, images),
        train.images,
        train.classes,
        len(net.labels),
        config.inference,
        config.seed,
    )
