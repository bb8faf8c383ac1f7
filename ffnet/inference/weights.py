"""What is fitted to a trained net's goodness: each label's offset, a weight a layer, or a weight a channel."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fflabels.errors import FFLabelsError
from ffnet.config import Config, InferenceConfig
from ffnet.data.dataset import Data, Split

ROUNDS = 100
"""Iterations of the fit, at most: it is convex, in as many numbers as layers count."""

FLAT = 1e-6
"""What varies by less than this share of its size is left out."""

SILENT = 1e-4
"""A channel whose logarithm deviates by less than this says nothing."""

DECAY = 1e-2
"""Of the squares of the channels' weights, where each channel varies by 1."""

IMAGES = 5000
"""Validation images that a fit looks at, at most; each takes a pass a label."""


class Calibration(nn.Module):
    """Layer l's goodness of label c becomes weight_L[l] · (g − offset_LC[l, c]); all layers' are summed.

    Attributes
    ----------
    weight_L
        1, unless weights were fitted.
    offset_LC
        The mean goodness of each label over images of all classes; 0, unless offsets are removed.
    """

    weight_L: Tensor  # noqa: N815 - carries its shape
    offset_LC: Tensor  # noqa: N815

    def __init__(self, weight_L: Tensor, offset_LC: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight_L", weight_L)
        self.register_buffer("offset_LC", offset_LC)

    def forward(self, goodness_KNC: Tensor, layers: range) -> Tensor:
        """Return the corrected goodness (K, N, labels) of some layers, numbered from 0."""
        which = slice(layers.start, layers.stop)
        return (goodness_KNC - self.offset_LC[which, None]) * self.weight_L[which, None, None]

    def one(self, k: int, goodness_M: Tensor, label_M: Tensor) -> Tensor:
        """Return the corrected goodness of layer k, from 0, for one label each."""
        return (goodness_M - self.offset_LC[k, label_M]) * self.weight_L[k]


def is_wanted(config: Config) -> bool:
    """Return whether goodness is to be corrected."""
    return config.algorithm == "ff" and (config.inference.offsets or config.inference.layers == "weighted")


def check_validation(config: Config, data: Data) -> None:
    """Refuse to correct goodness where there are no images to choose by."""
    if is_wanted(config) and not len(data.validation):
        key = "inference.offsets" if config.inference.offsets else "inference.layers"
        hint = "data.validation sets some apart; FFClassifier has none"
        raise FFLabelsError("needs validation images", where=key, got="none", hint=hint)


def check_uncorrected(config: Config, where: str) -> None:
    """Refuse a recipe whose goodness is to be corrected, where a study sets no images apart for it."""
    if is_wanted(config):
        raise FFLabelsError(
            "goodness is summed as it is", where=where, got="inference.layers=weighted or inference.offsets=true",
            expected="layers sum or last, and no offsets",
        )  # fmt: skip


@torch.no_grad()
def calibration_of(goodness_LNC: Tensor, part: Split, counted: range, config: InferenceConfig) -> Calibration:
    """Return the correction for goodness that was measured on validation images.

    Offsets are means, without a look at classes. Weights maximise the likelihood of the right classes under a softmax
    over the weighted sum.

    Parameters
    ----------
    goodness_LNC
        Of every label in every layer.
    part
        The images' classes.
    counted
        The layers that are summed; the others' weights stay 1.
    config
        Which corrections are wanted.
    """
    offset_LC = goodness_LNC.mean(1) if config.offsets else torch.zeros_like(goodness_LNC[:, 0])
    weight_L = torch.ones_like(goodness_LNC[:, 0, 0])
    if config.layers == "weighted":
        seen_KNC = (goodness_LNC - offset_LC[:, None])[counted.start :]
        weight_L[counted.start :] = likeliest_weights(seen_KNC, part.classes).to(weight_L)
    return Calibration(weight_L, offset_LC)


def likeliest_weights(scores_KNC: Tensor, classes_N: Tensor, *, decay: float = 0.0) -> Tensor:
    """Return the weights (K,) float64 of several scores whose sum makes the right classes likeliest under a softmax.

    Parameters
    ----------
    scores_KNC
        What each of K says of every image and class; one that says the same of all classes gets a weight of 0.
    classes_N
        The right classes.
    decay
        Times the squares of the weights, where each of K varies by 1 within an image, is what they cost: without,
        images that are all told apart ask for weights without end.
    """
    largest_K, scores_KNC = scores_KNC.double().abs().amax((1, 2)), scores_KNC.double()
    scores_KNC = scores_KNC - scores_KNC.mean(2, keepdim=True)  # what is said of all classes alike decides nothing
    spread_K = scores_KNC.std((1, 2))
    unit_K = torch.where(spread_K > FLAT * largest_K, 1 / spread_K, 0.0)  # a dead layer says nothing
    seen_NCK = (scores_KNC * unit_K[:, None, None]).permute(1, 2, 0)
    return _fitted(lambda weight_K: seen_NCK @ weight_K, classes_N, torch.ones_like(unit_K), decay) * unit_K


def fit_channel_weights(logs_NCF: Tensor, classes_N: Tensor) -> Tensor:
    """Return the weights (channels,) that maximise the likelihood of the right classes under a softmax over the labels.

    Parameters
    ----------
    logs_NCF
        What every label leaves in the channels: images × labels × channels.
    classes_N
        The right classes.
    """
    deviation_F = logs_NCF.std((0, 1))
    unit_F = torch.where(deviation_F > SILENT, 1 / deviation_F, 0.0)
    begin_F = torch.zeros_like(unit_F)
    return _fitted(lambda weight_F: logs_NCF @ (weight_F * unit_F), classes_N, begin_F, DECAY) * unit_F


def _fitted(scores_of: Callable[[Tensor], Tensor], classes_N: Tensor, begin: Tensor, decay: float = 0.0) -> Tensor:
    """Return the weights whose scores (images, labels) make the right classes likeliest, less decay · their squares."""
    with torch.enable_grad():
        weight = begin.clone().requires_grad_()
        optimizer = torch.optim.LBFGS([weight], max_iter=ROUNDS, line_search_fn="strong_wolfe")
        classes_N = classes_N.to(begin.device)

        def loss() -> Tensor:
            optimizer.zero_grad()
            found = F.cross_entropy(scores_of(weight), classes_N) + decay * weight.square().sum()
            found.backward()  # type: ignore[no-untyped-call]
            return found

        optimizer.step(loss)  # type: ignore[no-untyped-call]
    return weight.detach()
