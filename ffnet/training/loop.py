"""The loop: epochs of steps, and the learning rate of each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple, cast

from fflabels.errors import FFLabelsError
from ffnet.config import Config, TrainConfig
from ffnet.data.dataset import Split
from ffnet.model.baseline import BPNet
from ffnet.model.net import FFNet, Net
from ffnet.system.ranks import ALONE, Ranks
from ffnet.training.backprop import BPLearner
from ffnet.training.draws import Draws
from ffnet.training.forward_forward import FFLearner
from ffnet.training.learner import Learner, Metrics


def make_learner(net: Net, images: int, ranks: Ranks = ALONE) -> Learner:
    """Return the learner of a net's algorithm.

    Raises
    ------
    FFLabelsError
        When several ranks are to train what is not layer-local, or cannot share a batch equally.
    """
    check_ranks(net.config, images, ranks)
    return BPLearner(net) if isinstance(net, BPNet) else FFLearner(cast(FFNet, net), images, ranks)


def check_ranks(config: Config, images: int, ranks: Ranks) -> None:
    """Refuse several ranks for what is not layer-local, or for a batch of so many images that has no equal shares."""
    batch = min(config.train.batch, images)
    if ranks.size > 1 and not config.layer_local:
        raise FFLabelsError(
            "not layer-local", where=f"{ranks.size} ranks", expected="layers that learn alone", hint="train it with one"
        )
    if batch % ranks.size:
        raise FFLabelsError(
            "no equal shares", where="train.batch", got=batch, expected=f"a multiple of the {ranks.size} ranks"
        )


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


def images_per_epoch(config: Config, train: Split) -> int:
    """Return how many images an epoch sees: whole batches."""
    batch = min(config.train.batch, len(train))
    return len(train) // batch * batch
