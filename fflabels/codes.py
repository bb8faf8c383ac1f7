"""Codes: labels over the channels of a layer, (W, 1, 1), one number per channel.

They are compared without images, by their signed correlation over the channels: a code and its opposite, at −1, are the
easiest to tell apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fflabels.arrays import Array, Shape, check_shape
from fflabels.errors import FFLabelsError
from fflabels.guard import checked_imprint
from fflabels.images import References, load_references
from fflabels.images.references import NO_IMAGES, no_images
from fflabels.labeler import Labeler
from fflabels.recipe import Recipe


def is_code(labeler: Labeler[Any]) -> bool:
    """Return whether a labeler's labels are codes."""
    return labeler.pattern == "code"


def references_for(
    labeler: Labeler[Any],
    source: str | Path | Array | References | None,
    shape: Shape,
    *,
    value_range: str = "type",
) -> References:
    """Return the images of `shape` that a labeler's labels are judged on; for codes there are none.

    Raises
    ------
    FFLabelsError
        As `load_references`; for a code's shape that is not (W, 1, 1), and images of one's own for codes.
    """
    shape = check_shape(shape)
    if not is_code(labeler):
        return load_references(source, shape, value_range=value_range)
    check_code_shape(shape, "shape")
    given = source.name if isinstance(source, References) else source
    if given is not None and not (isinstance(given, str) and given in ("photographs", NO_IMAGES)):
        got = str(given) if isinstance(given, (str, Path)) else "an array"
        raise FFLabelsError("codes are compared without images", where="references", got=got, hint="leave it out")
    return no_images(shape)


def floor_of(labeler: Labeler[Any], min_visibility: float | None) -> float | None:
    """Return the floor of visibility, the labeler's own unless given; None for codes, which are refused one."""
    if not is_code(labeler):
        return labeler.default_visibility if min_visibility is None else min_visibility
    if min_visibility is not None:
        raise FFLabelsError("codes have no visibility", where="min_visibility", got=min_visibility, hint="leave it out")
    return None


def check_code_shape(shape: Shape, where: str) -> int:
    """Return the number of channels W of a code's shape (W, 1, 1); refuse other shapes."""
    width, *sides = shape
    if sides != [1, 1] or width < 2:
        raise FFLabelsError(
            "not a code's shape", where=where, got="x".join(map(str, shape)),
            expected="Wx1x1 with 2 or more channels, for instance 128x1x1",
        )  # fmt: skip
    return width


def code_matrix(labeler: Labeler[Any], recipes: Sequence[Recipe], width: int) -> npt.NDArray[np.float64]:
    """Return codes as a matrix (n, W) in [0, 1], in float64.

    Raises
    ------
    FFLabelsError
        When the labeler makes no codes, or a code has another number of channels.
    """
    if not is_code(labeler):
        raise FFLabelsError("not a code", where=f"labeler {labeler.name}", got=labeler.pattern, expected="code")
    blank = np.zeros((1, width, 1, 1))
    return np.stack([np.asarray(checked_imprint(labeler, blank, recipe))[0, :, 0, 0] for recipe in recipes])
