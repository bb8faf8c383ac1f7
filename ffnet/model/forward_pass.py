"""One pass through the layers, shared by training, inference and activation maps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffnet.labels.embed import Embedded
from ffnet.model.layer import LocalLayer


class Layers(nn.ModuleList):
    """A ModuleList whose items have the type LocalLayer."""

    if TYPE_CHECKING:

        def __iter__(self) -> Iterator[LocalLayer]: ...

        def __getitem__(self, k: int) -> LocalLayer: ...  # type: ignore[override]


class ForwardPass:
    """One pass through some layers in order.

    Iterate over it to get each layer. In the loop body compute the layer's activity from `x` and store it in `y`, or
    the pooled activity in `pooled`. The pass then pools `y` if need be, appends the label channels, and makes the
    result the next `x`. Nothing else is kept, so a layer's maps are freed before the next layer's maps are computed.

    Parameters
    ----------
    layers
        The layers.
    embedded
        The input of the first layer, with the label channels for later layers or None.

    Attributes
    ----------
    x, y, pooled
        Input, activity and pooled activity of the current layer, (N, C, H, W). After the loop `x` is the last layer's
        pooled activity.
    label
        The label channels at the size of the current layer's input.

    Examples
    --------
    >>> import torch
    >>> from ffnet.labels.embed import Embedded
    >>> from ffnet.model.forward_pass import ForwardPass, Layers
    >>> from ffnet.model.layer import LocalLayer
    >>> layers = Layers([LocalLayer(1, 4, kernel=3, pool=2), LocalLayer(4, 8, kernel=3)])
    >>> forward_pass = ForwardPass(layers, Embedded(torch.rand(2, 1, 8, 8)))
    >>> for _, layer in forward_pass:
    ...     forward_pass.y = layer(forward_pass.x)
    >>> tuple(forward_pass.x.shape)
    (2, 8, 4, 4)
    """

    def __init__(self, layers: Layers, embedded: Embedded) -> None:
        self.layers, self.x, self.label = layers, embedded.images, embedded.label_channels
        self.y: Tensor | None = None
        self.pooled: Tensor | None = None

    def __iter__(self) -> Iterator[tuple[int, LocalLayer]]:
        """Yield each layer with its number from 0."""
        for k, layer in enumerate(self.layers):
            if k and self.label is not None:
                height, width = self.x.shape[2:]
                if self.label.shape[2:] != (height, width):
                    self.label = F.adaptive_avg_pool2d(self.label, (height, width))
                self.x = torch.cat([self.x, self.label], 1)
            yield k, layer
            if self.pooled is None:
                assert self.y is not None, "the loop body must store the activity in y, or its maxima in pooled"
                self.pooled = layer.pooled(self.y)
            self.x = self.pooled
            self.y = self.pooled = None

    def keep(self, samples: Tensor) -> None:
        """Keep only these samples (indices or a mask) of the activity and the label channels."""
        assert self.y is not None
        self.y = self.y[samples]
        self.label = None if self.label is None else self.label[samples]
