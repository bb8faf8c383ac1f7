"""What the training loop needs of an algorithm; sums over the steps of an epoch; the optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ffnet.config import Config
from ffnet.data.dataset import Split
from ffnet.training.draws import Draws

Metrics = dict[str, object]


class Learner(Protocol):
    """What the loop needs of an algorithm."""

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """Return the optimizer of all layers."""
        ...

    @property
    def labels_on(self) -> torch.device | None:
        """Return where it wants the labels of an epoch."""
        ...

    def step(self, train: Split, draws: Draws, k: int) -> None:
        """Learn from step k's images."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Return all state beside the net's and the optimizer's, by name; written to when it is restored."""
        ...

    def first_bad_step(self) -> int | None:
        """Return the first step of the epoch whose loss was not finite; waits for the device."""
        ...

    def epoch_metrics(self) -> Metrics:
        """Return the epoch's figures and begin anew; waits for the device."""
        ...


class EpochSums:
    """Figures of an epoch, added up on the device, and the step at which they ceased to be finite."""

    def __init__(self, like: Tensor, *shape: int) -> None:
        self.totals = like.new_zeros(shape)
        self.steps = like.new_zeros(())
        self.bad_step = like.new_full((), torch.inf)

    def end_step(self) -> None:
        """Count a step whose figures were added."""
        self.steps += 1
        self.bad_step = torch.where(self.totals.isfinite().all(), self.bad_step, self.bad_step.minimum(self.steps))

    def first_bad_step(self) -> int | None:
        """Return the first step whose figures were not finite."""
        step = float(self.bad_step)
        return int(step) if step != float("inf") else None

    def take_means(self) -> Any:
        """Return the means over the steps, as nested lists, and begin anew."""
        means = (self.totals / self.steps.clamp_min(1)).tolist()
        self.totals.zero_()
        self.steps.zero_()
        return means

    def tensors(self) -> dict[str, Tensor]:
        """Return what a checkpoint holds of it: one is written only while all is finite."""
        return {"sums": self.totals, "steps": self.steps}


def make_optimizer(parameters: Sequence[nn.Parameter], config: Config) -> torch.optim.Optimizer:
    """Return Adam for parameters in their order; weights decay as ``train.weight_decay`` says, biases do not."""
    train = config.train
    if not train.weight_decay:
        return torch.optim.Adam(parameters, lr=train.lr, fused=True)
    groups = [{"params": [p], "weight_decay": train.weight_decay if p.ndim > 1 else 0.0} for p in parameters]
    return torch.optim.Adam(groups, lr=train.lr, fused=True)
