"""Label channels made of waves: smooth patterns that encode the label as extra inputs of later layers [ours].

The maps of later layers are small, so only waves of low frequency survive in them. A single wave equals that of another
label wherever the two cross; several waves together distinguish all labels at every pixel.

Letters of shapes: N labels, M channels, W waves.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fflabels.errors import FFLabelsError
from fflabels.labelers.fourier import LOW100, single_waves

WAVES = tuple(recipe.waves[0] for recipe in LOW100[:16])
"""The 16 waves: the four lowest frequencies, each at four phases a quarter period apart."""


def code(labels: int, channels: int, seed: int) -> Tensor:
    """Return which of `WAVES` each label gets in each channel, (labels, channels) int64.

    Each channel permutes the 16 waves and gives them to the labels, every wave equally often. With at most 16 channels,
    two labels have the same wave in at most d − 1 of them, where d is the number of base-16 digits of the labels: in
    none for up to 16 labels, in at most one for up to 256, in at most two for up to 4096.

    This is a Reed–Solomon code. The digits of a label are the coefficients of a polynomial over the field of 16
    elements. Channel k takes its value at k (mod 16), then its own random permutation of the waves.

    Parameters
    ----------
    labels, channels
        Number of labels and of channels.
    seed
        Seed of the numbering of the labels and of the permutations.

    Raises
    ------
    FFLabelsError
        If there are too few channels to tell the labels apart.
    """
    # The number of digits d.
    count = len(WAVES)
    digits = next(n for n in itertools.count(1) if count**n >= labels)
    if channels < digits:
        raise FFLabelsError(
            "does not tell the labels apart", where="net.offered_waves", got=f"{channels} for {labels} labels",
            expected=f"{digits} or more, or 0",
            hint="net.offered_waves=0 and labels.intensity=0.35: the label's own imprint",
        )  # fmt: skip

    # The value of each label's polynomial at each channel's number, by Horner's rule.
    rng = np.random.default_rng([seed, channels])
    label_N, k_M = rng.permutation(labels)[:, None], np.arange(channels)
    value_NM = np.zeros((labels, channels), dtype=np.int64)
    for power in reversed(range(digits)):
        value_NM = _product(value_NM, k_M % count) ^ label_N // count**power % count

    # Each channel permutes the waves.
    waves_MW = rng.permuted(np.tile(np.arange(count), (channels, 1)), axis=1)
    return torch.from_numpy(waves_MW[k_M, value_NM])


def _product(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return products in the field of 16 elements: numbers are polynomials over bits, modulo x⁴ + x + 1."""
    product = a * (b & 1)
    for bit in (1, 2, 3):
        product = product ^ (a << bit) * (b >> bit & 1)
    for bit in (2, 1, 0):
        product = product ^ (product >> 4 + bit & 1) * (0b10011 << bit)
    return product


def patterns(code_NM: Tensor, image: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Return the label channels of every label, (labels, channels, height, width) float32 in [0, 1].

    Parameters
    ----------
    code_NM
        Which of `WAVES` each label has in each channel; the result is on its device.
    image, size
        Height and width of the images at which the waves are computed, and the size they are average-pooled to.
    """
    waves_WHW = torch.from_numpy(single_waves(WAVES, *image)).to(code_NM.device)
    return F.adaptive_avg_pool2d(waves_WHW, size)[code_NM]
