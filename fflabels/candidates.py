"""Candidates: N distinct, visible recipes that a label set is selected from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from fflabels.arrays import Array, Shape
from fflabels.checks import check_floor, check_integer, check_seed
from fflabels.codes import floor_of, is_code, references_for
from fflabels.effect import Correlations, Effect, effect
from fflabels.errors import FFLabelsError, TooFewCandidatesError
from fflabels.guard import draw
from fflabels.images import References
from fflabels.labeler import Labeler
from fflabels.progress import Progress, silent
from fflabels.recipe import MAX_RECIPES, Recipe
from fflabels.registry import LabelerLike, as_labeler

SAME = 0.999
"""Two draws whose effects are more similar than this count as the same label."""

SCREENED = 8
"""Images on which every draw is compared with every candidate, if signatures on all images do not fit in memory."""

HELD_BYTES = 768 << 20
"""The most memory for the candidates' signatures and correlations, except for signatures on one image."""

MARGIN = 1e-2
"""Products this near the limit are recomputed by a sum whose order does not depend on the number of threads."""

BATCH = 256
"""The most draws that are looked at together."""

BATCH_BYTES = 256 << 20
"""The most memory for the signatures of a batch: fewer draws are looked at together where they are large."""


class Candidates(Sequence[Recipe]):
    """The recipes, in order of their draws, and the numbers of rejected draws.

    Attributes
    ----------
    recipes
        The candidates.
    drawn
        How many draws were made.
    repeated, invisible
        How many draws repeated an earlier one's effect, or fell below the visibility floor.
    min_visibility
        The floor; None for codes.
    correlations
        The pearson correlations that the search for repeats computed, for `similarity` to reuse.
    """

    def __init__(
        self,
        recipes: Sequence[Recipe],
        drawn: int,
        repeated: int,
        invisible: int,
        min_visibility: float | None,
        correlations: Correlations | None = None,
    ) -> None:
        self.correlations = correlations
        self.recipes = tuple(recipes)
        self.drawn, self.repeated, self.invisible, self.min_visibility = drawn, repeated, invisible, min_visibility

    def __len__(self) -> int:
        return len(self.recipes)

    @overload
    def __getitem__(self, index: int) -> Recipe: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Recipe]: ...
    def __getitem__(self, index: int | slice) -> Recipe | Sequence[Recipe]:
        return self.recipes[index]

    def __repr__(self) -> str:
        return f"<{len(self)} candidates of {self.drawn} draws: {self.repeated} repeated, {self.invisible} invisible>"


def propose(
    labeler: LabelerLike,
    n: int = 2000,
    *,
    shape: Shape,
    seed: int = 0,
    references: str | Array | References | None = None,
    min_visibility: float | None = None,
    at_least: int | None = None,
    progress: Progress = silent,
) -> Candidates:
    """Return the first n draws that are distinct and visible.

    Draw j depends on (seed, j) alone, so the first 2000 of 3000 candidates are those of a pool of 2000.

    Parameters
    ----------
    labeler
        It makes the recipes.
    n
        How many candidates to find (2000 in the paper).
    shape
        (C, H, W) of the images that candidates are judged on; (W, 1, 1) for codes.
    seed
        A non-negative integer.
    references
        As for `load_references`; default: 64 crops of photographs. Not for codes.
    min_visibility
        The floor of visibility, in units of the images' RMS contrast; default: the labeler's own (1 for most)
        [ours]. Not for codes.
    at_least
        The fewest to accept when the labeler runs out of new recipes; n by default.

    Raises
    ------
    TooFewCandidatesError
        When the draws stop bringing anything new before `at_least` are found.

    Examples
    --------
    >>> from fflabels import get_labeler, propose
    >>> propose(get_labeler("fourier"), 5, shape=(1, 8, 8), references="digits")
    <5 candidates of 5 draws: 0 repeated, 0 invisible>
    """
    n = check_integer(n, "candidates")
    if not 1 <= n <= MAX_RECIPES:
        raise FFLabelsError("bad number", where="candidates", got=n, expected=f"1 to {MAX_RECIPES}")
    at_least = n if at_least is None else check_integer(at_least, "at_least")
    if at_least > n:
        raise FFLabelsError("more than are asked for", where="at_least", got=at_least, expected=f"up to {n}")
    seed, min_visibility = check_seed(seed), check_floor(min_visibility)
    labeler = as_labeler(labeler)
    images = references_for(labeler, references, shape)
    shape, floor = images.shape, floor_of(labeler, min_visibility)

    # Draw batch after batch, until there are n candidates or nothing new comes.
    distinct = _Distinct(labeler, images, n)
    drawn = repeated = invisible = fruitless = 0
    met: set[Recipe] = set()
    while len(distinct.recipes) < n and fruitless < max(2000, 4 * len(distinct.recipes)):
        batch: list[tuple[int, Recipe, Effect | None]] = []
        for j in range(drawn, drawn + distinct.together):
            recipe = draw(labeler, np.random.default_rng([seed, j]), shape)
            batch.append((j, recipe, None if recipe in met else effect(labeler, recipe, images)))
            met.add(recipe)

        # Compare the visible ones with all candidates and with each other.
        distinct.meet([e for _, _, e in batch if e is not None and e.visible(floor)])

        # Sort each draw into repeated, invisible, or new.
        for j, recipe, seen in batch:
            drawn = j + 1
            fruitless += 1
            if seen is None:
                repeated += 1
            elif not seen.visible(floor):
                invisible += 1
            elif distinct.add(recipe, seen):
                fruitless = 0
                progress("candidates", len(distinct.recipes), n)
                if len(distinct.recipes) == n:
                    break
            else:
                repeated += 1

    # Too few.
    if len(distinct.recipes) < at_least:
        raise TooFewCandidatesError(
            f"{labeler!r} runs dry",
            where="candidates",
            got=f"{len(distinct.recipes)} in {drawn} draws ({repeated} repeated, {invisible} invisible)",
            expected=f"{at_least} distinct{'' if floor is None else ', visible'} recipes",
            hint="ask for fewer, widen the labeler's parameters"
            + ("" if floor is None else ", or lower min_visibility"),
        )
    return Candidates(distinct.recipes, drawn, repeated, invisible, floor, distinct.correlations())


class _Distinct:
    """The recipes so far, and the test whether another recipe's effect differs from theirs.

    A batch of draws is compared with them by one matrix product. If memory allows, signatures on all images are kept,
    and the products are the correlations that `similarity` needs later; otherwise signatures on the first few images
    are kept, and close calls are decided on all images.
    """

    def __init__(self, labeler: Labeler[Any], references: References, n: int) -> None:
        self.labeler, self.references = labeler, references
        self.recipes: list[Recipe] = []
        self.signed = is_code(labeler)
        self.images = 1 if labeler.image_independent or self.signed else len(references.images)
        pixels = math.prod(references.shape)
        self.together = max(1, min(BATCH, BATCH_BYTES // (4 * self.images * pixels)))
        self.whole = n * (self.images * pixels + n) * 4 <= HELD_BYTES
        fit = max(1, HELD_BYTES // (4 * n * pixels))
        self.held = self.images if self.whole else min(SCREENED, self.images, fit)
        self.signatures = np.empty((n, self.held * pixels), np.float32)
        self.changed = np.zeros(n)
        self.products = np.zeros((n, n) if self.whole else (0, 0), np.float32)

    def meet(self, effects: Sequence[Effect]) -> None:
        """Correlate a batch with all recipes so far and with itself."""
        self.batch = np.empty((len(effects), self.signatures.shape[1]), np.float32)
        for k, seen in enumerate(effects):
            self.batch[k] = seen.signature[: self.held].ravel()
        self.known = self.batch @ self.signatures[: len(self.recipes)].T
        self.within = self.batch @ self.batch.T
        self.position, self.taken = 0, list[int]()

    def add(self, recipe: Recipe, seen: Effect) -> bool:
        """Take the recipe if it differs from all others; effects come in the order of `meet`."""
        k, count = self.position, len(self.recipes)
        self.position += 1
        partial = np.concatenate([self.known[k], self.within[k, self.taken]])
        same = SAME * np.sqrt(self.changed[:count] * seen.changed)
        alike = partial if self.signed else np.abs(partial)
        # An image whose signature is not held adds at most 1 to the product; close calls are computed in full.
        for other in np.flatnonzero(alike + (self.images - self.held) + MARGIN > same):
            product = float(np.einsum("ncyx,ncyx->", self._signature(int(other)), seen.signature))
            if (product if self.signed else abs(product)) > same[other]:
                return False
        self.signatures[count] = self.batch[k]
        self.changed[count] = seen.changed
        if self.whole:
            self.products[count, :count] = partial / np.sqrt(self.changed[:count] * seen.changed)
        self.recipes.append(recipe)
        self.taken.append(k)
        return True

    def correlations(self) -> Correlations | None:
        """Return the recipes' correlations, if they were computed on all images."""
        count = len(self.recipes)
        if not self.whole:
            return None
        return Correlations(self.labeler, self.references.digest, self.products[:count, :count].T)

    def _signature(self, k: int) -> npt.NDArray[np.float32]:
        if self.whole:
            whole: npt.NDArray[np.float32] = self.signatures[k].reshape(self.images, *self.references.shape)
            return whole
        return effect(self.labeler, self.recipes[k], self.references).signature
