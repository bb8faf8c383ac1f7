"""Augmentation before the label is drawn: random crops and mirror images in training, both views at inference."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

Moves = npt.NDArray[np.int64]


def draw_moves(shape: tuple[int, ...], crop: int, flip: bool, rng: np.random.Generator) -> Moves:
    """Draw random moves (…, 3): pixels down and right from −crop to crop, and 1 where an image is mirrored.

    Parameters
    ----------
    shape
        One move is drawn per element of this shape.
    crop
        The largest shift in pixels.
    flip
        Whether images are mirrored left to right with probability 1/2.
    """
    shifts = rng.integers(-crop, crop + 1, (*shape, 2))
    mirrored = rng.integers(0, 1 + flip, (*shape, 1))
    return np.concatenate([shifts, mirrored], -1)


def moved(images_BCHW: Tensor, moves_B3: Tensor, crop: int) -> Tensor:
    """Return images shifted by up to `crop` pixels, filled with black, then mirrored.

    Parameters
    ----------
    images_BCHW
        Bytes or floats.
    moves_B3, crop
        As of `draw_moves`, on the images' device.
    """
    height, width = images_BCHW.shape[2:]
    index_B, y_H, x_W = (torch.arange(n, device=images_BCHW.device) for n in (len(moves_B3), height, width))
    down_B1, right_B1, mirrored_B1 = moves_B3[:, :, None].unbind(1)
    rows_BH = y_H + crop - down_B1
    columns_BW = torch.where(mirrored_B1 == 1, x_W.flip(0), x_W) + crop - right_B1
    padded = F.pad(images_BCHW, (crop, crop, crop, crop))
    # The indices stand on either side of the channels' slice: they come first, (B, H, W, C).
    moved_BHWC = padded[index_B[:, None, None], :, rows_BH[:, :, None], columns_BW[:, None, :]]
    return moved_BHWC.permute(0, 3, 1, 2).contiguous()


def views(images_NCHW: Tensor, mirror: bool) -> list[Tensor]:
    """Return the views for inference: the images, and with `mirror` their mirror images too."""
    return [images_NCHW, images_NCHW.flip(-1)] if mirror else [images_NCHW]
