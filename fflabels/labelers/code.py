"""Label codes: one number per channel of a layer, for goodness that is a sum over channels.

A label at (W, 1, 1) weights the energies of a layer's W channels, so that one forward pass gives the goodness of all
labels [ours]. Codes of classes with a large distance from each other: error-correcting output codes (Dietterich and
Bakiri 1995). One group of channels per class: CwComp (Papachristodoulou et al. 2024).
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from fflabels import hadamard
from fflabels.arrays import Array, Shape, array_namespace, constant_like
from fflabels.codes import check_code_shape
from fflabels.errors import FFLabelsError
from fflabels.labeler import Labeler, Params
from fflabels.recipe import Recipe

_Unit = msgspec.Meta(ge=0, le=1)


class CodeRecipe(Recipe, frozen=True):
    """The values of a label's channels, in [0, 1], not all equal. 0 and 1 are kept as whole numbers."""

    values: tuple[Annotated[int, _Unit] | Annotated[float, _Unit], ...]

    def __post_init__(self) -> None:
        values = tuple(int(v) if v in (0, 1) else v for v in self.values)
        if len(set(values)) < 2:
            raise FFLabelsError("a code needs two different values", where="values", got=values)
        msgspec.structs.force_setattr(self, "values", values)


class CodeParams(Params, frozen=True):
    """Parameters of `Code`."""

    weight: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """How many channels are 1, the others being 0; default: half of them."""


def hadamard_codes(n: int, shape: Shape, seed: int) -> list[CodeRecipe]:
    """Return n rows of a Hadamard matrix of order W without its constant row; the seed says which rows.

    Any two of them have correlation 0, and each is 1 in half of the channels.

    Raises
    ------
    FFLabelsError
        When no matrix of order W is known here, or there are more labels than W − 1; the nearest widths are named.
    """
    width = check_code_shape(shape, "code:hadamard")
    if not hadamard.is_known(width):
        raise FFLabelsError(
            "no Hadamard matrix is known for so many channels", where="code:hadamard", got=width,
            expected=hadamard.alternatives(width, at_least=n + 1),
        )  # fmt: skip
    if n > width - 1:
        raise FFLabelsError(
            f"more labels than {width} channels have Hadamard codes", where="code:hadamard", got=n,
            expected=f"at most {width - 1}", hint=f"or {hadamard.alternatives(n + 1, at_least=n + 1)} channels",
        )  # fmt: skip
    rows = 1 + np.random.default_rng(seed).permutation(width - 1)[:n]
    return [CodeRecipe(tuple((row > 0).astype(int).tolist())) for row in hadamard.hadamard(width)[rows]]


def group_codes(n: int, shape: Shape, seed: int) -> list[CodeRecipe]:  # noqa: ARG001 - as all such sets are called
    """Return one group of channels per class: channel c belongs to class c mod n, whatever the seed."""
    width = check_code_shape(shape, "code:groups")
    if not 2 <= n <= width:
        raise FFLabelsError("not one group per label", where="code:groups", got=n, expected=f"2 to {width} labels")
    owner = np.arange(width) % n
    return [CodeRecipe(tuple((owner == k).astype(int).tolist())) for k in range(n)]


class Code(Labeler[CodeRecipe]):
    """Codes over the channels of a layer, the same for every image."""

    name = "code"
    pattern = "code"
    image_independent = True
    params_type = CodeParams
    recipe_type = CodeRecipe
    named_sets = {"hadamard": hadamard_codes, "groups": group_codes}  # noqa: RUF012

    def propose(self, rng: np.random.Generator, shape: Shape) -> CodeRecipe:
        """Return a code with `weight` random channels at 1 (half of them unless given) and the others at 0."""
        width = check_code_shape(shape, "shape")
        weight = self.params.weight or width // 2
        if weight >= width:
            raise FFLabelsError(
                "leaves no channel at 0", where="weight", got=weight, expected=f"1 to {width - 1} for {width} channels"
            )
        values = np.zeros(width, int)
        values[rng.choice(width, weight, replace=False)] = 1
        return CodeRecipe(tuple(values.tolist()))

    def default_shape(self, recipe: CodeRecipe) -> Shape:
        """Return (W, 1, 1)."""
        return len(recipe.values), 1, 1

    def imprint(self, images: Array, recipe: CodeRecipe) -> Array:
        """Return each channel filled with its value; refuses images of another number of channels."""
        channels, width = images.shape[1], len(recipe.values)
        if channels != width:
            raise FFLabelsError(
                "a code of another length", where="channels", got=f"{width} values for {channels} channels",
                expected="one value per channel",
            )  # fmt: skip
        values = constant_like(np.array(recipe.values, dtype=float).reshape(-1, 1, 1), images)
        return array_namespace(images).broadcast_to(values, images.shape)
