"""The effect of one recipe on the reference images: its signature, its visibility, how many images it changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fflabels.guard import check_range, checked_imprint
from fflabels.images import References
from fflabels.labeler import Labeler
from fflabels.recipe import Recipe

FLAT = 1e-4
"""An image whose residual has a standard deviation below this (a fortieth of a grey level) is not changed."""


@dataclass(frozen=True)
class Effect:
    """What one recipe does to the reference images.

    Attributes
    ----------
    signature
        (M, C, H, W) float32: the residual T(x) − x of each image, centred and of unit length, or zeros where the
        recipe leaves an image as it is. Image-independent labels: the one pattern, centred and of unit length.
    changed
        How many of the M images are changed.
    visibility
        RMS of imprint(x) − x over the images, divided by their RMS contrast; None for codes, which have no images.
    """

    signature: npt.NDArray[np.float32]
    changed: int
    visibility: float | None

    def visible(self, floor: float | None) -> bool:
        """Return whether the recipe changes anything, and by no less than a floor of visibility."""
        return self.changed > 0 and (floor is None or self.visibility is None or self.visibility >= floor)


@dataclass(frozen=True)
class Correlations:
    """Pearson correlations of candidates, (n, n) above the diagonal, and whose they are: labeler and images' digest."""

    labeler: Labeler[Any]
    references: str
    upper: npt.NDArray[np.float32]


def effect(labeler: Labeler[Any], recipe: Recipe, references: References) -> Effect:
    """Return what `recipe` does to the reference images.

    Raises
    ------
    FFLabelsError
        When the imprint has a wrong shape or type, is not finite, or leaves [0, 1].
    """
    x = _read_only(references.images)
    pixels = math.prod(references.shape)
    alone = labeler.image_independent or not len(x)
    images = _read_only(np.zeros((1, *references.shape), np.float32)) if alone else x
    imprint = np.asarray(checked_imprint(labeler, images, recipe))
    check_range(labeler, recipe, imprint)
    residual = (imprint if alone else imprint - x).reshape(len(imprint), pixels)
    mean = residual.mean(axis=1)
    centred = residual - mean[:, None]
    length = np.sqrt(np.einsum("np,np->n", centred, centred))
    change = np.square(imprint - x) if alone else np.square(length) + pixels * np.square(mean)
    changed = length > FLAT * np.sqrt(pixels)
    centred *= np.where(changed, 1 / np.where(changed, length, 1), 0)[:, None]
    visibility = float(np.sqrt(float(change.sum(dtype=np.float64)) / x.size) / references.contrast) if len(x) else None
    return Effect(centred.reshape(-1, *references.shape), int(changed.sum()), visibility)


def visibility(recipes: Sequence[Recipe], labeler: Labeler[Any], references: References) -> list[float] | None:
    """Return each recipe's visibility, RMS change of the images over their RMS contrast [ours]; None for codes."""
    seen = [effect(labeler, recipe, references).visibility for recipe in recipes]
    return [v for v in seen if v is not None] or None


def _read_only(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    view = images.view()
    view.flags.writeable = False
    return view
