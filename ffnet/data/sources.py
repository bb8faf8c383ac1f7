"""Data sets that have a name: the embedded digits, generated cells, torchvision's, pairs of MNIST's digits."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from fflabels.errors import FFLabelsError
from fflabels.images import digits, to_shape
from ffnet.config import DataConfig
from ffnet.data.cells import KINDS, cells
from ffnet.data.dataset import Bytes, Classes, Data, Split, split_data, to_split
from ffnet.data.registry import register

DIGITS_SIZE = 16
"""Height and width of the digits, which are 8×8 in the file [ours]."""

PAIRS = "mnist-pairs"


@register("digits", "1797 handwritten digits (UCI), 8×8, part of fflabels")
def load_digits(config: DataConfig) -> Data:
    """Return the digits, a fifth of them for the test."""
    pixels, classes = _all_digits(config.size or DIGITS_SIZE)
    order = np.random.default_rng(0).permutation(len(pixels))
    test, rest = order[:360], order[360:]
    return split_data(
        config, "digits", (pixels[rest], classes[rest]), (pixels[test], classes[test]), tuple("0123456789"), 180
    )


@cache
def _all_digits(size: int) -> tuple[Bytes, Classes]:
    images, classes = digits()
    return np.round(to_shape(images, (1, size, size)) * 255).astype(np.uint8), classes


CELLS = 980
"""Training and validation images of cells; 210 more are for the test."""


@register("cells", "white blood cells of 7 kinds, generated pictures, 64×64, colour", preset="quick-cells")
def load_cells(config: DataConfig) -> Data:
    """Return the cells: 840 training, 140 validation and 210 test images unless the settings say otherwise."""
    images, kinds = _all_cells()
    train, test = (images[:CELLS], kinds[:CELLS]), (images[CELLS:].copy(), kinds[CELLS:].copy())
    return split_data(config, "cells", train, test, tuple(KINDS), 140)


@cache
def _all_cells() -> tuple[Bytes, Classes]:
    return cells(CELLS + 210, seed=0)


@register("mnist", "handwritten digits, 28×28", preset="quick-mnist")
def load_mnist(config: DataConfig) -> Data:
    """Return MNIST."""
    return from_torchvision(config, "MNIST", 10_000)


@register("fashion-mnist", "clothes in grey, 28×28", preset="quick-mnist")
def load_fashion_mnist(config: DataConfig) -> Data:
    """Return Fashion-MNIST."""
    return from_torchvision(config, "FashionMNIST", 10_000)


@register("cifar10", "small photographs, 32×32, 10 classes", preset="quick-cifar10")
def load_cifar10(config: DataConfig) -> Data:
    """Return CIFAR-10."""
    return from_torchvision(config, "CIFAR10", 5_000)


@register("cifar100", "small photographs, 32×32, 100 classes", preset="quick-cifar100")
def load_cifar100(config: DataConfig) -> Data:
    """Return CIFAR-100."""
    return from_torchvision(config, "CIFAR100", 5_000)


@register(PAIRS, "two of MNIST's digits side by side, 55 classes")
def load_pairs(config: DataConfig) -> Data:
    """Return pairs of MNIST's digits, as many as MNIST has images; no image is in pairs of two splits."""
    digits = load_mnist(msgspec.structs.replace(config, name="mnist", size=None, limit=None))
    drawn = [digit_pairs(part, seed) for seed, part in enumerate((digits.train, digits.validation, digits.test))]
    train, validation, test = (to_split(p.images.numpy(), p.classes.numpy(), config.size) for p in drawn)
    names = tuple(f"{a} {b}" for a, b in itertools.combinations_with_replacement(range(10), 2))
    return Data(PAIRS, train[: config.limit], validation, test, names)


def digit_pairs(digits: Split, seed: int) -> Split:
    """Return images of two digits side by side, as many as there are images of digits [ours].

    The order does not matter: 3 7 and 7 3 are one of the 55 classes. Each pair's class is drawn uniformly, then which
    digit is on the left, then an image of each digit. All draws follow from the seed.

    Parameters
    ----------
    digits
        Images (N, C, H, W) of ten classes; each may be in several pairs, or in none.
    seed
        Of the draws.

    Returns
    -------
    Split
        Images (N, C, H, 2·W), classes in the order 0 0, 0 1, …, 0 9, 1 1, …, 9 9.

    Raises
    ------
    FFLabelsError
        When there are images, but none of some digit.
    """
    count, rng = len(digits), np.random.default_rng(seed)
    of = [np.flatnonzero(digits.classes.numpy() == digit) for digit in range(10)]
    if count and not all(map(len, of)):
        missing = ", ".join(str(digit) for digit, there in enumerate(of) if not len(there))
        raise FFLabelsError(
            "no image of a digit", where=PAIRS, got=missing, hint="raise data.validation, or set it to 0"
        )
    both = np.array(list(itertools.combinations_with_replacement(range(10), 2)))
    classes = rng.integers(len(both), size=count)
    sides = rng.permuted(both[classes], axis=1)
    chosen = np.empty((count, 2), np.int64)
    for digit, there in enumerate(of):
        places = sides == digit
        chosen[places] = rng.choice(there, int(places.sum()))
    left, right = (digits.images[torch.from_numpy(chosen[:, side])] for side in range(2))
    return Split(torch.cat([left, right], dim=3), torch.from_numpy(classes))


def data_root(config: DataConfig) -> Path:
    """Return the folder of torchvision's data sets."""
    return Path(config.root or os.environ.get("FFNET_DATA") or Path.home() / ".cache" / "ffnet")


def from_torchvision(config: DataConfig, cls: str, validation: int) -> Data:
    """Return a data set of torchvision, downloaded if need be.

    Parameters
    ----------
    config
        The name, the folder, and whether downloads are allowed.
    cls
        The name of its class in ``torchvision.datasets``.
    validation
        The number of validation images if the configuration sets none.

    Raises
    ------
    FFLabelsError
        When it is not there and cannot be downloaded, or cannot be read.
    """
    import torchvision.datasets

    root = data_root(config)
    dataset: Callable[..., Any] = getattr(torchvision.datasets, cls)
    advice = f"set --data DIR or FFNET_DATA to a folder that torchvision.datasets.{cls} reads"
    try:
        parts = [dataset(root=str(root), train=train, download=False) for train in (True, False)]
    except RuntimeError as error:
        if "not found" not in str(error):  # torchvision's words where a file is not there
            raise FFLabelsError(
                f"{cls} cannot be read: {error}", where=str(root), hint="a file is damaged: remove it"
            ) from error
        if config.offline:
            raise FFLabelsError(
                f"{cls} is missing, and --offline forbids downloading it", where=str(root), hint=advice
            ) from None
        try:
            parts = [dataset(root=str(root), train=train, download=True) for train in (True, False)]
        except (OSError, RuntimeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[-1]
            raise FFLabelsError(
                f"{cls} is missing and cannot be downloaded: {reason}", where=str(root), hint=advice
            ) from error
    except Exception as error:  # damaged pickles and archives raise anything
        raise FFLabelsError(f"{cls} cannot be read: {error}", where=str(root), hint=advice) from error
    train, test = ((_channels_first(np.asarray(p.data)), np.asarray(p.targets, np.int64)) for p in parts)
    return split_data(config, config.name, train, test, tuple(map(str, parts[0].classes)), validation)


def _channels_first(images: Bytes) -> Bytes:
    return images[:, None] if images.ndim == 3 else np.ascontiguousarray(images.transpose(0, 3, 1, 2))
