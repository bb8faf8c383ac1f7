"""The base class of the learners whose layers each learn by the loss of their own goodness."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ffnet.data.dataset import Split
from ffnet.model.fast_cpu.scratch import Scratch
from ffnet.model.net import FFNet
from ffnet.system.ranks import SINGLE, Ranks
from ffnet.training.draws import Draws
from ffnet.training.layer_metrics import LayerMetrics
from ffnet.training.learner import Learner, Metrics, make_optimizer


def as_stored(gradient: Tensor, parameter: nn.Parameter) -> Tensor:
    """Return a gradient laid out in memory as its parameter is: on a CPU, fused Adam reads both in that order."""
    return torch.empty_like(parameter).copy_(gradient)


class LayerLearner(Learner):
    """Trains the layers of a net that learn, with one optimizer.

    Parameters
    ----------
    net
        The net.
    ranks
        The processes that train the net together. Each takes its share of every batch; all keep the same state.

    Attributes
    ----------
    learning
        The layers that learn, from 0.
    """

    def __init__(self, net: FFNet, ranks: Ranks = SINGLE) -> None:
        self.net, self.config, self.ranks = net, net.config, ranks
        self.learning = [k for k in range(len(net.layers)) if k > 0 or self.config.net.first_layer != "random"]
        self.parameters = [p for k in self.learning for p in net.layers[k].parameters()]
        self.optimizer = make_optimizer(self.parameters, self.config)
        self.metrics = LayerMetrics(net, self.learning, ranks)
        self.sums = self.metrics.sums
        self.scratch = Scratch()

    def scale_first_weights(self, train: Split, draws: Draws, k: int) -> None:
        """With ``net.init=measured``, scale the initial weights on the images of the first step of all."""
        if self.config.net.init == "measured" and self.net.has_initial_weights and draws.epoch == 0 and k == 0:
            scale_weights(self.net, train, draws, self.ranks)

    def finish_step(self) -> None:
        """Take one optimizer step for all layers, once the ranks have exchanged their gradients."""
        self.ranks.finish()
        self.optimizer.step()
        self.metrics.end_step()
        self.net.has_initial_weights = False

    def tensors(self) -> dict[str, Tensor]:
        """Return the sums of this epoch."""
        return self.metrics.tensors()

    def epoch_metrics(self) -> Metrics:
        """Return each layer's mean loss and discrimination accuracy, and the numbers of dead layers, from 1."""
        return self.metrics.take()


def scale_weights(net: FFNet, train: Split, draws: Draws, ranks: Ranks = SINGLE) -> None:
    """Scale each layer's weights so that mean y² is 1 on the first step's images (``net.init=measured``)."""
    net.train()
    share = ranks.share(len(draws.order_SB[0]))
    images_BCHW, labels_BK = net.prepare(draws.images(train, 0, share)), draws.labels_SBK[0, share]
    copies = 1 if net.has_codes else labels_BK.shape[1]
    net.scale_weights(net.embed(images_BCHW.repeat(copies, 1, 1, 1), labels_BK.T.reshape(-1)), ranks)
