"""The baseline: the same stack of convolutions, trained end to end by back-propagation."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fflabels.arrays import Shape
from ffnet.config import Config
from ffnet.data.augment import views
from ffnet.labels.embed import check_images_fit, unit
from ffnet.model.layer import LocalLayer
from ffnet.model.net import DTYPES, build_layers
from ffnet.system.devices import with_dtype


class BPNet(nn.Module):
    """The layers of `FFNet` without labels, global average pooling and a softmax head (paper, section on CAMs)."""

    def __init__(self, config: Config, shape: Shape, classes: int) -> None:
        super().__init__()
        config = with_dtype(config, torch.device("cpu"))
        self.config, self.shape = config, shape
        self.dtype = DTYPES[config.dtype]
        self.layers = build_layers(config, shape)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.head = nn.Linear(config.net.widths[-1], classes)
        if config.dtype == "float64":
            self.double()

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Return logits (N, classes) of images (N, C, H, W), bytes or floats in [0, 1]."""
        x_NCHW = unit(images_NCHW).to(self.dtype)
        for layer in self.layers:
            layer = cast(LocalLayer, layer)
            x_NCHW = layer.pooled(layer(x_NCHW))
        return cast(Tensor, self.head(x_NCHW.mean((2, 3)).to(self.head.weight.dtype)))

    @torch.no_grad()
    def logits(self, images: Tensor, *, chunk: int | None = None) -> Tensor:
        """Return logits in evaluation mode, chunk by chunk."""
        check_images_fit(images, self.shape)
        chunk = chunk or self.config.inference.chunk
        training, device = self.training, self.head.weight.device
        self.eval()
        found = [self._mean_logits(images[k : k + chunk].to(device)) for k in range(0, len(images), chunk)]
        self.train(training)
        return torch.cat(found) if found else torch.empty(0, self.head.out_features)

    def _mean_logits(self, images_NCHW: Tensor) -> Tensor:
        return torch.stack([self(seen) for seen in views(images_NCHW, self.config.inference.mirror)]).mean(0)


def loss_and_hits(net: BPNet, images: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy, with its graph, and how many of a batch are right."""
    logits = net(images)
    return F.cross_entropy(logits, classes), (logits.argmax(1) == classes).sum()
