"""The guard against plugins: what a labeler proposes and draws is checked, and what its code raises names it."""

from __future__ import annotations

from typing import Any

import numpy as np

from fflabels.arrays import Array, Shape, check_images
from fflabels.errors import FFLabelsError
from fflabels.labeler import Labeler
from fflabels.recipe import Recipe
from fflabels.registry import blaming, source


def draw(labeler: Labeler[Any], rng: np.random.Generator, shape: Shape) -> Recipe:
    """Return one draw, checked to be a recipe of the labeler."""
    with blaming(labeler):
        recipe: object = labeler.propose(rng, shape)
        if isinstance(recipe, labeler.recipe_type):
            return recipe.checked()
    raise FFLabelsError(
        "not a recipe of the labeler", where=source(labeler), got=recipe, expected=labeler.recipe_type.__name__
    )


def checked_imprint(labeler: Labeler[Any], images: Array, recipe: Recipe) -> Array:
    """Return ``labeler.imprint(images, recipe)``, refusing a wrong shape or type."""
    check_images(images)
    with blaming(labeler):
        imprint = labeler.imprint(images, recipe)
    if tuple(getattr(imprint, "shape", ())) != tuple(images.shape) or imprint.dtype != images.dtype:
        raise FFLabelsError(
            "imprint of a wrong shape or type",
            where=source(labeler),
            got=f"{getattr(imprint, 'dtype', type(imprint).__name__)} {tuple(getattr(imprint, 'shape', ()))}",
            expected=f"{images.dtype} {tuple(images.shape)}",
        )
    return imprint


def not_finite(labeler: Labeler[Any], recipe: Recipe) -> FFLabelsError:
    """Return the error of an imprint that is no image."""
    return FFLabelsError("imprint with NaN or infinite pixels", where=source(labeler), got=recipe.to_json().decode())
