"""Which images are held out: drawn from all images alike, or class by class."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

SplitRule: TypeAlias = Literal["by image", "by class"]
"""How held-out images are drawn: from all alike, as for data sets that have a name and in older versions; or in
proportion from each class, so that each keeps a training image where it can. Folders of pictures are split by class."""


def held_out(classes_N: npt.NDArray[np.int64], count: int, rule: SplitRule, seed: int) -> npt.NDArray[np.bool_]:
    """Return which of N images are held out, as a mask (N,) with `count` true entries.

    Parameters
    ----------
    classes_N
        The class of each image.
    count
        The number of images that are held out.
    rule
        How they are drawn. ``by class``: in proportion to the classes' sizes, rounded by largest remainder; the last
        image of a class is held out only where there are not enough others [ours].
    seed
        Of the draw.
    """
    order_N = np.random.default_rng(seed).permutation(len(classes_N))
    mask_N = np.zeros(len(classes_N), bool)
    if rule == "by image":
        mask_N[order_N[:count]] = True
        return mask_N
    sizes_C = np.bincount(classes_N)
    rank_N = np.empty(len(classes_N), np.int64)
    for images in np.split(order_N[np.argsort(classes_N[order_N], kind="stable")], np.cumsum(sizes_C)[:-1]):
        rank_N[images] = np.arange(len(images))
    shares_C = _shares(sizes_C, count, seed)
    mask_N[rank_N < shares_C[classes_N]] = True
    return mask_N


def _shares(sizes_C: npt.NDArray[np.int64], count: int, seed: int) -> npt.NDArray[np.int64]:
    """Return how many images of each class are held out, `count` in all."""
    quota_C = count * sizes_C / max(1, sizes_C.sum())
    spare_C = np.maximum(sizes_C - 1, 0)
    shares_C: npt.NDArray[np.int64] = np.minimum(np.floor(quota_C).astype(np.int64), spare_C)
    tie_C = np.random.default_rng(seed).permutation(len(sizes_C))
    while (left := count - shares_C.sum()) > 0:
        most_C = spare_C if (shares_C < spare_C).any() else sizes_C
        nearest = np.lexsort((tie_C, shares_C - quota_C))
        shares_C[[c for c in nearest if shares_C[c] < most_C[c]][:left]] += 1
    return shares_C
