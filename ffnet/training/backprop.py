"""One step of back-propagation: cross-entropy, end to end."""

from __future__ import annotations

import torch
from torch import Tensor

from ffnet.data.dataset import Split
from ffnet.model.baseline import BPNet, loss_and_hits
from ffnet.training.draws import Draws
from ffnet.training.learner import EpochSums, Metrics, make_optimizer


class BPLearner:
    """The baseline's step: cross-entropy, end to end."""

    def __init__(self, net: BPNet) -> None:
        self.net, config = net, net.config
        self.optimizer = make_optimizer(list(net.parameters()), config)
        self.epoch_sums = EpochSums(next(net.parameters()).detach(), 2)

    def step(self, train: Split, draws: Draws, k: int) -> None:
        """Take one step."""
        self.net.train()
        index_B = draws.order_SB[k]
        loss, hits = loss_and_hits(self.net, draws.images(train, k), train.classes[index_B])
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.epoch_sums.totals += torch.stack([loss.detach(), hits / len(index_B)])
        self.epoch_sums.end_step()

    @property
    def labels_on(self) -> torch.device | None:
        """There are no labels to draw."""
        return None

    def tensors(self) -> dict[str, Tensor]:
        """Return the sums of the epoch so far."""
        return self.epoch_sums.tensors()

    def first_bad_step(self) -> int | None:
        """Return the first step of the epoch whose loss was not finite."""
        return self.epoch_sums.first_bad_step()

    def epoch_metrics(self) -> Metrics:
        """Return the mean loss and the accuracy on the training images as they came."""
        loss, right = self.epoch_sums.take_means()
        return {"loss": loss, "train_accuracy": right}
