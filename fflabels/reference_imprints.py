"""What the labels of a set drew when it was written, on one fixed image: shows a labeler that has changed since.

A label-set file holds recipes, not pictures. Which picture a recipe stands for is up to the labeler's code, and a new
version of a plugin may draw another one. So the file also holds what each label drew, as bytes.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from fflabels.arrays import Shape, check_shape
from fflabels.errors import FFLabelsError, LabelerFaultError
from fflabels.guard import check_range, checked_imprint
from fflabels.labeler import Labeler
from fflabels.recipe import Recipe

SIDE = 16
"""Pixels a side of the fixed image, unless the set's own images are smaller or the labeler needs more."""

TOLERANCE = 1
"""Bytes may differ by this much, because processors round differently."""

MAX_BYTES = 1 << 20
"""The imprints of the first labels are kept, as many as fit in so many bytes; at least one."""

Bytes = npt.NDArray[np.uint8]


class ReferenceImprints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The imprints of a set's labels on the reference image, as a label-set file holds them.

    Attributes
    ----------
    shape
        (C, H, W) of the reference image.
    imprints
        One string per label, or for the first labels of a large set: C·H·W bytes in row order, as base64.
    """

    shape: tuple[int, int, int]
    imprints: list[str]

    @classmethod
    def draw(cls, labeler: Labeler[Any], recipes: Sequence[Recipe], shape: Shape) -> ReferenceImprints | None:
        """Return what the labels of a set for images of `shape` draw; None if they refuse every reference image.

        The image has the channels of `shape`, and 16×16 pixels or the side of `shape` if that is less. While a labeler
        refuses so few pixels, their number doubles, up to `shape` itself. A code, of shape (W, 1, 1), is drawn whole.

        Raises
        ------
        LabelerFaultError
            If the labeler's code fails.
        """
        channels, height, width = labeler.channels or shape[0], shape[1], shape[2]
        side = max(SIDE, labeler.min_side)
        while True:
            size = channels, min(height, side), min(width, side)
            kept = recipes[: max(1, MAX_BYTES // math.prod(size))]
            try:
                return cls(size, [base64.b64encode(each.tobytes()).decode() for each in _drawn(labeler, kept, size)])
            except LabelerFaultError:
                raise
            except FFLabelsError:  # the labeler refuses images of this size
                if side >= max(height, width):
                    return None
            side *= 2

    def checked(self, labels: int, where: str) -> ReferenceImprints:
        """Return the imprints of a file if they can be those of so many labels; errors begin with `where`."""
        size = math.prod(check_shape(self.shape, f"{where}: imprints.shape"))
        if not 1 <= len(self.imprints) <= labels:
            raise FFLabelsError(
                "not one per label", where=f"{where}: imprints", got=len(self.imprints), expected=f"1 to {labels}"
            )
        for k, text in enumerate(self.imprints):
            try:
                count = len(base64.b64decode(text, validate=True))
            except (binascii.Error, ValueError):
                count = -1
            if count != size:
                raise FFLabelsError(
                    "not an imprint", where=f"{where}: imprints[{k}]", got=text, expected=f"{size} bytes as base64"
                )
        return self

    def changed(self, labeler: Labeler[Any], recipes: Sequence[Recipe]) -> list[int]:
        """Return the labels that the labeler now draws otherwise, or refuses to draw."""
        filed = [np.frombuffer(base64.b64decode(text), np.uint8) for text in self.imprints]
        try:
            drawn = _drawn(labeler, recipes[: len(filed)], self.shape)
        except LabelerFaultError:
            raise
        except FFLabelsError:
            return list(range(len(filed)))
        apart = [np.abs(old.astype(int) - new.reshape(-1)).max() for old, new in zip(filed, drawn, strict=True)]
        return [k for k, most in enumerate(apart) if most > TOLERANCE]


def reference_image(shape: Shape) -> npt.NDArray[np.float32]:
    """Return the fixed image, (1, C, H, W): a texture without symmetry, made by whole numbers, the same everywhere."""
    c, y, x = np.indices(shape, dtype=np.uint32)
    mixed = (c * 97 + y * 57 + x) * np.uint32(2654435761)  # Knuth's multiplicative hash
    texture = (mixed ^ (mixed >> np.uint32(15))) % np.uint32(160)
    ramp = (x * 64 // np.uint32(shape[2])) + (y * 32 // np.uint32(shape[1]))
    return np.asarray(((texture + ramp).astype(np.float32) / np.float32(255))[None], np.float32)


def _drawn(labeler: Labeler[Any], recipes: Sequence[Recipe], shape: Shape) -> list[Bytes]:
    """Return what labels draw on the reference image, each (C, H, W) bytes."""
    image = reference_image(shape)
    image.flags.writeable = False
    drawn = []
    for recipe in recipes:
        imprint = np.asarray(checked_imprint(labeler, image, recipe))
        check_range(labeler, recipe, imprint)
        drawn.append(np.rint(255 * imprint[0].clip(0, 1)).astype(np.uint8))
    return drawn
