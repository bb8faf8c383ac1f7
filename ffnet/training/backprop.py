"""A training step of back-propagation: cross-entropy, end to end."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy

from ffnet.data.dataset import Split
from ffnet.model.baseline import BPNet
from ffnet.training.draws import Draws
from ffnet.training.learner import EpochSums, Learner, Metrics, make_optimizer


class BPLearner(Learner):
    """Trains a `BPNet` by cross-entropy, end to end."""

    def __init__(self, net: BPNet) -> None:
        self.net, config = net, net.config
        self.optimizer = make_optimizer(list(net.parameters()), config)
        self.sums = EpochSums(next(net.parameters()).detach(), 2)

    def step(self, train: Split, draws: Draws, k: int) -> None:
        """Train on the images of step k."""
        self.net.train()
        index_B = draws.order_SB[k]
        classes_B, logits_BC = train.classes[index_B], self.net(draws.images(train, k))
        loss, hits = cross_entropy(logits_BC, classes_B), (logits_BC.argmax(1) == classes_B).sum()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.sums.totals += torch.stack([loss.detach(), hits / len(index_B)])
        self.sums.end_step()

    def epoch_metrics(self) -> Metrics:
        """Return the mean loss and the accuracy on the training images, each measured in its own step."""
        loss, train_accuracy = self.sums.take_means()
        return {"loss": loss, "train_accuracy": train_accuracy}
