"""Which wrong label: uniform and balanced, drawn for a whole epoch ahead, and hard, from the goodness seen so far."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Labels = npt.NDArray[np.int64]


def uniform(classes: Labels, each: int, count: int, rng: np.random.Generator) -> Labels:
    """Return wrong labels, each of the other ``count − 1`` as likely (paper).

    Parameters
    ----------
    classes
        The right labels, of any shape.
    each
        How many wrong ones a right one; the result has one axis more.
    count
        How many labels there are.
    """
    step = rng.integers(1, count, (*classes.shape, each))
    found: Labels = (classes[..., None] + step) % count
    return found


def balanced(classes: Labels, each: int, count: int, rng: np.random.Generator) -> Labels:
    """Return wrong labels that are in every batch as frequent as the right ones, so that no label tells by itself.

    The images of a batch, sorted by class, take the label of the image a drawn distance (a quarter to three quarters
    of the batch) further on. Where a class is so frequent that this hits itself, a uniform draw stands in.

    Parameters
    ----------
    classes
        The right labels, (steps, batch).
    each, count
        As for `uniform`.
    """
    found = uniform(classes, each, count, rng)
    size = classes.shape[1]
    for right_B, wrong_BK in zip(classes, found, strict=True):
        for k in range(each):
            order = np.lexsort((rng.random(size), rng.permutation(count)[right_B]))
            moved = np.roll(order, -int(rng.integers(size // 4, size - size // 4 + 1)))
            labels = np.empty_like(right_B)
            labels[order] = right_B[moved]
            wrong_BK[:, k] = np.where(labels == right_B, wrong_BK[:, k], labels)
    return found


def hard(classes_B: Tensor, noise_BK: Tensor, logits_BC: Tensor) -> Tensor:
    """Return wrong labels (B, K), drawn in proportion to exp(logit): those that the net takes for right (Hinton 2022).

    Parameters
    ----------
    classes_B
        The right labels.
    noise_BK
        Uniform draws in [0, 1).
    logits_BC
        α·goodness of every label of every image when it was last seen; 0 until then.
    """
    share_BC = logits_BC.scatter(1, classes_B[:, None], -torch.inf).softmax(1).cumsum(1)
    drawn_BK = torch.searchsorted(share_BC, noise_BK * share_BC[:, -1:], right=True)
    last = logits_BC.shape[1] - 1
    return torch.minimum(drawn_BK, torch.where(classes_B == last, last - 1, last)[:, None])
