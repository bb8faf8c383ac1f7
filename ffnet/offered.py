"""What layers behind the first are offered of a label, other than its imprint: low waves, a channel each [ours].

The maps of later layers are small: only low waves survive in them. One wave leaves its label in doubt wherever it
crosses that of another label; several at once tell every label from every other one everywhere.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fflabels.errors import FFLabelsError
from fflabels.labelers.fourier import LOW100, single_waves

WAVES = tuple(recipe.waves[0] for recipe in LOW100[:16])
"""The four lowest frequencies, each at four phases a quarter of a turn apart."""


def code(labels: int, channels: int, seed: int) -> Tensor:
    """Return which of `WAVES` stands for each label in each channel, (labels, channels); no two have all alike.

    Up to 16 labels share none, up to 128 one at most in 4 channels: label a + 16·b has wave a + k·b (mod 16) in channel
    k, where each channel counts the waves in an order of its own. All waves are given out alike.

    Parameters
    ----------
    labels, channels
        How many.
    seed
        Of the orders.

    Raises
    ------
    FFLabelsError
        When there are too few channels to tell the labels apart, or more than 256 labels.
    """
    count = len(WAVES)
    most = count if channels == 1 else count**2
    if labels > most:
        raise FFLabelsError(
            "does not tell the labels apart", where="net.offered_waves", got=f"{channels} for {labels} labels",
            expected="2 or more" if labels <= count**2 else f"at most {count**2} labels, or 0",
            hint="net.offered_waves=0 and labels.intensity=0.35: the label's own imprint",
        )  # fmt: skip
    rng = np.random.default_rng([seed, channels])
    b_N, a_N = np.divmod(rng.permutation(labels), count)
    k_M = np.arange(channels)
    place_NM = (a_N[:, None] + k_M * b_N[:, None]) % count
    orders_MW = rng.permuted(np.tile(np.arange(count), (channels, 1)), axis=1)
    return torch.from_numpy(orders_MW[k_M, place_NM])


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
