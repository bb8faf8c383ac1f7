"""Cells: generated pictures of seven kinds of white blood cells in a stained smear [ours].

The kinds differ in the shape of the nucleus, its texture, its place, and in granules; position, size, direction,
brightness and stain vary within each. All arithmetic is on integers, and all draws come from the raw output of a PCG64
generator, so that the pictures are the same bytes on every machine and with every version of NumPy.

Lengths are in 1/16 pixel, directions in 1/24 turn, coverage is from 0 to 256.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

SIZE = 64
"""Height and width of a picture."""

PIXEL = 16
FULL = 256

Grid: TypeAlias = npt.NDArray[np.int64]
Colour: TypeAlias = tuple[int, int, int]
Place: TypeAlias = tuple[int, int]
Window: TypeAlias = tuple[slice, slice]

COSINES = (256, 247, 222, 181, 128, 66, 0, -66, -128, -181, -222, -247)
"""256·cos of 0, 15, …, 165 degrees; the other half turn has the opposite signs."""

MIDDLES: Grid = PIXEL * np.arange(SIZE, dtype=np.int64) + PIXEL // 2
"""The middle of each pixel, along either axis."""

WHOLE: Window = (slice(None), slice(None))

PLASMA, RED_CELL = (236, 224, 218), (222, 168, 160)
NUCLEUS, DARK, PALE = (112, 68, 148), (74, 40, 112), (158, 118, 182)
BLUE, GREY, PINK = (176, 178, 214), (192, 188, 210), (222, 196, 212)
ORANGE, VIOLET, ROSE = (206, 106, 82), (66, 36, 104), (194, 142, 176)


class Dice:
    """Random integers that depend on the seed alone."""

    def __init__(self, *seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def within(self, low: int, high: int) -> int:
        """Return an integer from low to high."""
        return low + int(self._bits.random_raw()) % (high - low + 1)

    def grid(self, side: int, spread: int) -> Grid:
        """Return (side, side) integers from −spread to spread."""
        bits = self._bits.random_raw(side * side).reshape(side, side) >> np.uint64(32)
        return np.asarray(bits.astype(np.int64) % (2 * spread + 1) - spread)

    def near(self, colour: Colour, spread: int) -> Colour:
        """Return a colour whose channels differ by up to `spread`."""
        red, green, blue = (value + self.within(-spread, spread) for value in colour)
        return red, green, blue


def cosine(direction: int) -> int:
    """Return 256·cos of a direction."""
    direction %= 24
    return COSINES[direction] if direction < 12 else -COSINES[direction - 12]


def towards(start: Place, direction: int, distance: int) -> Place:
    """Return the place (x, y) at a distance from another."""
    return start[0] + cosine(direction) * distance // 256, start[1] + cosine(direction - 6) * distance // 256


def ellipse(centre: Place, length: int, width: int, direction: int = 0, window: Window = WHOLE) -> Grid:
    """Return how far an ellipse with these half axes covers each pixel of a window."""
    rows, columns = window
    dx, dy = MIDDLES[columns] - centre[0], MIDDLES[rows, None] - centre[1]
    c, s = cosine(direction), cosine(direction - 6)
    along, across = dx * c + dy * s >> 8, dy * c - dx * s >> 8
    along *= width
    across *= length
    whole = (length * width) ** 2
    inside = whole - along * along - across * across
    cover: Grid = FULL // 2 + 8 * min(length, width) * inside // whole
    return np.minimum(np.maximum(cover, 0, out=cover), FULL, out=cover)


def paint(picture: Grid, colour: Colour, cover: Grid, strength: int = FULL) -> None:
    """Paint a colour on a picture (3, H, W) where it is covered."""
    change = np.array(colour)[:, None, None] - picture
    change *= cover if strength == FULL else cover * strength >> 8
    change >>= 8
    picture += change


def paint_ellipse(
    picture: Grid, colour: Colour, centre: Place, length: int, width: int, direction: int = 0, strength: int = FULL
) -> None:
    """Paint an ellipse with these half axes on a picture (3, H, W)."""
    reach = max(length, width) + PIXEL
    columns, rows = (slice(max(0, (c - reach) // PIXEL), max(0, (c + reach) // PIXEL + 1)) for c in centre)
    cover = ellipse(centre, length, width, direction, (rows, columns))
    paint(picture[:, rows, columns], colour, cover, strength)


def smooth(grid: Grid) -> Grid:
    """Return each value as the mean of its 3×3 neighbours, weighted 1 2 1."""
    for axis in (-1, -2):
        grid = np.roll(grid, 1, axis) + 2 * grid + np.roll(grid, -1, axis) >> 2
    return grid


def clouds(dice: Dice, grain: int, spread: int) -> Grid:
    """Return smooth noise (H, W) with spots of `grain` pixels."""
    spots = dice.grid(SIZE // grain, spread).repeat(grain, 0).repeat(grain, 1)
    for _ in range(grain // 2):
        spots = smooth(spots)
    return spots


class Cell:
    """A cell that is being painted."""

    def __init__(self, dice: Dice, picture: Grid, radius: tuple[int, int], oval: int, cytoplasm: Colour) -> None:
        self.dice, self.picture = dice, picture
        self.centre = (dice.within(22, 42) * PIXEL, dice.within(22, 42) * PIXEL)
        self.direction = dice.within(0, 23)
        self.length = dice.within(radius[0] * PIXEL, radius[1] * PIXEL)
        self.width = self.length * dice.within(oval, 100) // 100
        self.cover = ellipse(self.centre, self.length, self.width, self.direction)
        paint(picture, dice.near(cytoplasm, 12), self.cover)

    def place(self, direction: int, share: int) -> Place:
        """Return a place at a share, in %, of the way from the centre to the edge."""
        return towards(self.centre, direction, self.width * share // 100)

    def stain(self, cover: Grid, colour: Colour = NUCLEUS, *, grain: int = 4, spread: int = 24) -> None:
        """Paint a nucleus with its chromatin: spots of `grain` pixels that differ by up to `spread`."""
        paint(self.picture, self.dice.near(colour, 12), cover)
        self.picture += clouds(self.dice, grain, spread) * cover // FULL

    def lobes(self, count: int, size: int) -> Grid:
        """Return a nucleus of round lobes on an arc, joined by bridges."""
        start, step = self.dice.within(0, 23), self.dice.within(4, 6) if count > 2 else 9
        cover = np.zeros((SIZE, SIZE), np.int64)
        places = [self.place(start + step * k, self.dice.within(36, 50)) for k in range(count)]
        for (x0, y0), (x1, y1) in itertools.pairwise(places):
            for k in range(1, 4):  # a thin bridge
                between = (x0 + (x1 - x0) * k // 4, y0 + (y1 - y0) * k // 4)
                cover = np.maximum(cover, ellipse(between, 24, 24))
        for place in places:
            length = self.width * self.dice.within(size - 4, size + 4) // 100
            cover = np.maximum(cover, ellipse(place, length, length * 85 // 100, self.dice.within(0, 23)))
        return cover

    def granules(self, count: int, radius: tuple[int, int], colour: Colour, strength: int = FULL) -> None:
        """Scatter granules over the whole cell, nucleus and all."""
        for _ in range(count):
            place = self.place(self.dice.within(0, 23), self.dice.within(10, 92))
            size = self.dice.within(*radius)
            paint_ellipse(self.picture, self.dice.near(colour, 14), place, size, size, strength=strength)


def basophil(dice: Dice, picture: Grid) -> None:
    """Paint two lobes, hidden by coarse dark granules."""
    cell = Cell(dice, picture, (15, 19), 88, PINK)
    cell.stain(cell.lobes(2, 46))
    cell.granules(dice.within(22, 34), (20, 34), VIOLET)


def blast(dice: Dice, picture: Grid) -> None:
    """Paint a large round nucleus of fine chromatin, with pale nucleoli."""
    cell = Cell(dice, picture, (16, 20), 86, BLUE)
    nucleus = cell.place(dice.within(0, 23), dice.within(0, 12))
    size = cell.width * dice.within(76, 84) // 100
    cell.stain(ellipse(nucleus, size, size * dice.within(88, 100) // 100, dice.within(0, 23)), grain=2, spread=14)
    for _ in range(dice.within(2, 4)):
        place = towards(nucleus, dice.within(0, 23), size * dice.within(15, 60) // 100)
        paint_ellipse(picture, dice.near(PALE, 10), place, dice.within(36, 52), 40, dice.within(0, 23), 200)


def eosinophil(dice: Dice, picture: Grid) -> None:
    """Paint two lobes, and coarse bright granules between them and around."""
    cell = Cell(dice, picture, (15, 19), 88, PINK)
    cell.granules(dice.within(34, 46), (20, 30), ORANGE)
    cell.stain(cell.lobes(2, 44))


def lymphocyte(dice: Dice, picture: Grid) -> None:
    """Paint a round nucleus of clumped chromatin that almost fills the cell."""
    cell = Cell(dice, picture, (12, 19), 88, BLUE)
    size = cell.width * dice.within(78, 86) // 100
    nucleus = cell.place(dice.within(0, 23), dice.within(0, 12))
    cell.stain(ellipse(nucleus, size, size * dice.within(88, 100) // 100, dice.within(0, 23)), grain=4, spread=40)


def monocyte(dice: Dice, picture: Grid) -> None:
    """Paint a nucleus like a kidney, and vacuoles in the cytoplasm."""
    cell = Cell(dice, picture, (16, 20), 84, GREY)
    direction = dice.within(0, 23)
    length = cell.width * dice.within(66, 74) // 100
    nucleus = ellipse(cell.place(direction, 22), length, length * 80 // 100, direction + 6)
    bite = ellipse(cell.place(direction + 12, dice.within(18, 30)), length * 62 // 100, length * 48 // 100, direction)
    cell.stain(nucleus * (FULL - bite) // FULL, grain=4, spread=22)
    for _ in range(dice.within(1, 4)):
        place = cell.place(direction + 12 + dice.within(-4, 4), dice.within(50, 84))
        paint_ellipse(picture, PLASMA, place, 22, 22, strength=190)


def neutrophil(dice: Dice, picture: Grid) -> None:
    """Paint three to five lobes, and fine pale granules."""
    cell = Cell(dice, picture, (15, 19), 88, PINK)
    cell.granules(dice.within(34, 46), (8, 13), ROSE, 170)
    cell.stain(cell.lobes(dice.within(3, 5), 32))


def plasma_cell(dice: Dice, picture: Grid) -> None:
    """Paint an oval cell with a round nucleus at one end, its chromatin like a clock's face, and a pale halo."""
    cell = Cell(dice, picture, (16, 20), 72, BLUE)
    end = cell.direction + 12 * dice.within(0, 1)
    nucleus = towards(cell.centre, end, (cell.length - cell.width * 60 // 100) * 85 // 100)
    size = cell.width * dice.within(56, 64) // 100
    halo = towards(nucleus, end + 12, size)
    paint(picture, PLASMA, ellipse(halo, size * 60 // 100, size * 50 // 100, end) * cell.cover // FULL, 150)
    cell.stain(ellipse(nucleus, size, size), PALE, spread=10)
    start = dice.within(0, 3)
    for k in range(6):
        place = towards(nucleus, start + 4 * k, size * 68 // 100)
        paint_ellipse(picture, DARK, place, size * 26 // 100, size * 20 // 100, start + 4 * k, 230)


KINDS: dict[str, Callable[[Dice, Grid], None]] = {
    "basophil": basophil,
    "blast": blast,
    "eosinophil": eosinophil,
    "lymphocyte": lymphocyte,
    "monocyte": monocyte,
    "neutrophil": neutrophil,
    "plasma cell": plasma_cell,
}
"""The kinds of cells, in order of their names; each paints one on a picture of red cells."""


def cells(count: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return pictures (count, 3, 64, 64) of cells and their kinds (count,), each as often as the others.

    Picture i depends on the seed and on i alone.
    """
    kinds = np.arange(count, dtype=np.int64) % len(KINDS)
    paint_kind = list(KINDS.values())
    return np.stack([_picture(Dice(seed, i), paint_kind[kind]) for i, kind in enumerate(kinds)]), kinds


def _picture(dice: Dice, cell: Callable[[Dice, Grid], None]) -> npt.NDArray[np.uint8]:
    # Blood plasma, red cells with a paler middle, and platelets.
    picture = np.empty((3, SIZE, SIZE), np.int64)
    picture[:] = np.array(dice.near(PLASMA, 8))[:, None, None]
    for _ in range(dice.within(3, 6)):
        place, size = (dice.within(0, 64) * PIXEL, dice.within(0, 64) * PIXEL), dice.within(8, 11) * PIXEL
        direction, width = dice.within(0, 23), size * dice.within(75, 100) // 100
        paint_ellipse(picture, dice.near(RED_CELL, 14), place, size, width, direction, 225)
        paint_ellipse(picture, PLASMA, place, size // 3, width // 3, direction, 110)
    for _ in range(dice.within(0, 5)):
        place = (dice.within(0, 64) * PIXEL, dice.within(0, 64) * PIXEL)
        paint_ellipse(picture, dice.near(ROSE, 20), place, dice.within(20, 34), 20, dice.within(0, 23))

    # The cell; then stain, exposure, focus and the noise of the camera.
    cell(dice, picture)
    tint = np.array(dice.near((248, 248, 248), 8))[:, None, None] * dice.within(224, 256) // FULL
    picture = smooth(picture * tint // FULL)
    noise = np.stack([dice.grid(SIZE, 8) for _ in range(3)])
    pixels: npt.NDArray[np.uint8] = np.clip(picture + noise, 0, 255).astype(np.uint8)
    return pixels
