"""The baseline: the same stack of convolutions, trained end to end by back-propagation."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fflabels.arrays import Shape
from ffnet.config import Config
from ffnet.data.augment import views
from ffnet.data.images import check_images_fit, to_unit
from ffnet.labels.embed import Embedded
from ffnet.model.forward_pass import ForwardPass
from ffnet.model.net import Net


class BPNet(Net):
    """The layers of `FFNet` without labels, then global average pooling and a softmax head (paper, section on CAMs).

    Parameters
    ----------
    config
        Layers, compute type and seed of the weights.
    shape
        (C, H, W) of the images.
    classes
        Number of classes.

    Examples
    --------
    >>> import torch, ffnet
    >>> net = ffnet.BPNet(ffnet.Config(algorithm="bp"), (1, 16, 16), classes=10)
    >>> net(torch.rand(3, 1, 16, 16)).shape
    torch.Size([3, 10])
    """

    def __init__(self, config: Config, shape: Shape, classes: int) -> None:
        super().__init__(config, shape)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.head = nn.Linear(config.net.widths[-1], classes)
        if config.dtype == "float64":
            self.double()

    def last_maps(self, images_NCHW: Tensor) -> Tensor:
        """Return the last layer's pooled activity, (N, C, h, w), for images (N, C, H, W), bytes or floats in [0, 1]."""
        forward_pass = ForwardPass(self.layers, Embedded(to_unit(images_NCHW).to(self.dtype)))
        for _, layer in forward_pass:
            forward_pass.y = layer(forward_pass.x)
        return forward_pass.x

    def logits_of_maps(self, maps_NCHW: Tensor) -> Tensor:
        """Return logits (N, classes), given the last layer's pooled activity."""
        return cast(Tensor, self.head(maps_NCHW.mean((2, 3)).to(self.head.weight.dtype)))

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Return logits (N, classes) for images (N, C, H, W), bytes or floats in [0, 1]."""
        return self.logits_of_maps(self.last_maps(images_NCHW))

    @torch.no_grad()
    def logits(self, images: Tensor, *, chunk: int | None = None) -> Tensor:
        """Return logits (N, classes) in evaluation mode; with ``inference.mirror`` the mean over both views.

        `chunk` images pass through the net at once; default: ``inference.chunk``.
        """
        check_images_fit(images, self.shape)
        chunk = chunk or self.config.inference.chunk
        training = self.training
        self.eval()
        parts = [self.mean_logits(images[k : k + chunk].to(self.device)) for k in range(0, len(images), chunk)]
        self.train(training)
        return torch.cat(parts) if parts else torch.empty(0, self.head.out_features)

    def mean_logits(self, images_NCHW: Tensor) -> Tensor:
        return torch.stack([self(view) for view in views(images_NCHW, self.config.inference.mirror)]).mean(0)


def loss_and_hits(net: BPNet, images: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy of a batch, with its graph, and the number of right predictions."""
    logits = net(images)
    return F.cross_entropy(logits, classes), (logits.argmax(1) == classes).sum()
