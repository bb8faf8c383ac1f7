"""Labeler, the contract that a plugin fulfils: propose a recipe, imprint it on images."""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar, get_args

import msgspec
import numpy as np

from fflabels.arrays import Array, Shape, array_namespace, constant_like, device, to_host
from fflabels.errors import FFLabelsError, nearest
from fflabels.recipe import Recipe, first_not_finite

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
    channels
        The one number of channels that the labeler draws on, or None for any.
    min_side
        The fewest pixels that an image must have on each side.
    numpy_only
        Whether `imprint` takes NumPy arrays only. It then gets them whatever the images are; on a GPU every call
        copies the images to the host and back.
    aliases
        Former names: ``"oldname"``, or ``"old-distribution:oldname"``. Label sets that name them are still read.
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
    channels: ClassVar[int | None] = None
    min_side: ClassVar[int] = 1
    numpy_only: ClassVar[bool] = False
    aliases: ClassVar[Sequence[str]] = ()

    def __init__(self, /, **params: Any) -> None:
        self.params: Any = convert_params(self.name, self.params_type, params)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let `imprint` of a NumPy-only labeler take images of any library."""
        super().__init_subclass__(**kwargs)
        if cls.numpy_only and not hasattr(cls.imprint, "takes_any_array"):
            cls.imprint = _on_host(cls.imprint)  # type: ignore[method-assign]

    def propose(self, rng: np.random.Generator, shape: Shape) -> R:
        """Return one recipe drawn with `rng` alone, fit for images of `shape` (C, H, W)."""
        raise NotImplementedError(f"{type(self).__name__} defines no propose(self, rng, shape)")

    def imprint(self, images: Array, recipe: R) -> Array:
        """Return the image that the recipe adds, in [0, 1], of the shape, type and device of `images`.

        Parameters
        ----------
        images
            (N, C, H, W) floats in [0, 1] of any array-API library; never changed in place. The result may be a view of
            them: copy it before you write into it.
        recipe
            One recipe of `recipe_type`.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no imprint(self, images, recipe)")

    @classmethod
    def upgrade(cls, recipe: dict[str, Any], version: str) -> dict[str, Any]:
        """Return a recipe from a label set of another version as this version writes it; called before it is read.

        Parameters
        ----------
        recipe
            The recipe as the file has it: a dict of JSON values.
        version
            The version of the distribution that wrote the file.
        """
        return recipe

    @classmethod
    def upgrade_params(cls, params: dict[str, Any], version: str) -> dict[str, Any]:
        """Return the labeler's parameters from a label set of another version as this version takes them."""
        return params

    def complete(self, n: int, shape: Shape) -> Sequence[R] | None:
        """Return the n recipes if the labeler has only one set of n, so that nothing is chosen; else None."""
        return None

    def default_shape(self, recipe: R) -> Shape:
        """Return the shape that a label is scored and shown at unless the user names another.

        A labeler of codes overrides it where its recipe tells the number of channels.
        """
        if self.pattern == "code":
            raise FFLabelsError("no shape is known", where=f"labeler {self.name}", expected="--shape Wx1x1, W channels")
        return nearest_shape(self, DEFAULT_SHAPE)

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
        fields = ", ".join(f"{k}={_plain(v)!r}" for k, v in msgspec.structs.asdict(self.params).items())
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
    return integers.astype(integers.dtype.newbyteorder("="), copy=False)


def nearest_shape(labeler: Labeler[Any], shape: Shape) -> Shape:
    """Return the shape nearest to `shape` that the labeler says it draws on: its channels, its least size.

    Codes have channels alone, (W, 1, 1).
    """
    c, h, w = shape
    if labeler.pattern == "code":
        return c * w, 1, 1
    return labeler.channels or c, max(h, labeler.min_side), max(w, labeler.min_side)


def convert_params(name: str, params_type: type[Params], params: Mapping[str, Any], *, typed: bool = True) -> Params:
    """Return `params` as `params_type`.

    With ``typed=False`` they are strings as typed: JSON where they begin with ``[`` or ``{``, else lists are separated
    by commas and ``null`` is None.
    """
    fields = {field.name: field for field in msgspec.structs.fields(params_type)}
    for key in params:
        if key not in fields:
            raise FFLabelsError("unknown parameter", where=f"labeler {name}", got=key, hint=nearest(key, fields))
    values = {k: v.item() if isinstance(v, np.generic) else v for k, v in params.items()}
    if not typed:
        info = msgspec.inspect.type_info(params_type)
        assert isinstance(info, msgspec.inspect.StructType)
        kinds = {f.name: f.type for f in info.fields}
        values = {k: _typed_value(name, k, v, kinds[k]) for k, v in values.items()}
    try:
        converted = msgspec.convert(values, params_type, strict=typed)
        if bad := first_not_finite(msgspec.to_builtins(converted)):
            got = f"{bad[0]}={bad[1]}"
            raise FFLabelsError("not finite", where=f"labeler {name}", got=got, expected="a finite number")
        return converted
    except msgspec.ValidationError as error:
        from fflabels.describe import words

        field = next((f for f in values if f"`$.{f}" in str(error)), None)
        if field is None:
            raise FFLabelsError(f"bad parameter: {error}", where=f"labeler {name}") from None
        given = repr(params[field]) if typed else params[field]
        raise FFLabelsError(
            "bad parameter", where=f"labeler {name}", got=f"{field}={given}",
            expected=words(params_type, field),
        ) from None  # fmt: skip


def _typed_value(labeler: str, name: str, text: str, kind: msgspec.inspect.Type) -> Any:
    """Return what a user typed for a parameter: null where it may be unset, JSON, a list, or the text itself."""
    if text == "null" and msgspec.inspect.NoneType() in getattr(kind, "types", ()):
        return None
    if not text.lstrip().startswith(("[", "{")):
        return text.split(",") if _takes_several(kind) else text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise FFLabelsError(
            f"not JSON: {error}",
            where=f"labeler {labeler}",
            got=f"{name}={text}",
            expected="for instance [[0,1],[1,2]]",
        ) from None


def _takes_several(kind: msgspec.inspect.Type) -> bool:
    several = (msgspec.inspect.VarTupleType, msgspec.inspect.TupleType, msgspec.inspect.ListType)
    return any(isinstance(one, several) for one in getattr(kind, "types", (kind,)))


def _plain(value: Any) -> Any:
    """Return a parameter with enum members replaced by their values, which are what users type."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return value.value if isinstance(value, enum.Enum) else value


def typed_text(value: Any) -> str:
    """Return a parameter as a user would type it: a list separated by commas, nested values as JSON."""
    value = msgspec.to_builtins(value)
    if isinstance(value, list | tuple) and not any(isinstance(one, list | tuple | dict) for one in value):
        return ",".join(map(str, value))
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _on_host(imprint: Callable[..., Any]) -> Callable[..., Any]:
    """Return an `imprint` that takes images of any array library, from one that takes NumPy arrays."""

    @functools.wraps(imprint)
    def on_host(self: Labeler[Any], images: Array, recipe: Recipe) -> Array:
        if isinstance(images, np.ndarray):
            return imprint(self, images, recipe)
        return constant_like(imprint(self, to_host(images), recipe), images)

    on_host.takes_any_array = True  # type: ignore[attr-defined]
    return on_host


def _bind(imprint: Callable[[Array, Any], Array], recipe: Recipe) -> Callable[[Array], Array]:
    return lambda images: imprint(images, recipe)
