"""Wavelet labels: the image itself, with some of its wavelet bands strengthened, removed or inverted.

Image-dependent, as morphological labels are: what a class does to an image is a filter, and the filter is the label.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec
import numpy as np
import pywt

from fflabels import FFLabelsError, Labeler, Params, Recipe
from fflabels.arrays import Array, Shape, constant_like, to_host

Images = np.ndarray[Any, Any]
Gain = Literal[-2, -1, 0, 1, 3]
GAINS: tuple[Gain, ...] = get_args(Gain)
"""Inverted and doubled, inverted, removed, unchanged, tripled."""

DIRECTIONS = 3
"""Bands of a level: horizontal, vertical and diagonal detail."""

Family = Literal["haar", "db2", "sym4", "coif1"]
FAMILIES: tuple[Family, ...] = get_args(Family)


class WaveletRecipe(Recipe, frozen=True):
    """A wavelet and the gains of its bands."""

    wavelet: Family
    rest: Gain
    """Gain of what the coarsest level leaves."""
    detail: Annotated[tuple[tuple[Gain, Gain, Gain], ...], msgspec.Meta(min_length=1, max_length=8)]
    """Gains of the horizontal, vertical and diagonal details, the coarsest level first."""


class WaveletParams(Params, frozen=True):
    """Parameters of `Wavelet`."""

    levels: Annotated[int, msgspec.Meta(ge=1, le=8)] = 2
    """Levels of the decomposition; fewer if a band would have less than two pixels a side."""
    wavelets: Annotated[tuple[Family, ...], msgspec.Meta(min_length=1)] = ("haar", "db2")
    """Wavelets to draw from."""


class Wavelet(Labeler[WaveletRecipe]):
    """Images filtered band by band; computed on the host, by PyWavelets, wherever the images are."""

    name = "wavelet"
    params_type = WaveletParams
    recipe_type = WaveletRecipe

    def propose(self, rng: np.random.Generator, shape: Shape) -> WaveletRecipe:
        """Return a uniform wavelet and uniform gains, not all of them 1."""
        levels = min(self.params.levels, min(shape[1:]).bit_length() - 2)
        if levels < 1:
            raise FFLabelsError(
                "too small for a wavelet", where="shape", got=shape, expected="at least 4 pixels a side"
            )
        wavelet = self.params.wavelets[rng.integers(len(self.params.wavelets))]
        while True:
            rest, *gains = (GAINS[i] for i in rng.integers(len(GAINS), size=1 + DIRECTIONS * levels))
            if {rest, *gains} != {1}:
                detail = tuple(tuple(gains[k : k + DIRECTIONS]) for k in range(0, len(gains), DIRECTIONS))
                return WaveletRecipe(wavelet, rest, detail)

    def imprint(self, images: Array, recipe: WaveletRecipe) -> Array:
        """Return the filtered images, clipped to [0, 1].

        Deviations from an image's mean are filtered: 1 for every gain is the image itself, 0 a grey plane.
        """
        host = to_host(images)
        mean = host.mean(axis=(2, 3), keepdims=True)
        filtered = _filtered(host - mean, recipe)
        return constant_like(np.clip(mean + filtered, 0, 1), images)


def _filtered(x: Images, recipe: WaveletRecipe, levels: int | None = None) -> Images:
    """Return images (N, C, H, W) with the bands of the coarsest `levels` multiplied by the recipe's gains."""
    levels = len(recipe.detail) if levels is None else levels
    if levels == 0:
        return recipe.rest * x
    options = {"wavelet": recipe.wavelet, "mode": "periodization", "axes": (2, 3)}
    rest, bands = pywt.dwt2(x, **options)
    weighted = tuple(map(np.multiply, recipe.detail[levels - 1], bands))
    together = pywt.idwt2((_filtered(rest, recipe, levels - 1), weighted), **options)
    return np.asarray(together)[:, :, : x.shape[2], : x.shape[3]]
