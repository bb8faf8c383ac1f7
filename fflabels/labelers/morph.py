"""Morphology labels: a chain of one to three deterministic transformations of the image itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import msgspec
import numpy as np

from fflabels.arrays import Array, Shape
from fflabels.errors import FFLabelsError
from fflabels.labeler import Labeler, Params, apply_in_groups, host_integers
from fflabels.operators import OPERATORS, AnyOperator, Family
from fflabels.recipe import Recipe


class MorphRecipe(Recipe, frozen=True):
    """Operators applied one after the other."""

    chain: Annotated[tuple[AnyOperator, ...], msgspec.Meta(min_length=1, max_length=16)]


class MorphParams(Params, frozen=True):
    """Parameters of `Morph`."""

    families: Annotated[tuple[Family, ...], msgspec.Meta(min_length=1, max_length=3)] = (
        "morphology",
        "geometry",
        "intensity",
    )
    """The families that operators are drawn from."""
    max_length: Annotated[int, msgspec.Meta(ge=1, le=16)] = 3
    """The longest chain."""


class Morph(Labeler[MorphRecipe]):
    """Chains of morphological, geometric and intensity operators (paper, section "Spatially-extended labeling")."""

    name = "morph"
    params_type = MorphParams
    recipe_type = MorphRecipe

    def propose(self, rng: np.random.Generator, shape: Shape) -> MorphRecipe:
        """Return a chain of uniform length of operators drawn uniformly from the families."""
        square = shape[1] == shape[2]
        length = int(rng.integers(1, self.params.max_length + 1))
        return MorphRecipe(tuple(self._draw_operator(rng, square) for _ in range(length)))

    def _draw_operator(self, rng: np.random.Generator, square: bool) -> AnyOperator:
        operators = [operator for family in self.params.families for operator in OPERATORS[family]]
        while True:
            operator = operators[rng.integers(len(operators))].draw(rng)
            if square or not operator.needs_square:
                return operator

    def imprint(self, images: Array, recipe: MorphRecipe) -> Array:
        """Return the transformed images; an operator that needs square images refuses others by name."""
        for operator in recipe.chain:
            images = _apply(operator, images)
        return images

    def imprint_each(self, images: Array, recipes: Sequence[MorphRecipe], index: Array) -> Array:
        """Return the imprints of a batch of mixed labels, stage by stage: one pass per operator, not one per label."""
        labels = host_integers(index)
        present = [(int(k), recipes[int(k)].chain) for k in np.unique(labels)]
        for stage in range(max((len(chain) for _, chain in present), default=0)):
            users: dict[AnyOperator, list[int]] = {}
            for k, chain in present:
                if stage < len(chain):
                    users.setdefault(chain[stage], []).append(k)
            groups = [
                (np.flatnonzero(np.isin(labels, ks)), partial(_apply, operator)) for operator, ks in users.items()
            ]
            images = apply_in_groups(images, groups)
        return images


def _apply(operator: AnyOperator, images: Array) -> Array:
    _, _, h, w = images.shape
    if operator.needs_square and h != w:
        name: Any = msgspec.to_builtins(operator)["op"]
        raise FFLabelsError("needs square images", where=f"operator {name}", got=f"{h}×{w}")
    return operator(images)
