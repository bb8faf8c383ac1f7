"""Labeler, the contract that a plugin fulfils: propose a recipe, imprint it on images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar, get_args

import msgspec
import numpy as np

from fflabels.arrays import Array, Shape, array_namespace, constant_like, device
from fflabels.errors import FFLabelsError, nearest
from fflabels.recipe import Recipe

API_VERSION = 1

DEFAULT_SHAPE: Shape = (1, 32, 32)

Pattern = Literal["picture", "channels", "code"]
PATTERNS: tuple[Pattern, ...] = get_args(Pattern)

R = TypeVar("R", bound=Recipe)


NamedSet: TypeAlias = "Sequence[Recipe] | Callable[[int, Shape, int], Sequence[Recipe]]"
"""Recipes, or a function of the number of labels, their shape and the seed that returns as many recipes."""


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of a labeler's parameters: a typed frozen struct. Every field has a default."""


class Labeler(Generic[R]):
    """Makes recipes and draws them. A plugin subclasses it and fills in `name`, `recipe_type` and two methods.

    Parameters
    ----------
    **params
        Fields of `params_type`. An unknown field or a value of the wrong type is refused by name.

    Attributes
    ----------
    name
        The name that users type; the entry point carries the same one.
    api_version
        The version of this contract that the labeler was written for.
    pattern
        What a label is a pattern over. ``picture``: an image of any number of channels. ``channels``: images of as many
        channels as the recipe says, (m, H, W). ``code``: the channels of a layer, (W, 1, 1), one number per channel.
    image_independent
        Whether the imprint is the same for every image. It is then drawn once per label, not once per image.
    overwrites
        Whether the imprint replaces the image, so that the label intensity K plays no part (one-hot alone).
    default_visibility
        The visibility floor that candidates must reach unless the user sets another.
    params_type, recipe_type
        The types of the parameters and of the recipes.
    named_sets
        Built-in label sets, by name: ``fourier:paper10``. A set that depends on the number of labels, their shape and a
        seed is a function of these three, ``code:hadamard``.
    """

    name: ClassVar[str]
    api_version: ClassVar[int] = API_VERSION
    pattern: ClassVar[Pattern] = "picture"
    image_independent: ClassVar[bool] = False
    overwrites: ClassVar[bool] = False
    default_visibility: ClassVar[float] = 1.0
    params_type: ClassVar[type[Params]] = Params
    recipe_type: ClassVar[type[Recipe]]
    named_sets: ClassVar[Mapping[str, NamedSet]] = {}

    def __init__(self, **params: Any) -> None:
        self.params: Any = convert_params(self.name, self.params_type, params)

    def propose(self, rng: np.random.Generator, shape: Shape) -> R:
        """Return one recipe drawn with `rng` alone, fit for images of `shape` (C, H, W)."""
        raise NotImplementedError

    def imprint(self, images: Array, recipe: R) -> Array:
        """Return the image that the recipe adds, in [0, 1], of the shape, type and device of `images`.

        Parameters
        ----------
        images
            (N, C, H, W) floats in [0, 1] of any array-API library; never changed in place.
        recipe
            One recipe of `recipe_type`.
        """
        raise NotImplementedError

    def complete(self, n: int, shape: Shape) -> Sequence[R] | None:
        """Return the only n recipes there can be, where the family leaves nothing to choose; else None."""
        return None

    def default_shape(self, recipe: R) -> Shape:
        """Return the shape that a label is scored and shown at unless the user names another."""
        return DEFAULT_SHAPE

    def patterns(self, recipes: Sequence[R], shape: Shape) -> np.ndarray[Any, Any]:
        """Return what image-independent labels draw, (n, C, H, W) float32 in [0, 1]; override to draw many at once."""
        blank = np.zeros((1, *shape), np.float32)
        return np.concatenate([np.asarray(self.imprint(blank, recipe)) for recipe in recipes])

    def imprint_each(self, images: Array, recipes: Sequence[R], index: Array) -> Array:
        """Return the imprint of ``recipes[index[i]]`` on image i, for every i: a batch of mixed labels.

        The default draws an image-independent labeler's patterns once each and gathers them; for others it
        groups the images by label.

        Parameters
        ----------
        images
            (N, C, H, W) floats in [0, 1].
        recipes
            The label set.
        index
            (N,) integers: the label of each image.
        """
        _, c, h, w = images.shape
        if self.image_independent:
            xp = array_namespace(images)
            blank = xp.zeros((1, c, h, w), dtype=images.dtype, device=device(images))
            table = xp.concat([self.imprint(blank, recipe) for recipe in recipes], axis=0)
            return xp.take(table, constant_like(index, images, dtype=xp.int64), axis=0)
        labels = host_integers(index)
        groups = [(np.flatnonzero(labels == k), _bind(self.imprint, recipes[k])) for k in np.unique(labels)]
        return apply_in_groups(images, groups)

    def embed(self, images: Array, imprints: Array, intensity: float) -> Array:
        """Return ``(1 − K)·images + K·imprints``, or the imprints alone where the labeler overwrites."""
        return imprints if self.overwrites else (1.0 - intensity) * images + intensity * imprints

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Labeler) and bool(self.params == other.params)

    def __hash__(self) -> int:
        return hash((type(self), self.params))

    def __repr__(self) -> str:
        fields = ", ".join(f"{k}={v!r}" for k, v in msgspec.structs.asdict(self.params).items())
        return f"{type(self).__name__}({fields})"


def apply_in_groups(images: Array, groups: Sequence[tuple[np.ndarray[Any, Any], Callable[[Array], Array]]]) -> Array:
    """Return `images` with each group of positions replaced by its function of them, in one gather and one scatter.

    Parameters
    ----------
    images
        (N, C, H, W).
    groups
        Disjoint (positions, function) pairs; images in no group stay as they are.
    """
    xp = array_namespace(images)
    rest = np.setdiff1d(np.arange(images.shape[0]), np.concatenate([p for p, _ in groups] or [np.arange(0)]))
    if groups and rest.size == 0 and len(groups) == 1:
        return groups[0][1](images)
    parts = [apply(xp.take(images, constant_like(p, images, xp.int64), axis=0)) for p, apply in groups]
    parts.append(xp.take(images, constant_like(rest, images, xp.int64), axis=0))
    order = np.concatenate([*(p for p, _ in groups), rest])
    return xp.take(xp.concat(parts, axis=0), constant_like(np.argsort(order), images, xp.int64), axis=0)


def host_integers(index: Array) -> np.ndarray[Any, Any]:
    """Return integers of any array-API library as NumPy integers."""
    if hasattr(index, "cpu"):
        index = index.cpu()
    integers = np.asarray(index)
    if integers.ndim != 1 or integers.dtype.kind not in "iu":
        raise FFLabelsError("labels must be a vector of integers", got=f"{integers.dtype} of shape {integers.shape}")
    return integers


def nearest_shape(labeler: Labeler[Any], shape: Shape) -> Shape:
    """Return the shape nearest to `shape` that the labeler says it draws on: codes have channels alone."""
    c, _, w = shape
    return (c * w, 1, 1) if labeler.pattern == "code" else shape


def convert_params(name: str, params_type: type[Params], params: Mapping[str, Any], *, typed: bool = True) -> Params:
    """Return `params` as `params_type`; with ``typed=False`` they are strings as typed, lists comma-separated."""
    fields = {field.name: field for field in msgspec.structs.fields(params_type)}
    for key in params:
        if key not in fields:
            raise FFLabelsError("unknown parameter", where=f"labeler {name}", got=key, hint=nearest(key, fields))
    values = dict(params)
    if not typed:
        info = msgspec.inspect.type_info(params_type)
        assert isinstance(info, msgspec.inspect.StructType)
        sequences = {f.name for f in info.fields if _takes_several(f.type)}
        values = {k: v.split(",") if k in sequences else v for k, v in values.items()}
    try:
        converted = msgspec.convert(values, params_type, strict=typed)
        for key, value in msgspec.to_builtins(converted).items():
            if not _is_finite(value):
                raise FFLabelsError("not finite", where=f"labeler {name}", got=f"{key}={value}", expected="a number")
        return converted
    except msgspec.ValidationError as error:
        field = next((f for f in values if f"`$.{f}" in str(error)), None)
        raise FFLabelsError(
            f"bad parameter: {error}",
            where=f"labeler {name}",
            got=f"{field}={params[field]}" if field else None,
            expected=_choices(params_type, field),
        ) from None


def _takes_several(kind: msgspec.inspect.Type) -> bool:
    several = (msgspec.inspect.VarTupleType, msgspec.inspect.TupleType, msgspec.inspect.ListType)
    return any(isinstance(one, several) for one in getattr(kind, "types", (kind,)))


def _is_finite(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _choices(params_type: type[Params], field: str | None) -> str | None:
    """Return the words that a parameter is one or several of, if it is."""
    info = msgspec.inspect.type_info(params_type)
    assert isinstance(info, msgspec.inspect.StructType)
    kind = next((f.type for f in info.fields if f.name == field), None)
    if isinstance(kind, msgspec.inspect.VarTupleType):
        kind = kind.item_type
    return ", ".join(map(str, kind.values)) if isinstance(kind, msgspec.inspect.LiteralType) else None


def _bind(imprint: Callable[[Array, Any], Array], recipe: Recipe) -> Callable[[Array], Array]:
    return lambda images: imprint(images, recipe)
