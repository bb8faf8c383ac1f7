"""The operators that a morphology label is a chain of: each a small frozen struct that draws and applies itself.

Families are tagged, so that a user can exclude one: a flip label cannot be read under flip augmentation.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, TypeAlias

import msgspec
import numpy as np

from fflabels import morphology, resample
from fflabels.arrays import Array, array_namespace
from fflabels.errors import FFLabelsError
from fflabels.morphology import MAX_WIDTH, MIN_WIDTH, ODD_FOOTPRINTS, FootprintName

Family = Literal["morphology", "geometry", "intensity"]


class Operator(msgspec.Struct, frozen=True, tag_field="op", forbid_unknown_fields=True):
    """A map from images (N, C, H, W) in [0, 1] to images of the same shape in [0, 1], its parameters and its draw."""

    family: ClassVar[Family]

    @property
    def needs_square(self) -> bool:
        """Whether the operator exchanges height and width."""
        return False

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Return the operator with parameters drawn by `rng`."""
        return cls()

    def __call__(self, images: Array) -> Array:
        raise NotImplementedError


class Grey(Operator, frozen=True):
    """A grey-scale morphological operator with a flat footprint."""

    family: ClassVar[Family] = "morphology"
    footprint: FootprintName
    width: Annotated[int, msgspec.Meta(ge=MIN_WIDTH, le=MAX_WIDTH)]

    def __post_init__(self) -> None:
        morphology.pieces(self.footprint, self.width)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Return the operator with a uniform footprint, then a uniform width among those that it comes in."""
        footprint = morphology.FOOTPRINTS[rng.integers(len(morphology.FOOTPRINTS))]
        step = 2 if footprint in ODD_FOOTPRINTS else 1
        widths = range(MIN_WIDTH + step - 1, MAX_WIDTH + 1, step)
        return cls(footprint, widths[rng.integers(len(widths))])  # type: ignore[arg-type]


class Erode(Grey, frozen=True, tag="erode"):
    """Minimum over the footprint."""

    def __call__(self, images: Array) -> Array:
        return morphology.erode(images, self.footprint, self.width)


class Dilate(Grey, frozen=True, tag="dilate"):
    """Maximum over the footprint."""

    def __call__(self, images: Array) -> Array:
        return morphology.dilate(images, self.footprint, self.width)


class Open(Grey, frozen=True, tag="open"):
    """Erosion, then dilation: small bright detail is gone."""

    def __call__(self, images: Array) -> Array:
        return morphology.opening(images, self.footprint, self.width)


class Close(Grey, frozen=True, tag="close"):
    """Dilation, then erosion: small dark detail is gone."""

    def __call__(self, images: Array) -> Array:
        return morphology.closing(images, self.footprint, self.width)


class Gradient(Grey, frozen=True, tag="gradient"):
    """Dilation − erosion: edges."""

    def __call__(self, images: Array) -> Array:
        return morphology.gradient(images, self.footprint, self.width)


class WhiteTophat(Grey, frozen=True, tag="white-tophat"):
    """Image − opening: small bright detail alone."""

    def __call__(self, images: Array) -> Array:
        return morphology.white_tophat(images, self.footprint, self.width)


class BlackTophat(Grey, frozen=True, tag="black-tophat"):
    """Closing − image: small dark detail alone."""

    def __call__(self, images: Array) -> Array:
        return morphology.black_tophat(images, self.footprint, self.width)


class Flip(Operator, frozen=True, tag="flip"):
    """Mirror left to right (horizontal) or top to bottom (vertical)."""

    family: ClassVar[Family] = "geometry"
    axis: Literal["horizontal", "vertical"]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Return either flip."""
        return cls("vertical" if rng.integers(2) else "horizontal")

    def __call__(self, images: Array) -> Array:
        return array_namespace(images).flip(images, axis=3 if self.axis == "horizontal" else 2)


class Rotate(Operator, frozen=True, tag="rotate"):
    """Rotation by quarter turns, counter-clockwise."""

    family: ClassVar[Family] = "geometry"
    quarters: Annotated[int, msgspec.Meta(ge=1, le=3)]

    def __post_init__(self) -> None:
        _within("quarters", self.quarters, 1, 3)

    @property
    def needs_square(self) -> bool:
        """Whether height and width change places: for one and three quarters."""
        return self.quarters % 2 == 1

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Return one, two or three quarters."""
        return cls(int(rng.integers(1, 4)))

    def __call__(self, images: Array) -> Array:
        xp = array_namespace(images)
        match self.quarters:
            case 1:
                return xp.flip(xp.permute_dims(images, (0, 1, 3, 2)), axis=2)
            case 2:
                return xp.flip(images, axis=(2, 3))
        return xp.flip(xp.permute_dims(images, (0, 1, 3, 2)), axis=3)


class Transpose(Operator, frozen=True, tag="transpose"):
    """Mirror in the main diagonal."""

    family: ClassVar[Family] = "geometry"

    @property
    def needs_square(self) -> bool:
        """Always."""
        return True

    def __call__(self, images: Array) -> Array:
        return array_namespace(images).permute_dims(images, (0, 1, 3, 2))


class Shift(Operator, frozen=True, tag="shift"):
    """Cyclic shift by fractions of the height and the width, rounded to whole pixels."""

    family: ClassVar[Family] = "geometry"
    dy: Annotated[float, msgspec.Meta(gt=-1, lt=1)]
    dx: Annotated[float, msgspec.Meta(gt=-1, lt=1)]

    def __post_init__(self) -> None:
        _within("dy", self.dy, -1, 1)
        _within("dx", self.dx, -1, 1)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Return eighths of the height and of the width, at least one of them not 0."""
        dy, dx = divmod(int(rng.integers(1, 64)), 8)
        return cls((dy - 8 * (dy > 4)) / 8, (dx - 8 * (dx > 4)) / 8)

    def __call__(self, images: Array) -> Array:
        _, _, h, w = images.shape
        return array_namespace(images).roll(images, (round(self.dy * h), round(self.dx * w)), axis=(2, 3))


class Shear(Operator, frozen=True, tag="shear"):
    """Each row (horizontal) or column (vertical) moved in proportion to its distance from the centre."""

    family: ClassVar[Family] = "geometry"
    axis: Literal["horizontal", "vertical"]
    factor: Annotated[float, msgspec.Meta(ge=-2, le=2)]

    def __post_init__(self) -> None:
        _within("factor", self.factor, -2, 2)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Return a factor of ±0.25, ±0.5 or ±1 along either axis."""
        factors = (-1.0, -0.5, -0.25, 0.25, 0.5, 1.0)
        return cls("vertical" if rng.integers(2) else "horizontal", factors[rng.integers(6)])

    def __call__(self, images: Array) -> Array:
        return resample.shear(images, self.factor, vertical=self.axis == "vertical")


class Zoom(Operator, frozen=True, tag="zoom"):
    """Magnification about the centre; below 1 the mirrored surroundings come into view."""

    family: ClassVar[Family] = "geometry"
    factor: Annotated[float, msgspec.Meta(ge=0.25, le=4)]

    def __post_init__(self) -> None:
        _within("factor", self.factor, 0.25, 4)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Return a factor of 0.5, 0.75, 1.25, 1.5, 2 or 3."""
        return cls((0.5, 0.75, 1.25, 1.5, 2.0, 3.0)[rng.integers(6)])

    def __call__(self, images: Array) -> Array:
        return resample.zoom(images, self.factor)


class Invert(Operator, frozen=True, tag="invert"):
    """1 − image."""

    family: ClassVar[Family] = "intensity"

    def __call__(self, images: Array) -> Array:
        return 1.0 - images


class Posterize(Operator, frozen=True, tag="posterize"):
    """Reduce the image to `levels` grey levels, evenly spaced from 0 to 1."""

    family: ClassVar[Family] = "intensity"
    levels: Annotated[int, msgspec.Meta(ge=2, le=16)]

    def __post_init__(self) -> None:
        _within("levels", self.levels, 2, 16)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Return 2 to 5 levels."""
        return cls(int(rng.integers(2, 6)))

    def __call__(self, images: Array) -> Array:
        xp = array_namespace(images)
        return xp.clip(xp.floor(images * self.levels), 0.0, self.levels - 1.0) / (self.levels - 1.0)


class Blur(Operator, frozen=True, tag="blur"):
    """Gaussian blur; sigma in pixels."""

    family: ClassVar[Family] = "intensity"
    sigma: Annotated[float, msgspec.Meta(gt=0, le=16)]

    def __post_init__(self) -> None:
        _within("sigma", self.sigma, 0.01, 16)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Return a sigma of 0.75, 1, 1.5, 2, 3 or 4 pixels."""
        return cls((0.75, 1.0, 1.5, 2.0, 3.0, 4.0)[rng.integers(6)])

    def __call__(self, images: Array) -> Array:
        return resample.blur(images, self.sigma)


class Sharpen(Operator, frozen=True, tag="sharpen"):
    """Unsharp mask: image + amount × (image − its blur by one pixel), clipped to [0, 1]."""

    family: ClassVar[Family] = "intensity"
    amount: Annotated[float, msgspec.Meta(gt=0, le=16)]

    def __post_init__(self) -> None:
        _within("amount", self.amount, 0.01, 16)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Return an amount of 1, 2, 4 or 8."""
        return cls((1.0, 2.0, 4.0, 8.0)[rng.integers(4)])

    def __call__(self, images: Array) -> Array:
        xp = array_namespace(images)
        return xp.clip(images + self.amount * (images - resample.blur(images, 1.0)), 0.0, 1.0)


class Edge(Operator, frozen=True, tag="edge"):
    """Relief: mid-grey plus half the difference between the pixels before and behind in one direction."""

    family: ClassVar[Family] = "intensity"
    angle: Literal[0, 45, 90, 135]
    step: Annotated[int, msgspec.Meta(ge=1, le=4)]

    def __post_init__(self) -> None:
        _within("step", self.step, 1, 4)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Return one of four directions and a step of 1 or 2 pixels."""
        return cls((0, 45, 90, 135)[rng.integers(4)], int(rng.integers(1, 3)))

    def __call__(self, images: Array) -> Array:
        dy, dx = {0: (0, 1), 45: (-1, 1), 90: (1, 0), 135: (1, 1)}[self.angle]
        ahead, behind = _moved(images, dy * self.step, dx * self.step), _moved(images, -dy * self.step, -dx * self.step)
        return 0.5 + 0.5 * (ahead - behind)


AnyOperator: TypeAlias = (
    Erode
    | Dilate
    | Open
    | Close
    | Gradient
    | WhiteTophat
    | BlackTophat
    | Flip
    | Rotate
    | Transpose
    | Shift
    | Shear
    | Zoom
    | Invert
    | Posterize
    | Blur
    | Sharpen
    | Edge
)

OPERATORS: dict[Family, tuple[type[AnyOperator], ...]] = {
    "morphology": (Erode, Dilate, Open, Close, Gradient, WhiteTophat, BlackTophat),
    "geometry": (Flip, Rotate, Transpose, Shift, Shear, Zoom),
    "intensity": (Invert, Posterize, Blur, Sharpen, Edge),
}


def _moved(images: Array, dy: int, dx: int) -> Array:
    """Return the image whose pixel p is pixel p + (dy, dx) of `images`, the border pixels repeated."""
    _, _, h, w = images.shape
    rows, columns = np.clip(np.arange(h) + dy, 0, h - 1), np.clip(np.arange(w) + dx, 0, w - 1)
    return resample.gathered(images, (rows[:, None] * w + columns).ravel())


def _within(field: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise FFLabelsError("out of range", where=field, got=value, expected=f"{low} to {high}")
