"""Heads of a trained net: the linear classifier, the forecast of goodness, the layer weights.

`ffnet.fitting` fits them. Letters of shapes: N images, F features, C classes or labels, L layers of the net, K some of
its layers, M pairs of an image and a label.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LinearHead(nn.Module):
    """A linear map of standardised features (N, F) to logits (N, C), in float32."""

    mean: Tensor
    scale: Tensor

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.weight = nn.Parameter(torch.zeros(classes, features))
        self.bias = nn.Parameter(torch.zeros(classes))

    def standardized(self, features_NF: Tensor) -> Tensor:
        """Return the features with mean 0 and about unit spread on the images that the head was fitted on."""
        return (features_NF - self.mean) * self.scale

    def forward(self, features_NF: Tensor) -> Tensor:
        """Return logits."""
        return F.linear(self.standardized(features_NF), self.weight, self.bias)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """Return the head with this state dict, in evaluation mode."""
        classes, features = state["weight"].shape
        head = cls(features, classes)
        head.load_state_dict(state)
        return head.to(state["weight"].device).eval()


class Forecast(LinearHead):
    """A linear map that predicts which label's goodness is largest, with the margins of a halving.

    Attributes
    ----------
    margins
        One per round: the round keeps the labels that are at most this far behind the best label. Round 0 compares the
        forecast, later rounds the goodness summed up to each layer that counts, except the last.
    """

    margins: Tensor

    def __init__(self, features: int, labels: int, rounds: int) -> None:
        super().__init__(features, labels)
        self.register_buffer("margins", torch.zeros(rounds))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """Return the forecast with this state dict, in evaluation mode."""
        labels, features = state["weight"].shape
        forecast = cls(features, labels, len(state["margins"]))
        forecast.load_state_dict(state)
        return forecast.to(state["weight"].device).eval()


class LayerWeights(nn.Module):
    """Multiplies the goodness of layer l by weight_L[l] before the sum over layers.

    Attributes
    ----------
    weight_L
        One weight per layer of the net.
    """

    weight_L: Tensor  # noqa: N815 - carries its shape

    def __init__(self, weight_L: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight_L", weight_L)

    def forward(self, goodness_KNC: Tensor, layers: range) -> Tensor:
        """Return the weighted goodness (K, N, C) of the given layers, numbered from 0."""
        return goodness_KNC * self.weight_L[layers.start : layers.stop, None, None]

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """Return the layer weights with this state dict."""
        return cls(state["weight_L"].clone())
