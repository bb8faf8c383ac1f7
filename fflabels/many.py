"""Candidates by the million: draws of image-independent labels, their patterns drawn on demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fflabels.arrays import Shape
from fflabels.candidates import Candidates
from fflabels.checks import MAX_COMPARED, check_floor, check_seed
from fflabels.errors import FFLabelsError, TooFewCandidatesError
from fflabels.guard import draw, patterns
from fflabels.images import References
from fflabels.labeler import Labeler
from fflabels.progress import Progress, silent
from fflabels.recipe import Recipe

BLOCK = 1 << 13
"""Draws per batch."""

PATTERN_BYTES = 64 << 20
"""Memory of the patterns drawn at once, as float64."""

MAX_DRAWN = 5_000_000
"""The most candidates: a recipe takes about 300 bytes."""

FRUITLESS = 20_000
"""After this many draws without a new recipe, the labeler has run out of them."""


class Patterns:
    """The patterns of many labels as an array (N, C·H·W) whose rows are drawn when they are asked for."""

    dtype = np.dtype(np.float32)

    def __init__(self, labeler: Labeler[Any], recipes: Sequence[Recipe], shape: Shape) -> None:
        self.labeler, self.recipes, self.image = labeler, recipes, shape
        self.shape = (len(recipes), int(np.prod(shape)))

    def __len__(self) -> int:
        return len(self.recipes)

    def __getitem__(self, index: slice | npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
        some = self.recipes[index] if isinstance(index, slice) else [self.recipes[int(i)] for i in index]
        rows = np.empty((len(some), self.shape[1]), np.float32)
        for part in _parts(len(some), self.shape[1]):
            rows[part] = patterns(self.labeler, some[part], self.image).reshape(-1, self.shape[1])
        return rows


def propose_many(
    labeler: Labeler[Any],
    n: int,
    *,
    shape: Shape,
    seed: int,
    references: References,
    min_visibility: float | None = None,
    at_least: int = 1,
    progress: Progress = silent,
) -> Candidates:
    """Return the first n draws that are visible and no earlier draw's recipe.

    Unlike `propose` it does not look for recipes that differ and look the same: a selection never takes both.
    Draw j depends on (seed, j) alone.

    Raises
    ------
    FFLabelsError
        For labels that depend on the image, and more than five million.
    TooFewCandidatesError
        When the labeler runs dry before `at_least` are found.
    """
    if not labeler.image_independent:
        raise FFLabelsError(
            "too many candidates for labels that depend on the image", where="candidates", got=n,
            expected=f"at most {MAX_COMPARED}",
        )  # fmt: skip
    if n > MAX_DRAWN:
        raise FFLabelsError("too many", where="candidates", got=n, expected=f"at most {MAX_DRAWN}")
    seed, min_visibility = check_seed(seed), check_floor(min_visibility)
    floor = labeler.default_visibility if min_visibility is None else min_visibility

    # Draw batch after batch; keep recipes that are new and visible.
    recipes: list[Recipe] = []
    met: set[Recipe] = set()
    drawn = repeated = invisible = fruitless = 0
    while len(recipes) < n and fruitless < FRUITLESS:
        fresh: dict[int, Recipe] = {}
        for j in range(drawn, drawn + BLOCK):
            recipe = draw(labeler, np.random.default_rng([seed, j]), shape)
            if recipe not in met:
                met.add(recipe)
                fresh[j] = recipe
        visible = visibilities(labeler, list(fresh.values()), references) >= floor
        taken = [j for j, seen in zip(fresh, visible, strict=True) if seen][: n - len(recipes)]
        recipes += [fresh[j] for j in taken]

        # Count the draws up to the last candidate.
        end = taken[-1] + 1 if len(recipes) == n else drawn + BLOCK
        new = sum(j < end for j in fresh)
        repeated, invisible = repeated + end - drawn - new, invisible + new - len(taken)
        fruitless, drawn = 0 if taken else fruitless + BLOCK, end
        progress("candidates", len(recipes), n)
    if len(recipes) < at_least:
        raise TooFewCandidatesError(
            f"{labeler!r} runs dry", where="candidates", got=f"{len(recipes)} in {drawn} draws", expected=f"{at_least}"
        )
    return Candidates(recipes, drawn, repeated, invisible, floor)


def visibilities(labeler: Labeler[Any], recipes: Sequence[Recipe], references: References) -> npt.NDArray[np.float64]:
    """Return each label's visibility: RMS of pattern − x over the reference images, over their RMS contrast."""
    x = references.images.reshape(len(references.images), -1)
    pixels, mean, power = x.shape[1], x.mean(axis=0), float(np.square(x).sum()) / len(x)
    values = np.empty(len(recipes))
    for part in _parts(len(recipes), pixels):
        drawn = patterns(labeler, recipes[part], references.shape).reshape(-1, pixels)
        squares = np.einsum("np,np->n", drawn, drawn, dtype=np.float64) - 2.0 * (drawn @ mean) + power
        values[part] = np.sqrt(np.maximum(squares, 0) / pixels) / references.contrast
    return values


def _parts(count: int, pixels: int) -> Iterator[slice]:
    size = max(16, PATTERN_BYTES // (8 * pixels))
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
