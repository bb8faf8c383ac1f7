"""Walsh labels: products of two Walsh functions. They are orthogonal, so that no two labels correlate at all.

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
    """Most sign changes along a side; those that the image cannot hold exactly are never proposed."""


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
        """Return the pattern, 0 and 1, on every image and channel, sampled where its size is another."""
        _, _, h, w = images.shape
        for side, sequency, name in ((h, recipe.down, "down"), (w, recipe.across, "across")):
            if sequency >= side:
                raise FFLabelsError("more sign changes than pixels", where=name, got=sequency, expected=f"below {side}")
        signs = walsh(recipe.down, h)[:, None] * walsh(recipe.across, w)[None, :]
        return array_namespace(images).broadcast_to(constant_like((1 + signs) / 2, images), images.shape)


@lru_cache(maxsize=4096)
def walsh(sequency: int, samples: int) -> np.ndarray[Any, Any]:
    """Return the Walsh function of a sequency, ±1 at the centres of `samples` equal parts of its interval.

    In Paley's order it is a product of Rademacher functions, one a binary digit; the Gray code of the sequency says
    which.
    """
    position = (2 * np.arange(samples) + 1) / (2 * samples)
    signs = np.ones(samples)
    gray = sequency ^ (sequency >> 1)
    for digit in range(gray.bit_length()):
        if gray >> digit & 1:
            signs *= 1 - 2 * (np.floor(position * 2 ** (digit + 1)) % 2)
    return signs


def _exact(side: int) -> int:
    """Return how many Walsh functions are orthogonal on so many pixels: the largest power of 2 that divides them."""
    return side & -side
