"""Gabor labels: oriented textures, each label its own frequency and orientation.

The texture is Gabor noise [1]_: its spectrum is a Gaussian around one frequency and one orientation, the phases are
random. It looks the same to a convolution at every position.

.. [1] A. Lagae, S. Lefebvre, G. Drettakis, P. Dutré, Procedural noise using sparse Gabor convolution, ACM TOG 2009.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

import msgspec
import numpy as np
from scipy.special import erf

from fflabels import FFLabelsError, Labeler, Params, Recipe
from fflabels.arrays import Array, Shape, array_namespace, constant_like

WAVES = 64
"""Number of waves that are summed."""


class GaborRecipe(Recipe, frozen=True):
    """A Gaussian in the frequency plane, and the seed of the phases."""

    frequency: Annotated[float, msgspec.Meta(gt=0, le=4096)]
    """Cycles per image width."""
    orientation: Annotated[float, msgspec.Meta(ge=0, lt=180)]
    """Degrees from the x axis; the stripes stand across it."""
    spread: Annotated[float, msgspec.Meta(ge=0, le=4096)]
    """Standard deviation of the frequencies, in cycles per image width, along both axes."""
    seed: Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]


class GaborParams(Params, frozen=True):
    """Parameters of `Gabor`."""

    min_frequency: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    """Least centre frequency, in cycles per image width."""
    max_frequency: Annotated[float, msgspec.Meta(gt=0)] = 8.0
    """Greatest centre frequency; a quarter of the width in pixels where that is less."""
    spread: Annotated[float, msgspec.Meta(ge=0, le=4096)] = 0.5
    """Standard deviation of a label's frequencies. 0: one wave; larger: shorter and less regular stripes."""

    def __post_init__(self) -> None:
        if self.max_frequency < self.min_frequency:
            raise FFLabelsError(
                "below min_frequency",
                where="max_frequency",
                got=self.max_frequency,
                expected=f"at least {self.min_frequency:g}",
            )


class Gabor(Labeler[GaborRecipe]):
    """Oriented textures over the whole image, the same for every image."""

    name = "gabor"
    image_independent = True
    params_type = GaborParams
    recipe_type = GaborRecipe

    def propose(self, rng: np.random.Generator, shape: Shape) -> GaborRecipe:
        """Return a texture of uniform orientation and of a frequency that is uniform on a logarithmic scale."""
        low, high = self.params.min_frequency, min(self.params.max_frequency, shape[2] / 4)
        if high < low:
            raise FFLabelsError(
                "above a quarter of the image's width", where="min_frequency", got=low, expected=f"at most {high:g}"
            )
        frequency = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        return GaborRecipe(frequency, rng.uniform(0, 180), self.params.spread, int(rng.integers(1 << 32)))

    def imprint(self, images: Array, recipe: GaborRecipe) -> Array:
        """Return the texture on every image and channel."""
        pattern = constant_like(texture(recipe, images.shape[2], images.shape[3]).copy(), images)
        return array_namespace(images).broadcast_to(pattern, images.shape)


@lru_cache(maxsize=4096)
def texture(recipe: GaborRecipe, h: int, w: int) -> np.ndarray[Any, Any]:
    """Return the texture, (H, W), with values spread evenly over [0, 1].

    A sum of `WAVES` waves with frequencies drawn from the recipe's Gaussian is nearly normal; the normal distribution
    function makes it uniform, so that every label has the same contrast.
    """
    rng = np.random.default_rng(recipe.seed)
    angle = np.radians(recipe.orientation)
    centre = recipe.frequency * np.array([np.sin(angle), np.cos(angle)])
    fy, fx = centre[:, None] + recipe.spread * rng.standard_normal((2, WAVES))
    phase = rng.uniform(0, 2 * np.pi, WAVES)
    y, x = np.arange(h)[:, None, None] / w, np.arange(w)[None, :, None] / w
    noise = np.cos(2 * np.pi * (fy * y + fx * x) + phase).sum(-1)
    noise = (noise - noise.mean()) / noise.std()
    return np.asarray(0.5 + 0.5 * erf(noise / np.sqrt(2)))
