"""Candidates: N distinct, visible recipes that a label set is selected from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from fflabels.arrays import Array, Shape, check_shape
from fflabels.diversity import Effect, effect
from fflabels.errors import FFLabelsError, TooFewCandidatesError
from fflabels.images import References, load_references
from fflabels.labeler import Labeler
from fflabels.progress import Progress, silent
from fflabels.recipe import Recipe

SAME = 0.999
"""Two draws whose effects are more similar than this are the same label."""

SCREENED = 8
"""Every draw meets every candidate on this many images; the rest decide only where those leave it open."""

KEPT_BYTES = 512 << 20
"""The most that the candidates' signatures kept for that decision may take; the others are made again."""

BATCH = 64


class Candidates(Sequence[Recipe]):
    """The recipes, in order of their draws, and what was passed over to find them.

    Attributes
    ----------
    recipes
        The candidates.
    drawn
        How many draws were looked at.
    repeated, invisible
        How many of them repeated an earlier one's effect, or fell below the visibility floor.
    min_visibility
        The floor.
    """

    def __init__(
        self, recipes: Sequence[Recipe], drawn: int, repeated: int, invisible: int, min_visibility: float
    ) -> None:
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
    labeler: Labeler[Any],
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

    Draw j depends on (seed, j) alone, so 3000 candidates begin with the same 2000.

    Parameters
    ----------
    labeler
        The maker of recipes.
    n
        How many candidates to find (2000 in the paper).
    shape
        (C, H, W) of the images that they are judged on.
    seed
        A non-negative integer.
    references
        As for `load_references`; 64 crops of photographs unless given.
    min_visibility
        The floor of visibility, in units of the images' RMS contrast; the labeler's own (1 for most) unless given
        [ours].
    at_least
        How few to be content with when the labeler runs dry; n unless given.

    Raises
    ------
    TooFewCandidatesError
        When the draws stop bringing anything new before `at_least` are found.
    """
    if n < 1:
        raise FFLabelsError("too few", where="candidates", got=n, expected="at least 1")
    if seed < 0:
        raise FFLabelsError("negative", where="seed", got=seed, expected="an integer ≥ 0")
    floor = labeler.default_visibility if min_visibility is None else min_visibility
    if not 0 <= floor < float("inf"):
        raise FFLabelsError("out of range", where="min_visibility", got=min_visibility, expected="a number ≥ 0")
    shape = check_shape(shape)
    found = load_references(references, shape)
    distinct = _Distinct(labeler, found, n)
    drawn = repeated = invisible = fruitless = 0
    met: set[Recipe] = set()
    while len(distinct.recipes) < n and fruitless < max(2000, 4 * len(distinct.recipes)):
        batch: list[tuple[int, Recipe, Effect | None]] = []
        for j in range(drawn, drawn + BATCH):
            recipe = labeler.propose(np.random.default_rng([seed, j]), shape)
            batch.append((j, recipe, None if recipe in met else effect(labeler, recipe, found)))
            met.add(recipe)
        distinct.screen([e for _, _, e in batch if e is not None and e.changed and e.visibility >= floor])
        for j, recipe, seen in batch:
            drawn = j + 1
            fruitless += 1
            if seen is None:
                repeated += 1
            elif not seen.changed or seen.visibility < floor:
                invisible += 1
            elif distinct.add(recipe, seen):
                fruitless = 0
                progress("candidates", len(distinct.recipes), n)
                if len(distinct.recipes) == n:
                    break
            else:
                repeated += 1
    if len(distinct.recipes) < (n if at_least is None else at_least):
        raise TooFewCandidatesError(
            f"{labeler!r} runs dry",
            where="candidates",
            got=f"{len(distinct.recipes)} in {drawn} draws ({repeated} repeated, {invisible} invisible)",
            expected=f"{n if at_least is None else at_least} distinct, visible recipes",
            hint="ask for fewer, widen the labeler's parameters, or lower min_visibility",
        )
    return Candidates(distinct.recipes, drawn, repeated, invisible, floor)


class _Distinct:
    """The recipes found so far, and the test whether another one's effect differs from all of theirs."""

    def __init__(self, labeler: Labeler[Any], references: References, n: int) -> None:
        self.labeler, self.references = labeler, references
        self.recipes: list[Recipe] = []
        self.images = 1 if labeler.image_independent else len(references.images)
        self.changed = np.zeros(n, np.float64)
        self.screens = np.zeros((0, 0), np.float32)
        self.pending: list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]] = []
        self.signatures: list[npt.NDArray[np.float32]] = []

    def screen(self, effects: Sequence[Effect]) -> None:
        """Correlate the batch's first images with those of all recipes found so far, in one product."""
        rows = [e.signature[:SCREENED].ravel() for e in effects]
        if not rows:
            return
        batch = np.stack(rows)
        if not self.screens.size:
            self.screens = np.zeros((len(self.changed), batch.shape[1]), np.float32)
        known = batch @ self.screens[: len(self.recipes)].T
        self.pending = [(row, found.astype(np.float64)) for row, found in zip(batch, known, strict=True)]

    def add(self, recipe: Recipe, seen: Effect) -> bool:
        """Take the recipe if it differs; effects come in the order of `screen`."""
        row, known = self.pending.pop(0)
        count = len(self.recipes)
        late = self.screens[len(known) : count]
        partial = np.concatenate([known, late @ row]) if len(late) else known
        unseen = max(self.images - SCREENED, 0)
        least = np.abs(partial) + unseen + 1e-3
        open_ = np.flatnonzero(least > SAME * np.sqrt(self.changed[:count] * seen.changed))
        for k in open_:
            product = abs(float(np.einsum("ncyx,ncyx->", self._signature(int(k)), seen.signature)))
            if product > SAME * np.sqrt(self.changed[k] * seen.changed):
                return False
        self.screens[count] = row
        self.changed[count] = seen.changed
        self.recipes.append(recipe)
        if (count + 1) * seen.signature.nbytes <= KEPT_BYTES:
            self.signatures.append(seen.signature)
        return True

    def _signature(self, k: int) -> npt.NDArray[np.float32]:
        if k < len(self.signatures):
            return self.signatures[k]
        return effect(self.labeler, self.recipes[k], self.references).signature
