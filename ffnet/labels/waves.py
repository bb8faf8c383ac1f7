"""What layers behind the first are offered of a label, other than its imprint: low waves, a channel each [ours].

The maps of later layers are small: only low waves survive in them. One wave leaves its label in doubt wherever it
crosses that of another label; several at once tell every label from every other one everywhere.
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
"""The four lowest frequencies, each at four phases a quarter of a turn apart."""


def code(labels: int, channels: int, seed: int) -> Tensor:
    """Return which of `WAVES` stands for each label in each channel, (labels, channels); no two have all alike.

    A Reed–Solomon code: a label's digits to the base of 16 are the coefficients of a polynomial over the field of 16
    elements, channel k has its value at k (mod 16), and counts the waves in an order of its own. So up to 16 labels
    share no wave in any channel, up to 256 one at most of 16 channels or fewer, up to 4096 two. All waves are given out
    alike.

    Parameters
    ----------
    labels, channels
        How many.
    seed
        Of the orders.

    Raises
    ------
    FFLabelsError
        When there are too few channels to tell the labels apart.
    """
    count = len(WAVES)
    digits = next(n for n in itertools.count(1) if count**n >= labels)
    if channels < digits:
        raise FFLabelsError(
            "does not tell the labels apart", where="net.offered_waves", got=f"{channels} for {labels} labels",
            expected=f"{digits} or more, or 0",
            hint="net.offered_waves=0 and labels.intensity=0.35: the label's own imprint",
        )  # fmt: skip
    rng = np.random.default_rng([seed, channels])
    label_N, k_M = rng.permutation(labels)[:, None], np.arange(channels)
    place_NM = np.zeros((labels, channels), dtype=np.int64)
    for power in reversed(range(digits)):
        place_NM = _product(place_NM, k_M % count) ^ label_N // count**power % count
    orders_MW = rng.permuted(np.tile(np.arange(count), (channels, 1)), axis=1)
    return torch.from_numpy(orders_MW[k_M, place_NM])


def _product(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return products in the field of 16 elements: of polynomials over bits, modulo x⁴ + x + 1."""
    product = a * (b & 1)
    for bit in (1, 2, 3):
        product = product ^ (a << bit) * (b >> bit & 1)
    for bit in (2, 1, 0):
        product = product ^ (product >> 4 + bit & 1) * (0b10011 << bit)
    return product


def patterns(code_NM: Tensor, image: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Return what labels are offered as, (labels, channels, height, width) float32 in [0, 1], on the code's device.

    Parameters
    ----------
    code_NM
        Which of `WAVES` stands for each label in each channel.
    image, size
        Height and width of the images that the waves are drawn over, and those that they are averaged to.
    """
    drawn_WHW = torch.from_numpy(single_waves(WAVES, *image)).to(code_NM.device)
    return F.adaptive_avg_pool2d(drawn_WHW, size)[code_NM]
