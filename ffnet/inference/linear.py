"""Linear maps of a neutral pass, trained after the net: the classifier, and the forecast of goodness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fflabels.progress import Progress, silent
from ffnet.config import InferenceConfig

CACHE_BYTES = 4 << 30
"""Features of this size or less are computed once; larger ones in every epoch anew."""


class Readout(nn.Module):
    """Logits (N, classes) of features (N, F): a linear map behind a fixed standardisation, in float32."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.weight = nn.Parameter(torch.zeros(classes, features))
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, features_NF: Tensor) -> Tensor:
        """Return logits."""
        normal = (features_NF - cast(Tensor, self.mean)) * cast(Tensor, self.scale)
        return F.linear(normal, self.weight, self.bias)


class Forecast(Readout):
    """A linear map that foretells which label's goodness is largest, and how far behind the answer may lie.

    Attributes
    ----------
    margins
        How far behind the best a label may be and still go on: in the forecast, then in the goodness up to each layer
        that counts but the last.
    """

    def __init__(self, features: int, labels: int, rounds: int) -> None:
        super().__init__(features, labels)
        self.register_buffer("margins", torch.zeros(rounds))

    @classmethod
    def of(cls, readout: Readout, margins: Tensor) -> Self:
        """Return the forecast that a fitted map and its margins make."""
        labels, features = readout.weight.shape
        found = cls(features, labels, len(margins)).to(margins.device)
        found.load_state_dict({**readout.state_dict(), "margins": margins})
        return found.eval()


def fit_readout(
    features_of: Callable[[Tensor], Tensor],
    images: Tensor,
    targets: Tensor,
    count: int,
    config: InferenceConfig,
    seed: int,
    *,
    progress: Progress = silent,
) -> Readout:
    """Return the map trained with cross-entropy on detached features.

    Parameters
    ----------
    features_of
        Images (N, C, H, W) → features (N, F), without gradient.
    images, targets
        The training images; the class of each, (N,), or the probabilities of all, (N, classes).
    count
        How many classes there are.
    config
        Epochs, batch and learning rate; Adam, falling to 0 by a cosine.
    seed
        Of the order of the images.
    """
    size = len(images)
    width = features_of(images[:1]).shape[1]
    cached = size * width * 4 <= CACHE_BYTES
    whole = _collect(features_of, images, width, config.chunk) if cached else None
    readout = Readout(width, count).to(images.device)
    _standardize(readout, whole, features_of, images, config.chunk)
    batch = min(config.linear_batch, size)
    steps = size // batch
    optimizer = torch.optim.AdamW(
        readout.parameters(), lr=config.linear_lr, weight_decay=config.linear_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.linear_epochs * steps)
    for epoch in range(config.linear_epochs):
        generator = torch.Generator().manual_seed((seed * 100_003 + epoch) % 2**63)
        order = torch.randperm(size, generator=generator).to(images.device)
        for step in range(steps):
            index = order[step * batch : (step + 1) * batch]
            features = whole[index] if whole is not None else features_of(images[index])
            optimizer.zero_grad()
            with torch.enable_grad():
                F.cross_entropy(readout(features), targets[index]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        progress("linear classifier", epoch + 1, config.linear_epochs)
    return readout.eval()


def _collect(features_of: Callable[[Tensor], Tensor], images: Tensor, width: int, chunk: int) -> Tensor:
    whole = torch.empty(len(images), width, device=images.device)
    for start in range(0, len(images), chunk):
        whole[start : start + chunk] = features_of(images[start : start + chunk])
    return whole


def _standardize(
    readout: Readout, whole: Tensor | None, features_of: Callable[[Tensor], Tensor], images: Tensor, chunk: int
) -> None:
    total = torch.zeros_like(cast(Tensor, readout.mean), dtype=torch.float64)
    squares = torch.zeros_like(total)
    for start in range(0, len(images), chunk):
        part = slice(start, start + chunk)
        features = (whole[part] if whole is not None else features_of(images[part])).double()
        total += features.sum(0)
        squares += features.square().sum(0)
    mean = total / len(images)
    deviation = (squares / len(images) - mean.square()).clamp_min(0).sqrt()
    cast(Tensor, readout.mean).copy_(mean)
    # A feature that hardly varies stays small instead of being blown up.
    cast(Tensor, readout.scale).copy_(1 / (deviation + 0.01 * deviation.mean() + 1e-12))
