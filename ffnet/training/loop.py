"""The training loop: epochs, steps and the learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from fflabels.errors import FFLabelsError
from ffnet.config import Config
from ffnet.config.sections import TrainConfig
from ffnet.data.dataset import Split
from ffnet.model.baseline import BPNet, LocalNet
from ffnet.model.net import FFNet, Net
from ffnet.system.ranks import SINGLE, Ranks
from ffnet.training.baselines import BPLearner, LocalLearner
from ffnet.training.codes import CodeLearner
from ffnet.training.draws import Draws
from ffnet.training.forward_forward import FFLearner
from ffnet.training.learner import Learner, Metrics


def make_learner(net: Net, images: int, ranks: Ranks = SINGLE) -> Learner:
    """Return the learner for a net.

    Raises
    ------
    FFLabelsError
        If there are several ranks and the net is not layer-local, or the ranks cannot share a batch equally.
    """
    check_ranks(net.config, images, ranks)
    match net:
        case FFNet():
            return CodeLearner(net, ranks) if net.has_codes else FFLearner(net, images, ranks)
        case BPNet():
            return BPLearner(net)
        case LocalNet():
            return LocalLearner(net, ranks)
    raise AssertionError(f"no learner for {type(net).__name__}")


def check_ranks(config: Config, images: int, ranks: Ranks) -> None:
    """Refuse several ranks if training is not layer-local, or the batch is not divisible by their number."""
    batch = min(config.train.batch, images)
    if ranks.size > 1 and not config.layer_local:
        raise FFLabelsError(
            "not layer-local", where=f"{ranks.size} ranks", expected="layers that learn alone", hint="train on one rank"
        )
    if batch % ranks.size:
        raise FFLabelsError(
            "not divisible by the number of ranks",
            where="train.batch",
            got=batch,
            expected=f"a multiple of the {ranks.size} ranks",
        )


def learning_rate(train: TrainConfig, epoch: int, progress: float) -> float:
    """Return the learning rate in an epoch (from 0), when the share `progress` of all steps is done.

    ``cooldown``: lr in the first half, then lr(e) = 2·lr/E·(1 + E − e) for epoch e of E, from 1 (paper), at most lr.
    """
    match train.schedule:
        case "cooldown":
            e = epoch + 1
            return min(train.lr, 2 * train.lr / train.epochs * (1 + train.epochs - e))
        case "linear":
            return train.lr * (1 - progress)
        case "cosine":
            return train.lr * 0.5 * (1 + math.cos(math.pi * progress))
    return train.lr


class Position(NamedTuple):
    """The number of finished epochs, and of finished steps in the next epoch. It determines all random draws."""

    epoch: int = 0
    step: int = 0


START = Position()


def steps(
    learner: Learner, config: Config, train: Split, classes: int, start: Position = START
) -> Iterator[tuple[Position, Metrics | None]]:
    """Train step by step; yield the position after each step, with the metrics of the epoch after its last step.

    Parameters
    ----------
    learner
        The learner, in its state at `start`.
    config
        Epochs, batch, learning rate, and the settings and seed of all random draws.
    train
        The training split, on the net's device.
    classes
        Number of classes.
    start
        Where to continue.

    Raises
    ------
    NotFiniteError
        If a loss is not finite; names the epoch and the step.
    """
    first_step = start.step
    for epoch in range(start.epoch, config.train.epochs):
        draws = Draws(config, train.classes, classes, epoch, labels_device=learner.labels_device)
        for k in range(first_step, len(draws)):
            progress = (epoch + k / len(draws)) / config.train.epochs
            for group in learner.optimizer.param_groups:
                group["lr"] = learning_rate(config.train, epoch, progress)
            learner.step(train, draws, k)
            if k + 1 < len(draws):
                yield Position(epoch, k + 1), None
        check_finite(learner, epoch)
        yield Position(epoch + 1), {"epoch": epoch + 1, **learner.epoch_metrics()}
        first_step = 0


class NotFiniteError(FFLabelsError):
    """Raised when training produces infinite or undefined numbers; names the epoch and the step."""

    def __init__(self, what: str, epoch: int, step: int) -> None:
        far = "train.alpha, temperature, theta, peer or weight_decay far from the defaults"
        hint = f"lower train.lr; other causes: {far}, dtype=bfloat16"
        where = f"epoch {epoch + 1}, step {step}" if step else f"after epoch {epoch}"
        super().__init__(what, where=where, hint=hint)


def check_finite(learner: Learner, epoch: int) -> None:
    """Raise `NotFiniteError` if the loss of any step so far was not finite; waits for the device."""
    if (step := learner.sums.first_bad_step()) is not None:
        raise NotFiniteError("the loss is not finite", epoch, step)


def images_per_epoch(config: Config, train: Split) -> int:
    """Return the number of images per epoch: whole batches only."""
    batch = min(config.train.batch, len(train))
    return len(train) // batch * batch
