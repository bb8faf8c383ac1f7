"""Labels as extra channels of the layers after the first: which set they come from, and their patterns [ours].

Letters of shapes: L labels, M channels, h×w pixels.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from fflabels import LabelSet, design, get_labeler
from fflabels.errors import FFLabelsError
from fflabels.labelset import open_set
from ffnet.config import Config
from ffnet.labels.kinds import is_labeler

DESIGN_SIZE = 32
"""Height and width at which a set of label channels is designed; its recipes fit any size."""


def choose_layer_labels(config: Config, count: int) -> LabelSet | None:
    """Return the set of ``labels.layers`` for `count` labels, or None if later layers receive no set.

    Raises
    ------
    FFLabelsError
        If there is no such set, or it has another number of labels or channels.
    """
    settings = config.labels.layers
    if settings.set in ("none", "imprint"):
        return None
    if is_labeler(settings.set):
        labels = _designed(settings.set, count, settings.channels, config.labels_seed)
    else:
        shape = (settings.channels, DESIGN_SIZE, DESIGN_SIZE)
        labels = open_set(settings.set, None if Path(settings.set).is_file() else count, shape, config.labels_seed)
    if len(labels) != count:
        raise FFLabelsError("not one label per class", where="labels.layers.set", got=len(labels), expected=f"{count}")
    if labels.shape[0] != settings.channels:
        raise FFLabelsError(
            "another number of channels", where="labels.layers.channels", got=settings.channels,
            expected=f"{labels.shape[0]}",
        )  # fmt: skip
    return labels


@lru_cache(maxsize=1)
def _designed(name: str, count: int, channels: int, seed: int) -> LabelSet:
    """Return a designed set; kept, because a training asks for it when it is checked and when the net is built."""
    shape = (channels, DESIGN_SIZE, DESIGN_SIZE)
    return design(get_labeler(name), count, shape=shape, candidates=max(200, count), seed=seed)


def label_channels(labels: LabelSet, image: tuple[int, int], size: tuple[int, int], dtype: torch.dtype) -> Tensor:
    """Return the label channels of every label, (L, M, h, w) in [0, 1].

    Parameters
    ----------
    labels
        The set.
    image, size
        Height and width of the images at which the patterns are drawn, and the size they are average-pooled to.
    dtype
        float32 or float64.
    """
    channels = labels.shape[0]
    patterns_LMHW = labels.imprints(torch.zeros(1, channels, *image, dtype=dtype))[:, 0]
    return F.adaptive_avg_pool2d(patterns_LMHW, size)
