"""What goodness is corrected by before layers are summed: each label's offset, and a weight a layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fflabels.errors import FFLabelsError
from ffnet.config import Config, InferenceConfig
from ffnet.data import Data, Split

ROUNDS = 100
"""Iterations of the fit, at most: it is convex, in as many numbers as layers count."""

FLAT = 1e-6
"""A layer whose goodness varies by less than this share of its size is left out."""

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
        seen_KNC = (goodness_LNC - offset_LC[:, None])[counted.start :].double()
        spread_K, largest_K = seen_KNC.std((1, 2)), seen_KNC.abs().amax((1, 2))
        unit_K = torch.where(spread_K > FLAT * largest_K, 1 / spread_K, 0.0)  # a dead layer says nothing
        weight_L[counted.start :] = (_fitted(seen_KNC * unit_K[:, None, None], part.classes) * unit_K).to(weight_L)
    return Calibration(weight_L, offset_LC)


def _fitted(seen_KNC: Tensor, classes_N: Tensor) -> Tensor:
    with torch.enable_grad():
        weight_K = seen_KNC.new_ones(len(seen_KNC)).requires_grad_()
        optimizer = torch.optim.LBFGS([weight_K], max_iter=ROUNDS, line_search_fn="strong_wolfe")
        classes_N = classes_N.to(seen_KNC.device)

        def loss() -> Tensor:
            optimizer.zero_grad()
            found = F.cross_entropy(torch.einsum("k,knc->nc", weight_K, seen_KNC), classes_N)
            found.backward()  # type: ignore[no-untyped-call]
            return found

        optimizer.step(loss)  # type: ignore[no-untyped-call]
    return weight_K.detach()
