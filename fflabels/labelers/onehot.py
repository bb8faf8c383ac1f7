"""One-hot labels (Hinton 2022): one of the image's first C pixels is lit. Only filters near the first row see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np

from fflabels.arrays import Array, Shape, array_namespace, constant_like
from fflabels.errors import FFLabelsError
from fflabels.labeler import Labeler, Params
from fflabels.recipe import Recipe


class OneHotRecipe(Recipe, frozen=True):
    """Pixel `position` of the image in row order is 1, the others of the first `classes` are 0, in every channel."""

    position: Annotated[int, msgspec.Meta(ge=0)]
    classes: Annotated[int, msgspec.Meta(ge=1)]

    def __post_init__(self) -> None:
        if not 0 <= self.position < self.classes:
            raise FFLabelsError(
                "out of range", where="position", got=self.position, expected=f"0 to {self.classes - 1}"
            )


class OneHotParams(Params, frozen=True):
    """Parameters of `OneHot`."""

    classes: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] | None = None
    """How many pixels the code takes; default: as many as the label set has labels."""


class OneHot(Labeler[OneHotRecipe]):
    """Hinton's label: overwrites the first pixels, so the label intensity K plays no part."""

    name = "onehot"
    overwrites = True
    default_visibility = 0.0
    params_type = OneHotParams
    recipe_type = OneHotRecipe

    def propose(self, rng: np.random.Generator, shape: Shape) -> OneHotRecipe:
        """Return a uniform position among `classes` (10 unless given)."""
        classes = self.params.classes or 10
        return OneHotRecipe(int(rng.integers(classes)), classes)

    def complete(self, n: int, shape: Shape) -> Sequence[OneHotRecipe] | None:
        """Return the n positions, unless `classes` leaves a choice."""
        if self.params.classes not in (None, n):
            return None
        return [OneHotRecipe(position, n) for position in range(n)]

    def imprint(self, images: Array, recipe: OneHotRecipe) -> Array:
        """Return `images` with their first pixels overwritten; refuses images with fewer pixels than classes."""
        xp = array_namespace(images)
        _, _, h, w = images.shape
        if recipe.classes > h * w:
            raise FFLabelsError(
                "more classes than pixels",
                where="onehot",
                got=f"{recipe.classes} classes",
                expected=f"at most {h * w} for {h}×{w} images",
            )
        pixels = np.arange(h * w).reshape(1, 1, h, w)
        code = constant_like(pixels == recipe.position, images)
        return xp.where(constant_like(pixels < recipe.classes, images, xp.bool), code, images)
