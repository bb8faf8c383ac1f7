"""The baselines: the same stack of convolutions without labels, trained by back-propagation or by local classifiers."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from fflabels.arrays import Shape
from fflabels.checks import check_integer
from ffnet.config import Config
from ffnet.data.augment import views
from ffnet.data.images import check_images_fit, to_unit
from ffnet.labels.embed import Embedded
from ffnet.model.forward_pass import ForwardPass
from ffnet.model.net import Net
from ffnet.model.regions import region_means
from ffnet.model.size import REGIONS


class Baseline(Net):
    """The layers of `FFNet` without labels, and a linear classifier on the last layer.

    Parameters
    ----------
    config
        Layers, compute type and seed of the weights.
    shape
        (C, H, W) of the images.
    classes
        Number of classes.
    """

    inference: ClassVar[str]
    """The name of its only inference method."""

    def __init__(self, config: Config, shape: Shape, classes: int) -> None:
        super().__init__(config, shape)
        self.classes = classes

    def logits_of_maps(self, maps_NCHW: Tensor) -> Tensor:
        """Return logits (N, classes), given the last layer's pooled activity."""
        raise NotImplementedError

    def last_maps(self, images_NCHW: Tensor) -> Tensor:
        """Return the last layer's pooled activity, (N, C, h, w), for images (N, C, H, W), bytes or floats in [0, 1]."""
        forward_pass = ForwardPass(self.layers, Embedded(to_unit(images_NCHW).to(self.dtype)))
        for _, layer in forward_pass:
            forward_pass.y = layer(forward_pass.x)
        return forward_pass.x

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Return logits (N, classes) for images (N, C, H, W), bytes or floats in [0, 1].

        In evaluation mode, with ``inference.mirror``, the mean over both views; training sees one.
        """
        mirror = self.config.inference.mirror and not self.training
        views_VNC = [self.logits_of_maps(self.last_maps(view)) for view in views(images_NCHW, mirror)]
        return torch.stack(views_VNC).mean(0)

    @torch.no_grad()
    def logits(self, images: Tensor, *, chunk: int | None = None) -> Tensor:
        """Return logits (N, classes) in evaluation mode; with ``inference.mirror`` the mean over both views.

        `chunk` images pass through the net at once; default: ``inference.chunk``.
        """
        check_images_fit(images, self.shape)
        chunk = self.config.inference.chunk if chunk is None else check_integer(chunk, "chunk", least=1)
        with self.evaluating():
            parts = [self(images[k : k + chunk].to(self.device)) for k in range(0, len(images), chunk)]
        return torch.cat(parts) if parts else torch.empty(0, self.classes)

    def scores(self, inference: str, images_NCHW: Tensor) -> Tensor:
        """Return logits (N, classes), by the only inference method: see `Net.scores`."""
        logits_NC: Tensor = self(images_NCHW)
        return logits_NC

    def evidence(self, images: Tensor) -> tuple[dict[int, Tensor], Tensor]:
        """Return the last layer's pooled activity, and the logits: see `Net.evidence`."""
        check_images_fit(images, self.shape)
        with torch.no_grad():
            maps_NCHW = self.last_maps(images.to(self.device))
        maps_NCHW = maps_NCHW.float().requires_grad_()
        return {len(self.layers): maps_NCHW}, self.logits_of_maps(maps_NCHW)


class BPNet(Baseline):
    """Trained by back-propagation: global average pooling and a softmax head (paper, section on CAMs).

    Parameters
    ----------
    config, shape, classes
        As for `Baseline`.

    Examples
    --------
    >>> import torch, ffnet
    >>> net = ffnet.BPNet(ffnet.Config(algorithm="bp"), (1, 16, 16), classes=10)
    >>> net(torch.rand(3, 1, 16, 16)).shape
    torch.Size([3, 10])
    """

    inference = "bp"

    def __init__(self, config: Config, shape: Shape, classes: int) -> None:
        super().__init__(config, shape, classes)
        self.head = nn.utils.skip_init(nn.Linear, config.net.widths[-1], classes)  # type: ignore[no-untyped-call]
        bound, rng = config.net.widths[-1] ** -0.5, np.random.default_rng([config.seed, 1])
        with torch.no_grad():
            for parameter in self.head.parameters():  # in the distribution of `torch.nn.Linear`
                parameter.copy_(torch.from_numpy(rng.uniform(-bound, bound, parameter.shape)))
        if config.dtype == "float64":
            self.double()

    def logits_of_maps(self, maps_NCHW: Tensor) -> Tensor:
        """Return logits (N, classes), given the last layer's pooled activity."""
        logits_NC: Tensor = self.head(maps_NCHW.mean((2, 3)).to(self.head.weight.dtype))
        return logits_NC


class LocalNet(Baseline):
    """Trained layer by layer, each by a linear classifier of its own: ``pred`` of Nøkland and Eidnes (2019).

    A layer's classifier sees its pooled activity, averaged over 2×2 regions; no gradient crosses layers. It is the
    usual yardstick of strictly local training, and no forward-forward method: there is no goodness. The last layer's
    classifier predicts.

    Parameters
    ----------
    config, shape, classes
        As for `Baseline`.

    Examples
    --------
    >>> import torch, ffnet
    >>> net = ffnet.LocalNet(ffnet.Config(algorithm="local"), (1, 16, 16), classes=10)
    >>> net(torch.rand(3, 1, 16, 16)).shape
    torch.Size([3, 10])
    """

    inference = "local"

    def __init__(self, config: Config, shape: Shape, classes: int) -> None:
        super().__init__(config, shape, classes)
        self.heads = nn.ModuleList(nn.Linear(REGIONS**2 * width, classes) for width in config.net.widths)
        for parameter in self.heads.parameters():
            nn.init.zeros_(parameter)
        if config.dtype == "float64":
            self.double()

    def layer_logits(self, k: int, maps_NCHW: Tensor) -> Tensor:
        """Return the logits (N, classes) of layer k, from 0, given its pooled activity."""
        regions_NCRR = region_means(maps_NCHW.to(self.accumulate_dtype), (REGIONS, REGIONS))
        logits_NC: Tensor = self.heads[k](regions_NCRR.flatten(1))
        return logits_NC

    def logits_of_maps(self, maps_NCHW: Tensor) -> Tensor:
        """Return logits (N, classes), given the last layer's pooled activity."""
        return self.layer_logits(len(self.layers) - 1, maps_NCHW)
