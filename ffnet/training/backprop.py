"""A training step of back-propagation: cross-entropy, end to end."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ffnet.data.dataset import Split
from ffnet.model.baseline import BPNet
from ffnet.training.draws import Draws
from ffnet.training.learner import EpochSums, Metrics, make_optimizer


class BPLearner:
    """Trains a `BPNet` by cross-entropy, end to end."""

    def __init__(self, net: BPNet) -> None:
        self.net, config = net, net.config
        self.optimizer = make_optimizer(list(net.parameters()), config)
        self.epoch_sums = EpochSums(next(net.parameters()).detach(), 2)

    def step(self, train: Split, draws: Draws, k: int) -> None:
        """Train on the images of step k."""
        self.net.train()
        index_B = draws.order_SB[k]
        classes_B, logits_BC = train.classes[index_B], self.net(draws.images(train, k))
        loss, hits = cross_entropy(logits_BC, classes_B), (logits_BC.argmax(1) == classes_B).sum()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.epoch_sums.totals += torch.stack([loss.detach(), hits / len(index_B)])
        self.epoch_sums.end_step()

    @property
    def labels_device(self) -> torch.device | None:
        """None: no labels are embedded."""
        return None

    def tensors(self) -> dict[str, Tensor]:
        """Return the sums of the epoch so far."""
        return self.epoch_sums.tensors()

    def first_bad_step(self) -> int | None:
        """Return the first step of the epoch whose loss was not finite."""
        return self.epoch_sums.first_bad_step()

    def epoch_metrics(self) -> Metrics:
        """Return the mean loss and the accuracy on the training images, each measured in its own step."""
        loss, train_accuracy = self.epoch_sums.take_means()
        return {"loss": loss, "train_accuracy": train_accuracy}
