"""Training steps of the baselines: back-propagation, and a linear classifier at each layer.

Letters of shapes: B images of a step, C channels or classes, H×W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ffnet.data.dataset import Split
from ffnet.data.images import to_unit
from ffnet.labels.embed import Embedded
from ffnet.model.baseline import Baseline, BPNet, LocalNet
from ffnet.model.forward_pass import ForwardPass
from ffnet.system.ranks import SINGLE, Ranks
from ffnet.training.draws import Draws
from ffnet.training.learner import EpochSums, Learner, Metrics, make_optimizer


class BaselineLearner(Learner):
    """Sums the loss and the training accuracy of each classifier of a net, (classifiers, 2)."""

    def __init__(self, net: Baseline, classifiers: int) -> None:
        self.parameters = list(net.parameters())
        self.optimizer = make_optimizer(self.parameters, net.config)
        self.sums = EpochSums(self.parameters[0].detach(), classifiers, 2)

    def epoch_metrics(self) -> Metrics:
        """Return the last classifier's mean loss and training accuracy, each measured in its own step."""
        loss, train_accuracy = self.sums.take_means()[-1]
        return {"loss": loss, "train_accuracy": train_accuracy}


class BPLearner(BaselineLearner):
    """Trains a `BPNet` by cross-entropy, end to end."""

    def __init__(self, net: BPNet) -> None:
        super().__init__(net, 1)
        self.net = net

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


class LocalLearner(BaselineLearner):
    """Trains a `LocalNet`: each layer and its classifier by the classifier's cross-entropy.

    Parameters
    ----------
    net
        The net.
    ranks
        The processes that train the net together.
    """

    def __init__(self, net: LocalNet, ranks: Ranks = SINGLE) -> None:
        super().__init__(net, len(net.layers))
        self.net, self.ranks = net, ranks

    def step(self, train: Split, draws: Draws, k: int) -> None:
        """Train every layer on the images of step k."""
        index_B = draws.order_SB[k]
        share = self.ranks.share(len(index_B))
        self.learn(draws.images(train, k, share), train.classes[index_B[share]])

    def learn(self, images_BCHW: Tensor, classes_B: Tensor) -> None:
        """Train every layer on images, bytes or floats in [0, 1], and their classes."""
        net = self.net.train()
        metrics = torch.zeros_like(self.sums.totals)
        images_BCHW = to_unit(images_BCHW, net.accumulate_dtype).to(net.dtype)
        self.optimizer.zero_grad()
        forward_pass = ForwardPass(net.layers, Embedded(images_BCHW))
        for k, layer in forward_pass:
            forward_pass.y = layer.activity(layer.normalize(forward_pass.x, self.ranks))
            pooled_BCHW = layer.pooled(forward_pass.y)
            logits_BC = net.layer_logits(k, pooled_BCHW)
            loss = cross_entropy(logits_BC, classes_B)
            loss.backward()  # type: ignore[no-untyped-call]
            forward_pass.pooled = pooled_BCHW.detach()
            hits = (logits_BC.argmax(1) == classes_B).to(metrics.dtype).mean()
            metrics[k] = torch.stack([loss.detach().to(metrics.dtype), hits])
        self.ranks.begin_mean(*(p.grad for p in self.parameters if p.grad is not None))
        self.ranks.finish()
        self.optimizer.step()
        self.sums.totals += self.ranks.mean(metrics)
        self.sums.end_step()
