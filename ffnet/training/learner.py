"""The base class of the training algorithms, the sums over an epoch's steps, and the optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ffnet.config import Config
from ffnet.data.dataset import Split
from ffnet.system.eager import eager
from ffnet.training.draws import Draws

Metrics = dict[str, object]


class EpochSums:
    """Sums of metrics over the steps of an epoch, kept on the device, and the first step that was not finite."""

    def __init__(self, like: Tensor, *shape: int) -> None:
        self.totals = like.new_zeros(shape)
        self.steps = like.new_zeros(())
        self.bad_step = like.new_full((), torch.inf)

    def end_step(self) -> None:
        """Count a step, after its metrics were added to `totals`."""
        self.steps += 1
        self.bad_step = torch.where(self.totals.isfinite().all(), self.bad_step, self.bad_step.minimum(self.steps))

    def first_bad_step(self) -> int | None:
        """Return the first step after which the sums were not finite, or None."""
        step = float(self.bad_step)
        return int(step) if step != float("inf") else None

    def take_means(self) -> Any:
        """Return the means over the steps as nested lists, and reset the sums."""
        means = (self.totals / self.steps.clamp_min(1)).tolist()
        self.totals.zero_()
        self.steps.zero_()
        return means

    def tensors(self) -> dict[str, Tensor]:
        """Return the state for a checkpoint, without the bad step: checkpoints are written only while all is finite."""
        return {"sums": self.totals, "steps": self.steps}


class Learner:
    """Base class of the training algorithms.

    Attributes
    ----------
    optimizer
        The optimizer of all layers.
    sums
        The sums of the metrics over the steps of this epoch.
    """

    optimizer: torch.optim.Optimizer
    sums: EpochSums

    @property
    def labels_device(self) -> torch.device | None:
        """Return the device on which the labels of an epoch are needed; None: the net's."""
        return None

    def step(self, train: Split, draws: Draws, k: int) -> None:
        """Train on the images of step k."""
        raise NotImplementedError

    def tensors(self) -> dict[str, Tensor]:
        """Return all state besides the net and the optimizer, by name. Resuming a run copies into these tensors."""
        return self.sums.tensors()

    def epoch_metrics(self) -> Metrics:
        """Return the metrics of the epoch and reset them; waits for the device."""
        raise NotImplementedError


def make_optimizer(parameters: Sequence[nn.Parameter], config: Config) -> torch.optim.Optimizer:
    """Return Adam for these parameters; ``train.weight_decay`` applies to weights, not to biases."""
    train = config.train
    adam = eager(torch.optim.Adam)
    if not train.weight_decay:
        return adam(parameters, lr=train.lr, fused=True)
    groups = [{"params": [p], "weight_decay": train.weight_decay if p.ndim > 1 else 0.0} for p in parameters]
    return adam(groups, lr=train.lr, fused=True)
