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
    down_B, right_B, mirrored_B = moves_B3.unbind(1)
    if crop:  # every window of the images' size, of which each image takes one
        windows_BCYXHW = F.pad(images_BCHW, (crop, crop, crop, crop)).unfold(2, height, 1).unfold(3, width, 1)
        index_B = torch.arange(len(moves_B3), device=images_BCHW.device)
        images_BCHW = windows_BCYXHW[index_B, :, crop - down_B, crop - right_B]
    return torch.where(mirrored_B[:, None, None, None] == 1, images_BCHW.flip(-1), images_BCHW)


def views(images_NCHW: Tensor, mirror: bool) -> list[Tensor]:
    """Return the views for inference: the images, and with `mirror` their mirror images too."""
    return [images_NCHW, images_NCHW.flip(-1)] if mirror else [images_NCHW]
