"""Draws: everything random in an epoch, as a function of the seed and the epoch alone.

Letters of shapes: S steps, B images per step, K labels per image (the right one first).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ffnet.config import Config
from ffnet.data.augment import draw_moves, moved
from ffnet.data.dataset import Split
from ffnet.training import negatives


class Draws:
    """All that is random in an epoch: a function of (seed, epoch), the same on every device.

    Attributes
    ----------
    epoch
        From 0.
    order_SB
        Indices of the images of every step; a remainder smaller than a batch waits for another epoch.
    labels_SBK
        The right label of each, then its wrong ones; on the device `labels_on`, that of the classes unless given.
    noise_SBK
        Uniform draws in [0, 1), for hard negatives.
    moves_SB3
        How each image is moved, where images are (`ffnet.data.augment`).
    """

    def __init__(
        self, config: Config, classes: Tensor, count: int, epoch: int, *, labels_on: torch.device | None = None
    ) -> None:
        self.epoch = epoch
        rng = np.random.default_rng([config.seed, epoch])
        batch = min(config.train.batch, len(classes))
        steps = len(classes) // batch
        order = rng.permutation(len(classes))[: steps * batch].reshape(steps, batch)
        right = classes.cpu().numpy()[order]
        each = config.train.negatives_each
        draw = negatives.balanced if config.train.negatives == "balanced" else negatives.uniform
        wrong = draw(right, each, count, rng) if count > 1 else np.empty((*right.shape, 0), np.int64)
        self.order_SB = torch.from_numpy(order).to(classes.device)
        labels_SBK = torch.from_numpy(np.concatenate([right[..., None], wrong], -1))
        self.labels_SBK = labels_SBK.to(labels_on or classes.device)
        self.noise_SBK = torch.from_numpy(rng.random((steps, batch, each), np.float32)).to(classes.device)
        self.crop, self.moves_SB3 = config.train.crop, None
        if config.train.crop or config.train.flip:
            moves = draw_moves((steps, batch), config.train.crop, config.train.flip, rng)
            self.moves_SB3 = torch.from_numpy(moves).to(classes.device)

    def __len__(self) -> int:
        return len(self.order_SB)

    def images(self, train: Split, k: int, share: slice = slice(None)) -> Tensor:
        """Return step k's images, or a share of them, moved where images are."""
        images_BCHW = train.images[self.order_SB[k, share]]
        return images_BCHW if self.moves_SB3 is None else moved(images_BCHW, self.moves_SB3[k, share], self.crop)
