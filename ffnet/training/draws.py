"""All random draws of an epoch: order of the images, wrong labels, crops and flips.

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
    """The random draws of one epoch. They depend only on (seed, epoch) and are the same on every device.

    Attributes
    ----------
    epoch
        Number of the epoch, from 0.
    order_SB
        Indices of the images of each step. An incomplete last batch is left out.
    labels_SBK
        The right label of each image, then its wrong labels; on `labels_device` (default: the device of the classes).
    noise_SBK
        Uniform draws in [0, 1) for hard negatives, one per wrong label.
    moves_SB3
        Crop and flip of each image (`ffnet.data.augment`), or None if images are not moved.
    """

    def __init__(
        self, config: Config, classes: Tensor, count: int, epoch: int, *, labels_device: torch.device | None = None
    ) -> None:
        self.epoch = epoch
        rng = np.random.default_rng([config.seed, epoch])
        batch = min(config.train.batch, len(classes))
        steps = len(classes) // batch
        order = rng.permutation(len(classes))[: steps * batch].reshape(steps, batch)
        right = classes.cpu().numpy()[order]
        num_negatives = config.train.negatives_each
        draw = negatives.balanced if config.train.negatives == "balanced" else negatives.uniform
        wrong = draw(right, num_negatives, count, rng) if count > 1 else np.empty((*right.shape, 0), np.int64)
        self.order_SB = torch.from_numpy(order).to(classes.device)
        labels_SBK = torch.from_numpy(np.concatenate([right[..., None], wrong], -1))
        self.labels_SBK = labels_SBK.to(labels_device or classes.device)
        self.noise_SBK = torch.from_numpy(rng.random((steps, batch, num_negatives), np.float32)).to(classes.device)
        self.crop, self.moves_SB3 = config.train.crop, None
        if config.train.crop or config.train.flip:
            moves = draw_moves((steps, batch), config.train.crop, config.train.flip, rng)
            self.moves_SB3 = torch.from_numpy(moves).to(classes.device)

    def __len__(self) -> int:
        return len(self.order_SB)

    def images(self, train: Split, k: int, share: slice = slice(None)) -> Tensor:
        """Return the images of step k, or a rank's share of them, cropped and flipped if configured."""
        images_BCHW = train.images[self.order_SB[k, share]]
        return images_BCHW if self.moves_SB3 is None else moved(images_BCHW, self.moves_SB3[k, share], self.crop)
