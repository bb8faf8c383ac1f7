"""Checked calls of a labeler's methods: wrong results are refused, and errors name the labeler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fflabels.arrays import Array, Shape, array_namespace, check_images, constant_like, device
from fflabels.errors import FFLabelsError, LabelerFaultError, short
from fflabels.labeler import Labeler, nearest_shape
from fflabels.recipe import Recipe
from fflabels.registry import blaming, source

ROUNDING = 1e-5
"""How far beyond 0 and 1 an imprint may go."""


def check_fits(labeler: Labeler[Any], shape: Shape) -> None:
    """Refuse images that the labeler says it cannot draw on: too few pixels, another number of channels."""
    needed = nearest_shape(labeler, shape)
    if labeler.pattern != "code" and needed != tuple(shape):
        channels = f"{labeler.channels} channels" if labeler.channels else ""
        side = f"{labeler.min_side} pixels a side or more" if labeler.min_side > 1 else ""
        raise FFLabelsError(
            "cannot draw on images of this shape", where=source(labeler), got="×".join(map(str, shape)),
            expected=" and ".join(filter(None, (channels, side))), hint=f"--shape {'x'.join(map(str, needed))}",
        )  # fmt: skip


def draw(labeler: Labeler[Any], rng: np.random.Generator, shape: Shape) -> Recipe:
    """Return one draw, checked to be a recipe of the labeler."""
    check_fits(labeler, shape)
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
        raise LabelerFaultError("not the recipes of a complete set", where=source(labeler), got=got, expected=f"{n}")
    return recipes


def made(labeler: Labeler[Any], which: str, n: int, shape: Shape, seed: int) -> Sequence[Recipe]:
    """Return n recipes of a built-in set that is made for n, shape and seed, checked to be as many."""
    make = labeler.named_sets[which]
    assert callable(make)
    with blaming(labeler):
        recipes = [_recipe(labeler, one) for one in make(n, shape, seed)]
    if len(recipes) != n:
        raise LabelerFaultError(
            f"another number of recipes in the built-in set {which}", where=source(labeler), got=len(recipes),
            expected=f"{n}",
        )  # fmt: skip
    return recipes


def _recipe(labeler: Labeler[Any], made: object) -> Recipe:
    """Return what a labeler made, if it is a hashable recipe of the labeler's type."""
    if not isinstance(made, labeler.recipe_type):
        raise LabelerFaultError(
            "not a recipe of the labeler", where=source(labeler), got=repr(made), expected=labeler.recipe_type.__name__
        )
    try:
        hash(made)
    except TypeError as error:
        raise LabelerFaultError(
            f"a recipe that cannot be told from others: {error}", where=source(labeler), got=made,
            expected="fields of numbers, texts and tuples, no lists",
        ) from None  # fmt: skip
    return made


def patterns(labeler: Labeler[Any], recipes: Sequence[Recipe], shape: Shape) -> npt.NDArray[np.float32]:
    """Return what image-independent labels draw, (n, C, H, W), refusing a wrong shape or range."""
    with blaming(labeler):
        drawn = np.asarray(labeler.patterns(recipes, shape))
    if drawn.shape != (len(recipes), *shape):
        raise LabelerFaultError(
            "patterns of a wrong shape", where=source(labeler), got=drawn.shape, expected=f"{(len(recipes), *shape)}"
        )
    if drawn.size:
        _check_batch("patterns", labeler, drawn)
    return drawn


def checked_imprint(labeler: Labeler[Any], images: Array, recipe: Recipe) -> Array:
    """Return ``labeler.imprint(images, recipe)``, refusing a wrong shape, type or device."""
    check_images(images)
    before = hash(recipe)
    with blaming(labeler):
        imprint = labeler.imprint(images, recipe)
    if hash(recipe) != before:
        raise LabelerFaultError("imprint changes its recipe", where=source(labeler), got=_name(recipe))
    return _checked("imprint", labeler, imprint, images)


def checked_imprint_each(labeler: Labeler[Any], images: Array, recipes: Sequence[Recipe], index: Array) -> Array:
    """Return ``labeler.imprint_each(images, recipes, index)``, refusing a wrong shape, type or device."""
    with blaming(labeler):
        imprints = labeler.imprint_each(images, recipes, index)
    return _checked("imprint_each", labeler, imprints, images)


def checked_embed(labeler: Labeler[Any], images: Array, imprints: Array, intensity: float | Array) -> Array:
    """Return ``labeler.embed(images, imprints, intensity)``, refusing a wrong shape, type or device."""
    with blaming(labeler):
        embedded = labeler.embed(images, imprints, intensity)
    return _checked("embed", labeler, embedded, images)


def _checked(what: str, labeler: Labeler[Any], drawn: Array, images: Array) -> Array:
    """Return what a labeler drew, if it has the shape, type and device of the images."""
    shape, dtype = tuple(getattr(drawn, "shape", ())), getattr(drawn, "dtype", type(drawn).__name__)
    if shape != tuple(images.shape) or dtype != images.dtype:
        raise LabelerFaultError(
            f"{what} of a wrong shape or type", where=source(labeler), got=f"{dtype} {shape}",
            expected=f"{images.dtype} {tuple(images.shape)}",
        )  # fmt: skip
    if device(drawn) != device(images):
        raise LabelerFaultError(
            f"{what} on another device", where=source(labeler), got=str(device(drawn)), expected=str(device(images))
        )
    return drawn


def check_drawing(labeler: Labeler[Any], recipes: Sequence[Recipe], images: Array) -> None:
    """Draw every label once, and a batch of several, as training does; refuse whatever breaks the contract.

    A trial with NumPy says nothing of how a labeler draws on tensors of a GPU, so this takes images of any library.

    Parameters
    ----------
    images
        Two or more images (N, C, H, W) in [0, 1], of the library, device and type that will be drawn on.

    Raises
    ------
    FFLabelsError
        For a wrong shape, type, device or range, NaN, or images changed in place.
    """
    xp = array_namespace(images)
    untouched = xp.asarray(images, copy=True)
    extremes = []
    for recipe in recipes:
        imprint = checked_imprint(labeler, images, recipe)
        extremes.append(xp.stack([xp.min(imprint), xp.max(imprint)]))
    for k, (low, high) in enumerate(xp.stack(extremes).tolist()):
        _check_extremes(labeler, recipes[k], low, high)
    index = np.arange(images.shape[0]) % len(recipes)
    imprints = checked_imprint_each(labeler, images, recipes, constant_like(index, images, xp.int64))
    _check_batch("imprint_each", labeler, imprints)
    drawn = xp.asarray(imprints, copy=True)
    _check_batch("embed", labeler, checked_embed(labeler, images, imprints, 0.5))
    if not bool(xp.all(images == untouched)):
        raise LabelerFaultError("changes the images that it draws on", where=source(labeler), expected="a new array")
    if not bool(xp.all(imprints == drawn)):
        raise LabelerFaultError("embed changes the imprints", where=source(labeler), expected="a new array")


def _check_batch(what: str, labeler: Labeler[Any], drawn: Array) -> None:
    """Refuse a batch of images that is not finite, or leaves the range of images."""
    xp = array_namespace(drawn)
    low, high = float(xp.min(drawn)), float(xp.max(drawn))
    if not (-ROUNDING <= low <= high <= 1 + ROUNDING):
        raise LabelerFaultError(
            f"{what} out of range", where=source(labeler), got=f"{low:g} to {high:g}", expected="0 to 1"
        )


def check_range(labeler: Labeler[Any], recipe: Recipe, imprint: npt.NDArray[np.float32]) -> None:
    """Refuse an imprint that is not finite, or leaves the range of images."""
    _check_extremes(labeler, recipe, float(imprint.min()), float(imprint.max()))


def _check_extremes(labeler: Labeler[Any], recipe: Recipe, low: float, high: float) -> None:
    if not (np.isfinite(low) and np.isfinite(high)):
        raise not_finite(labeler, recipe)
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise LabelerFaultError(
            f"imprint of {_name(recipe)} out of range", where=source(labeler), got=f"{low:g} to {high:g}",
            expected="0 to 1",
        )  # fmt: skip


def not_finite(labeler: Labeler[Any], recipe: Recipe) -> LabelerFaultError:
    """Return the error of an imprint that is no image."""
    return LabelerFaultError("imprint with NaN or infinite pixels", where=source(labeler), got=_name(recipe))


def _name(recipe: Recipe) -> str:
    return short(recipe.to_json().decode())
