"""Checked calls of a labeler's methods: wrong results are refused, and errors name the labeler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fflabels.arrays import Array, Shape, check_images
from fflabels.errors import FFLabelsError
from fflabels.labeler import Labeler
from fflabels.recipe import Recipe
from fflabels.registry import blaming, source

ROUNDING = 1e-5
"""How far beyond 0 and 1 an imprint may go."""


def draw(labeler: Labeler[Any], rng: np.random.Generator, shape: Shape) -> Recipe:
    """Return one draw, checked to be a recipe of the labeler."""
    with blaming(labeler):
        return _recipe(labeler, labeler.propose(rng, shape)).checked()


def complete(labeler: Labeler[Any], n: int, shape: Shape) -> Sequence[Recipe] | None:
    """Return the labeler's complete set of n recipes, checked to be n different ones, or None if it has none."""
    with blaming(labeler):
        proposed = labeler.complete(n, shape)
        if proposed is None:
            return None
        recipes = [_recipe(labeler, one) for one in proposed]
    if len(recipes) != n or len(set(recipes)) != n:
        got = f"{len(recipes)}, {len(set(recipes))} of them different"
        raise FFLabelsError("not the recipes of a complete set", where=source(labeler), got=got, expected=f"{n}")
    return recipes


def made(labeler: Labeler[Any], which: str, n: int, shape: Shape, seed: int) -> Sequence[Recipe]:
    """Return n recipes of a built-in set that is made for n, shape and seed, checked to be as many."""
    make = labeler.named_sets[which]
    assert callable(make)
    with blaming(labeler):
        recipes = [_recipe(labeler, one) for one in make(n, shape, seed)]
    if len(recipes) != n:
        raise FFLabelsError(
            f"another number of recipes in the built-in set {which}", where=source(labeler), got=len(recipes),
            expected=f"{n}",
        )  # fmt: skip
    return recipes


def _recipe(labeler: Labeler[Any], made: object) -> Recipe:
    """Return what a labeler made, if it is a hashable recipe of the labeler's type."""
    if not isinstance(made, labeler.recipe_type):
        raise FFLabelsError(
            "not a recipe of the labeler", where=source(labeler), got=made, expected=labeler.recipe_type.__name__
        )
    try:
        hash(made)
    except TypeError as error:
        raise FFLabelsError(
            f"a recipe that cannot be told from others: {error}", where=source(labeler), got=made,
            expected="fields of numbers, texts and tuples, no lists",
        ) from None  # fmt: skip
    return made


def patterns(labeler: Labeler[Any], recipes: Sequence[Recipe], shape: Shape) -> npt.NDArray[np.float32]:
    """Return what image-independent labels draw, (n, C, H, W), refusing a wrong shape."""
    with blaming(labeler):
        drawn = np.asarray(labeler.patterns(recipes, shape))
    if drawn.shape != (len(recipes), *shape):
        raise FFLabelsError(
            "patterns of a wrong shape", where=source(labeler), got=drawn.shape, expected=f"{(len(recipes), *shape)}"
        )
    return drawn


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


def check_range(labeler: Labeler[Any], recipe: Recipe, imprint: npt.NDArray[np.float32]) -> None:
    """Refuse an imprint that is not finite, or leaves the range of images."""
    low, high = float(imprint.min()), float(imprint.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise not_finite(labeler, recipe)
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise FFLabelsError(
            f"imprint of {recipe.to_json().decode()} out of range", where=source(labeler), got=f"{low:g} to {high:g}",
            expected="0 to 1",
        )  # fmt: skip


def not_finite(labeler: Labeler[Any], recipe: Recipe) -> FFLabelsError:
    """Return the error of an imprint that is no image."""
    return FFLabelsError("imprint with NaN or infinite pixels", where=source(labeler), got=recipe.to_json().decode())
