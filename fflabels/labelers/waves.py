"""Label channels made of waves: smooth patterns that encode the label as extra inputs of later layers [ours].

The maps of later layers are small, so only waves of low frequency survive in them. A single wave equals that of another
label wherever the two cross; several waves together tell all labels apart at every pixel.

Letters of shapes: N labels, M channels, W waves.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from fflabels.arrays import Array, Shape, array_namespace, constant_like
from fflabels.errors import FFLabelsError
from fflabels.labeler import DEFAULT_SHAPE, Labeler
from fflabels.labelers.fourier import LOW100, single_waves
from fflabels.recipe import Recipe

WAVES = tuple(recipe.waves[0] for recipe in LOW100[:16])
"""The 16 waves: the four lowest frequencies, each at four phases a quarter of a turn apart."""

LEAST_SIDE = 3
"""On fewer pixels a wave at some phase is flat."""


class WavesRecipe(Recipe, frozen=True):
    """Which of `WAVES` each channel has."""

    waves: Annotated[tuple[Annotated[int, msgspec.Meta(ge=0, lt=len(WAVES))], ...], msgspec.Meta(min_length=1)]


def reed_solomon(n: int, shape: Shape, seed: int) -> list[WavesRecipe]:
    """Return n labels of as many channels as the shape has, see `reed_solomon_code`; height and width have no part."""
    return [WavesRecipe(tuple(row)) for row in reed_solomon_code(n, shape[0], seed).tolist()]


def reed_solomon_code(labels: int, channels: int, seed: int) -> npt.NDArray[np.int64]:
    """Return which of `WAVES` each label gets in each channel, (labels, channels).

    Each channel permutes the 16 waves and gives them to the labels, every wave equally often. With at most 16 channels,
    two labels have the same wave in at most d − 1 of them, where d is the number of base-16 digits of the labels: in
    none for up to 16 labels, in at most one for up to 256, in at most two for up to 4096.

    This is a Reed–Solomon code (Reed and Solomon 1960). The digits of a label are the coefficients of a polynomial over
    the field of 16 elements. Channel k takes its value at k (mod 16), then its own random permutation of the waves.

    Parameters
    ----------
    labels, channels
        Number of labels and of channels.
    seed
        Seed of the numbering of the labels and of the permutations.

    Raises
    ------
    FFLabelsError
        If there are too few channels to tell the labels apart.
    """
    # The number of digits d.
    count = len(WAVES)
    digits = next(n for n in itertools.count(1) if count**n >= labels)
    if channels < digits:
        raise FFLabelsError(
            "too few channels to tell the labels apart", where="waves:reed-solomon",
            got=f"{channels} for {labels} labels", expected=f"{digits} or more",
        )  # fmt: skip

    # The value of each label's polynomial at each channel's number, by Horner's rule.
    rng = np.random.default_rng([seed, channels])
    label_N, k_M = rng.permutation(labels)[:, None], np.arange(channels)
    value_NM = np.zeros((labels, channels), dtype=np.int64)
    for power in reversed(range(digits)):
        value_NM = _product(value_NM, k_M % count) ^ label_N // count**power % count

    # Each channel permutes the waves.
    waves_MW = rng.permuted(np.tile(np.arange(count), (channels, 1)), axis=1)
    assigned: npt.NDArray[np.int64] = waves_MW[k_M, value_NM]
    return assigned


def _product(a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return products in the field of 16 elements: numbers are polynomials over bits, modulo x⁴ + x + 1."""
    product = a * (b & 1)
    for bit in (1, 2, 3):
        product = product ^ (a << bit) * (b >> bit & 1)
    for bit in (2, 1, 0):
        product = product ^ (product >> 4 + bit & 1) * (0b10011 << bit)
    return product


class Waves(Labeler[WavesRecipe]):
    """One of 16 low waves in each of m channels, the same for every image."""

    name = "waves"
    pattern = "channels"
    image_independent = True
    recipe_type = WavesRecipe
    named_sets = {"reed-solomon": reed_solomon}  # noqa: RUF012

    def propose(self, rng: np.random.Generator, shape: Shape) -> WavesRecipe:
        """Return a random wave for each channel."""
        _check_side(shape[1], shape[2])
        return WavesRecipe(tuple(rng.integers(len(WAVES), size=shape[0]).tolist()))

    def default_shape(self, recipe: WavesRecipe) -> Shape:
        """Return as many channels as the recipe has, at 32×32."""
        return len(recipe.waves), *DEFAULT_SHAPE[1:]

    def imprint(self, images: Array, recipe: WavesRecipe) -> Array:
        """Return each channel's wave, stretched to [0, 1]; refuses images of another number of channels."""
        _, channels, height, width = images.shape
        if channels != len(recipe.waves):
            raise FFLabelsError(
                "waves for another number of channels", where="channels",
                got=f"{len(recipe.waves)} waves for {channels} channels", expected="one wave per channel",
            )  # fmt: skip
        _check_side(height, width)
        drawn = constant_like(_drawn(height, width)[list(recipe.waves)], images)
        return array_namespace(images).broadcast_to(drawn, images.shape)


def _check_side(height: int, width: int) -> None:
    if min(height, width) < LEAST_SIDE:
        raise FFLabelsError(
            "too small for waves", where="shape", got=f"{height}×{width}", expected=f"{LEAST_SIDE} pixels a side"
        )


@lru_cache(maxsize=16)
def _drawn(height: int, width: int) -> npt.NDArray[Any]:
    """Return all 16 waves, (16, H, W) float64."""
    return single_waves(WAVES, height, width, np.float64)
