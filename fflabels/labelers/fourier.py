"""Fourier labels: a grey wave over the whole image, each label its own frequency, orientation and phase."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from fflabels.arrays import Array, Shape, array_namespace, constant_like
from fflabels.errors import FFLabelsError
from fflabels.labeler import Labeler, Params
from fflabels.recipe import Recipe

Pattern = np.ndarray[Any, Any]

LEAST_SWING = 1e-6
"""A sum of waves that swings less than this, peak to peak, has cancelled."""

KEPT_PIXELS = 64 * 64
"""Patterns up to so large are kept, 4096 of them: 128 MiB at most."""

MAX_DRAWS = 100_000
"""Draws of one wave before its frequency range counts as empty."""


class Wave(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """cos(2π(fy·y/H + fx·x/W) + phase): frequencies in cycles per image, phase in radians."""

    fy: float
    fx: float
    phase: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("fy", self.fy), ("fx", self.fx), ("phase", self.phase)):
            if not math.isfinite(value):
                raise FFLabelsError("not finite", where=f"wave.{name}", got=value, expected="a finite number")
        if self.fy == self.fx == 0:
            raise FFLabelsError("a wave needs a frequency", where="fy, fx", got="0, 0")


class FourierRecipe(Recipe, frozen=True):
    """The waves whose sum, stretched to [0, 1], is the imprint."""

    waves: Annotated[tuple[Wave, ...], msgspec.Meta(min_length=1, max_length=64)]


class FourierParams(Params, frozen=True):
    """Parameters of `Fourier`."""

    waves: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """How many waves a label is the sum of."""
    frequencies: Literal["integer", "continuous"] = "integer"
    """Integer: whole cycles per image, orthogonal to one another. Continuous: any real frequency."""
    min_frequency: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    """Least length of the frequency vector, in cycles per image."""
    max_frequency: Annotated[float, msgspec.Meta(gt=0)] = 8.0
    """Greatest |fy| and |fx|; never above half the height or width. [ours]: low frequencies train better."""

    def __post_init__(self) -> None:
        if self.max_frequency < self.min_frequency:
            raise FFLabelsError(
                "below min_frequency",
                where="max_frequency",
                got=self.max_frequency,
                expected=f"at least {self.min_frequency}",
            )


def _waves(*pairs: tuple[int, int]) -> tuple[FourierRecipe, ...]:
    return tuple(FourierRecipe((Wave(fy, fx),)) for fy, fx in pairs)


PAPER10 = _waves((0, 6), (2, 0), (0, 4), (0, 2), (6, 0), (4, 0), (1, -1), (2, -2), (2, 2), (1, 1))
"""The best guess at the paper's label set 1 [ours]."""

LOW10 = _waves((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (2, 1), (2, -1), (1, 2), (1, -2))
"""The ten lowest frequencies: orthogonal whatever their shifts, from 5 pixels on [ours]."""


def _quadrature(*pairs: tuple[int, int]) -> tuple[FourierRecipe, ...]:
    return tuple(FourierRecipe((Wave(fy, fx, quarter * math.pi / 2),)) for fy, fx in pairs for quarter in range(4))


LOW100 = _quadrature(
    (0, 1), (1, 0), (1, -1), (1, 1), (0, 2), (2, 0), (1, -2), (1, 2), (2, -1), (2, 1), (2, -2), (2, 2), (0, 3),
    (3, 0), (1, -3), (1, 3), (3, -1), (3, 1), (2, -3), (2, 3), (3, -2), (3, 2), (0, 4), (4, 0), (1, 4),
)  # fmt: skip
"""The 25 lowest frequencies, each at four phases a quarter of a turn apart [ours]."""


class Fourier(Labeler[FourierRecipe]):
    """Grey waves, the same for every image (paper, section "Spatially-extended labeling")."""

    name = "fourier"
    image_independent = True
    params_type = FourierParams
    recipe_type = FourierRecipe
    named_sets = {"paper10": PAPER10, "low10": LOW10, "low100": LOW100}  # noqa: RUF012

    def propose(self, rng: np.random.Generator, shape: Shape) -> FourierRecipe:
        """Return waves with uniform frequencies in the half plane fy > 0 (or fy = 0 < fx) and uniform phases."""
        _, h, w = shape
        top_y, top_x = min(self.params.max_frequency, h / 2), min(self.params.max_frequency, w / 2)
        if self.params.frequencies == "integer":
            top_y, top_x = math.floor(top_y), math.floor(top_x)
        if math.hypot(top_y, top_x) < self.params.min_frequency:
            raise FFLabelsError(
                "no frequency fits",
                where="min_frequency",
                got=self.params.min_frequency,
                expected=f"at most {math.hypot(top_y, top_x):g} at {h}×{w}",
            )
        return FourierRecipe(tuple(self._draw_wave(rng, h, w, top_y, top_x) for _ in range(self.params.waves)))

    def _draw_wave(self, rng: np.random.Generator, h: int, w: int, top_y: float, top_x: float) -> Wave:
        integer = self.params.frequencies == "integer"
        for _ in range(MAX_DRAWS):
            if integer:
                fy, fx = float(rng.integers(0, int(top_y) + 1)), float(rng.integers(-int(top_x), int(top_x) + 1))
            else:
                fy, fx = rng.uniform(0, top_y), rng.uniform(-top_x, top_x)
            phase = rng.uniform(0, 2 * math.pi)
            if math.hypot(fy, fx) < self.params.min_frequency or (fy == 0 and fx < 0):
                continue
            # A wave at the sampling limit along both axes is real: its phase scales it and, at π/2, wipes it out.
            limits = ((0.0, h / 2), (0.0, w / 2))
            return Wave(fy, fx, 0.0 if fy in limits[0] and abs(fx) in limits[1] else phase)
        raise FFLabelsError(
            "hardly any frequency fits",
            where="min_frequency",
            got=self.params.min_frequency,
            expected=f"well below {math.hypot(top_y, top_x):g} at {h}×{w}",
        )

    def imprint(self, images: Array, recipe: FourierRecipe) -> Array:
        """Return the wave pattern on every image and channel; refuses frequencies above half the height or width."""
        xp = array_namespace(images)
        height, width = images.shape[2:]
        drawn = _kept_pattern if height * width <= KEPT_PIXELS else wave_pattern
        # A copy: torch would share the kept pattern's memory, and a change in place would last.
        pattern = constant_like(drawn(recipe.waves, height, width).copy(), images)
        return xp.broadcast_to(pattern, images.shape)

    def patterns(self, recipes: Sequence[FourierRecipe], shape: Shape) -> Pattern:
        """Return what labels draw, (n, C, H, W) float32; single waves all at once."""
        if any(len(recipe.waves) > 1 for recipe in recipes):
            return super().patterns(recipes, shape)
        drawn = single_waves([recipe.waves[0] for recipe in recipes], *shape[1:])
        return np.broadcast_to(drawn[:, None], (len(recipes), *shape))


def single_waves(waves: Sequence[Wave], h: int, w: int, dtype: npt.DTypeLike = np.float32) -> Pattern:
    """Return `wave_pattern` of one wave each, (n, H, W): cos(a + b) = cos a·cos b − sin a·sin b, in float64 first."""
    fy, fx, phase = np.array([(wave.fy, wave.fx, wave.phase) for wave in waves]).T
    if (np.abs(fy) > h / 2).any() or (np.abs(fx) > w / 2).any():
        k = int(np.flatnonzero((np.abs(fy) > h / 2) | (np.abs(fx) > w / 2))[0])
        wave_pattern((waves[k],), h, w)  # says what is wrong
    a = (2 * np.pi * fy[:, None] * np.arange(h) / h + phase[:, None])[:, :, None]
    b = (2 * np.pi * fx[:, None] * np.arange(w) / w)[:, None, :]
    total = np.cos(a) * np.cos(b) - np.sin(a) * np.sin(b)
    low = total.min(axis=(1, 2), keepdims=True)
    swing = total.max(axis=(1, 2), keepdims=True) - low
    if (swing < LEAST_SWING).any():
        wave_pattern((waves[int(swing.argmin())],), h, w)  # says what is wrong
    pattern: Pattern = ((total - low) / swing).astype(dtype)
    return pattern


def wave_pattern(waves: tuple[Wave, ...], h: int, w: int) -> Pattern:
    """Return min–max of Σ cos(2π(fy·y/H + fx·x/W) + phase), shape (H, W), in [0, 1]."""
    y, x = np.arange(h)[:, None] / h, np.arange(w)[None, :] / w
    total = np.zeros((h, w))
    for wave in waves:
        if abs(wave.fy) > h / 2 or abs(wave.fx) > w / 2:
            raise FFLabelsError(
                "frequency above the sampling limit",
                where="wave",
                got=f"(fy, fx) = ({wave.fy:g}, {wave.fx:g})",
                expected=f"|fy| ≤ {h / 2:g} and |fx| ≤ {w / 2:g} at {h}×{w}",
            )
        total += np.cos(2 * np.pi * (wave.fy * y + wave.fx * x) + wave.phase)
    swing = total.max() - total.min()
    if swing < LEAST_SWING:
        raise FFLabelsError("the waves cancel, the pattern is flat", where="recipe", got=waves)
    pattern: Pattern = (total - total.min()) / swing
    return pattern


_kept_pattern = lru_cache(maxsize=4096)(wave_pattern)
