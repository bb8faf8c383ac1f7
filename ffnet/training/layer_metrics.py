"""The metrics of each layer over an epoch, kept on the device: loss, discrimination accuracy, dead layers.

Letters of shapes: N samples, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ffnet.model.net import FFNet
from ffnet.system.ranks import Ranks
from ffnet.training.learner import EpochSums, Metrics


class LayerMetrics:
    """Sums each layer's loss and discrimination accuracy, and keeps its largest mean square.

    Parameters
    ----------
    net
        The net.
    learning
        The layers that learn, from 0.
    ranks
        The processes that train the net together.

    Attributes
    ----------
    sums
        Loss and discrimination accuracy, (layers, 2).
    peaks
        Largest mean square of a channel of each layer in this epoch; where it is 0, the layer is dead. Each is repeated
        as often as the layer has channels, as in older checkpoints.
    """

    def __init__(self, net: FFNet, learning: Sequence[int], ranks: Ranks) -> None:
        self.counted, self.learning, self.ranks = net.counted, learning, ranks
        self.sums = EpochSums(net.layers[0].weight.detach(), len(net.layers), 2)
        self.peaks = [torch.zeros_like(layer.bias.detach()) for layer in net.layers]
        self.step = torch.zeros_like(self.sums.totals)
        """Loss and discrimination accuracy of each layer in this step."""

    def record(self, k: int, loss: Tensor, discrimination: Tensor, s_NC: Tensor) -> None:
        """Record the figures of layer k, from 0, in this step, and the mean squares of its channels (or regions)."""
        self.step[k] = torch.stack([loss.detach(), discrimination.to(loss.dtype)])
        torch.maximum(self.peaks[k], s_NC.detach().amax(), out=self.peaks[k])

    def end_step(self) -> None:
        """Add the step to the sums of the epoch."""
        self.sums.totals += self.ranks.mean(self.step)
        self.sums.end_step()

    def tensors(self) -> dict[str, Tensor]:
        """Return the state for a checkpoint."""
        peaks = {f"peak.{k}": self.ranks.largest_(peak) for k, peak in enumerate(self.peaks)}
        return {**self.sums.tensors(), **peaks}

    def take(self) -> Metrics:
        """Return the metrics of the epoch, and reset them."""
        means = self.sums.take_means()
        peaks = [float(self.ranks.largest_(peak).max()) for peak in self.peaks]
        dead = [k + 1 for k, peak in enumerate(peaks) if k in self.learning and peak == 0]
        for peak in self.peaks:
            peak.zero_()
        return {
            "loss": sum(means[k][0] for k in self.counted),
            "layer_loss": [loss for loss, _ in means],
            "discrimination": [right for _, right in means],
            "dead_layers": dead,
        }
