"""Draw wrong labels: uniform and balanced ones for a whole epoch, hard ones by the goodness seen so far.

Letters of shapes: B images per step, K wrong labels per image, C labels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Labels = npt.NDArray[np.int64]


def uniform(classes: Labels, num_negatives: int, count: int, rng: np.random.Generator) -> Labels:
    """Return wrong labels; all ``count − 1`` of them are equally likely (paper).

    Parameters
    ----------
    classes
        The right labels, of any shape.
    num_negatives
        Number of wrong labels per right label; the last axis of the result.
    count
        Number of labels in the set.
    """
    step = rng.integers(1, count, (*classes.shape, num_negatives))
    wrong: Labels = (classes[..., None] + step) % count
    return wrong


def balanced(classes: Labels, num_negatives: int, count: int, rng: np.random.Generator) -> Labels:
    """Return wrong labels as frequent in every batch as right ones, so that no label alone reveals which it is.

    The images of a batch are sorted by class. Each takes the label of the image a random distance ahead (a quarter to
    three quarters of the batch). If that image is of the same class, the label is drawn uniformly.

    Parameters
    ----------
    classes
        The right labels, (steps, batch).
    num_negatives, count
        As for `uniform`.
    """
    negatives = uniform(classes, num_negatives, count, rng)
    size = classes.shape[1]
    for right_B, wrong_BK in zip(classes, negatives, strict=True):
        for k in range(num_negatives):
            order = np.lexsort((rng.random(size), rng.permutation(count)[right_B]))
            source = np.roll(order, -int(rng.integers(size // 4, size - size // 4 + 1)))
            labels_B = np.empty_like(right_B)
            labels_B[order] = right_B[source]
            wrong_BK[:, k] = np.where(labels_B == right_B, wrong_BK[:, k], labels_B)
    return negatives


def hard(classes_B: Tensor, noise_BK: Tensor, logits_BC: Tensor) -> Tensor:
    """Return wrong labels (B, K), drawn with probability proportional to exp(logit) (Hinton 2022).

    Parameters
    ----------
    classes_B
        The right labels.
    noise_BK
        Uniform draws in [0, 1).
    logits_BC
        α·goodness/max(1, θ) of each label in the last layer, from the last step that drew it on this image; 0 before.
    """
    share_BC = logits_BC.scatter(1, classes_B[:, None], -torch.inf).softmax(1).cumsum(1)
    drawn_BK = torch.searchsorted(share_BC, noise_BK * share_BC[:, -1:], right=True)
    last = logits_BC.shape[1] - 1
    return torch.minimum(drawn_BK, torch.where(classes_B == last, last - 1, last)[:, None])
