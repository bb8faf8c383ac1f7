"""Walsh labels: Walsh functions over the image or over a layer's channels. No two of them correlate at all.

A Walsh function of sequency s changes sign s times across the image, at multiples of a power-of-two fraction of it
[1]_. Sampled where that fraction is a whole number of pixels, different ones are orthogonal exactly.

.. [1] H. F. Harmuth, Transmission of information by orthogonal functions, 1969.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

import msgspec
import numpy as np

from fflabels import FFLabelsError, Labeler, Params, Recipe
from fflabels.arrays import Array, Shape, array_namespace, constant_like


class WalshRecipe(Recipe, frozen=True):
    """The sequencies (sign changes) down and across the image; not both are 0."""

    down: Annotated[int, msgspec.Meta(ge=0, lt=1 << 12)]
    across: Annotated[int, msgspec.Meta(ge=0, lt=1 << 12)]

    def __post_init__(self) -> None:
        if self.down == self.across == 0:
            raise FFLabelsError("a label needs a sign change", where="down, across", got="0, 0")


class WalshParams(Params, frozen=True):
    """Parameters of `Walsh`."""

    max_sequency: Annotated[int, msgspec.Meta(ge=1, lt=1 << 12)] = 31
    """Largest number of sign changes along a side; those that the image cannot hold exactly are never proposed."""


class Walsh(Labeler[WalshRecipe]):
    """Chequered patterns over the whole image, the same for every image, uncorrelated by construction."""

    name = "walsh"
    image_independent = True
    params_type = WalshParams
    recipe_type = WalshRecipe

    def propose(self, rng: np.random.Generator, shape: Shape) -> WalshRecipe:
        """Return one of the patterns that are orthogonal at `shape`, each as likely as any other.

        Raises
        ------
        FFLabelsError
            When both sides are odd: then there is none.
        """
        rows, columns = (min(_exact(side), self.params.max_sequency + 1) for side in shape[1:])
        if rows * columns == 1:
            raise FFLabelsError(
                "no Walsh function fits",
                where="shape",
                got=shape,
                expected="an even height or width, best a power of 2",
            )
        down, across = divmod(int(rng.integers(1, rows * columns)), columns)
        return WalshRecipe(down, across)

    def imprint(self, images: Array, recipe: WalshRecipe) -> Array:
        """Return the pattern, 0 and 1, on every image and channel, resampled at other sizes."""
        _, _, h, w = images.shape
        for side, sequency, name in ((h, recipe.down, "down"), (w, recipe.across, "across")):
            if sequency >= side:
                raise FFLabelsError("more sign changes than pixels", where=name, got=sequency, expected=f"below {side}")
        signs = walsh(recipe.down, h)[:, None] * walsh(recipe.across, w)[None, :]
        return array_namespace(images).broadcast_to(constant_like((1 + signs) / 2, images), images.shape)


@lru_cache(maxsize=4096)
def walsh(sequency: int, samples: int) -> np.ndarray[Any, Any]:
    """Return the Walsh function of a sequency, ±1 at the centres of `samples` equal parts of its interval.

    In Paley's order it is a product of Rademacher functions, one per binary digit; the Gray code of the sequency says
    which.
    """
    position = (2 * np.arange(samples) + 1) / (2 * samples)
    signs = np.ones(samples)
    gray = sequency ^ (sequency >> 1)
    for digit in range(gray.bit_length()):
        if gray >> digit & 1:
            signs *= 1 - 2 * (np.floor(position * 2 ** (digit + 1)) % 2)
    return signs


class WalshCodeRecipe(Recipe, frozen=True):
    """The sequency (sign changes) over the channels."""

    sequency: Annotated[int, msgspec.Meta(ge=1, lt=1 << 12)]


class WalshCode(Labeler[WalshCodeRecipe]):
    """Codes over a layer's channels: one Walsh function each, uncorrelated by construction."""

    name = "walsh-code"
    pattern = "code"
    image_independent = True
    recipe_type = WalshCodeRecipe

    def propose(self, rng: np.random.Generator, shape: Shape) -> WalshCodeRecipe:
        """Return one of the codes that are orthogonal over the channels, each as likely as any other.

        Raises
        ------
        FFLabelsError
            When the number of channels is odd: then there is none.
        """
        count = _exact(shape[0])
        if count == 1:
            raise FFLabelsError(
                "no Walsh function fits", where="channels", got=shape[0], expected="an even number, best a power of 2"
            )
        return WalshCodeRecipe(int(rng.integers(1, count)))

    def default_shape(self, recipe: WalshCodeRecipe) -> Shape:
        """Return as many channels as the sequency needs, a power of 2."""
        return 1 << recipe.sequency.bit_length(), 1, 1

    def imprint(self, images: Array, recipe: WalshCodeRecipe) -> Array:
        """Return each channel filled with the function's value there, 0 or 1."""
        channels = images.shape[1]
        if recipe.sequency >= channels:
            raise FFLabelsError(
                "more sign changes than channels", where="sequency", got=recipe.sequency, expected=f"below {channels}"
            )
        values = (1 + walsh(recipe.sequency, channels)) / 2
        return array_namespace(images).broadcast_to(constant_like(values.reshape(-1, 1, 1), images), images.shape)


def _exact(side: int) -> int:
    """Return how many Walsh functions are orthogonal on so many samples: the largest power of 2 that divides them."""
    return side & -side
