"""Grey-scale morphology on batches of images, for any array-API library.

Pixels outside the image take no part (``mode="ignore"`` of scikit-image), and every result equals
scikit-image's bit for bit.

How it is fast: each image is laid into a wider frame filled with the identity (very low under a maximum), and the
frames of the whole batch lie end to end in one flat array. A shift by (dy, dx) is then one flat offset, whatever
its direction, and a step that leaves an image lands in a frame. So a maximum over a window is a few maxima of
long contiguous slices; a run of length w takes about log2 w of them, by doubling.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, reduce
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from fflabels.arrays import Array, array_namespace, check_images, constant_like, device
from fflabels.errors import FFLabelsError, nearest

FootprintName = Literal["square", "line0", "line45", "line90", "line135", "disk", "diamond"]
FOOTPRINTS: tuple[str, ...] = get_args(FootprintName)
ODD_FOOTPRINTS = ("disk", "diamond")
MIN_WIDTH, MAX_WIDTH = 2, 7

Offset: TypeAlias = tuple[int, int]
Extremum = Literal["maximum", "minimum"]
_MAX: Extremum = "maximum"
_MIN: Extremum = "minimum"


class Run(NamedTuple):
    """`length` offsets (dy, dx) in a row, from `start` in steps of `step`."""

    start: Offset
    step: Offset
    length: int


Piece: TypeAlias = tuple[Run, ...]
"""The Minkowski sum of its runs: every sum of one offset of each."""

Footprint: TypeAlias = tuple[Piece, ...]
"""The union of its pieces."""


def dilate(images: Array, footprint: str, width: int) -> Array:
    """Return the maximum of `images` over the footprint at each pixel.

    Parameters
    ----------
    images
        (N, C, H, W) floats of any array-API library.
    footprint
        One of `FOOTPRINTS`. ``line45`` rises to the right, ``line135`` falls.
    width
        Pixels across, 2 to 7; odd for a disk or a diamond. An even footprint reaches one pixel further to the
        right and down, as scikit-image has it (``line45``: to the right and up).

    Returns
    -------
    array
        Of the shape, type and device of `images`.

    Raises
    ------
    FFLabelsError
        For an unknown footprint or a width that it does not come in.
    """
    frames = _Frames(images, pieces(footprint, width))
    return frames.images(*frames.over(frames.lay(_MAX), _MAX))


def erode(images: Array, footprint: str, width: int) -> Array:
    """Return the minimum of `images` over the footprint at each pixel; see `dilate`."""
    frames = _Frames(images, pieces(footprint, width))
    return frames.images(*frames.over(frames.lay(_MIN), _MIN))


def opening(images: Array, footprint: str, width: int) -> Array:
    """Return the erosion's dilation by the mirrored footprint: bright detail narrower than it is gone."""
    frames = _Frames(images, pieces(footprint, width))
    return frames.images(*frames.there_and_back(frames.lay(_MIN), _MIN))


def closing(images: Array, footprint: str, width: int) -> Array:
    """Return the dilation's erosion by the mirrored footprint: dark detail narrower than it is gone."""
    frames = _Frames(images, pieces(footprint, width))
    return frames.images(*frames.there_and_back(frames.lay(_MAX), _MAX))


def gradient(images: Array, footprint: str, width: int) -> Array:
    """Return dilation − erosion: bright where the image has edges."""
    frames = _Frames(images, pieces(footprint, width))
    flat = frames.lay(_MAX)
    dilated, moved = frames.over(flat, _MAX)
    eroded, _ = frames.over(frames.refill(flat, 0, _MIN), _MIN)
    return frames.images(dilated[: eroded.shape[0]] - eroded, moved)


def white_tophat(images: Array, footprint: str, width: int) -> Array:
    """Return images − opening: the bright detail alone."""
    frames = _Frames(images, pieces(footprint, width))
    flat = frames.lay(_MIN)
    opened, moved = frames.there_and_back(flat, _MIN)
    return frames.images(flat[moved : moved + opened.shape[0]] - opened, moved)


def black_tophat(images: Array, footprint: str, width: int) -> Array:
    """Return closing − images: the dark detail alone."""
    frames = _Frames(images, pieces(footprint, width))
    flat = frames.lay(_MAX)
    closed, moved = frames.there_and_back(flat, _MAX)
    return frames.images(closed - flat[moved : moved + closed.shape[0]], moved)


@cache
def pieces(footprint: str, width: int) -> Footprint:
    """Return the footprint as pieces, centred as scikit-image centres it."""
    if footprint not in FOOTPRINTS:
        raise FFLabelsError("unknown footprint", got=footprint, hint=nearest(footprint, FOOTPRINTS))
    if not MIN_WIDTH <= width <= MAX_WIDTH:
        raise FFLabelsError(f"{footprint}: bad width", got=width, expected=f"{MIN_WIDTH} to {MAX_WIDTH} pixels")
    if footprint in ODD_FOOTPRINTS and width % 2 == 0:
        raise FFLabelsError(f"{footprint}: bad width", got=width, expected="an odd number of pixels")
    first = -((width - 1) // 2)  # every footprint holds its centre: even widths reach one pixel further on one side
    last = width // 2
    match footprint:
        case "line0":
            return ((Run((0, first), (0, 1), width),),)
        case "line90":
            return ((Run((first, 0), (1, 0), width),),)
        case "line135":
            return ((Run((first, first), (1, 1), width),),)
        case "line45":
            return ((Run((-last, last), (1, -1), width),),)
        case "square":
            return ((Run((0, first), (0, 1), width), Run((first, 0), (1, 0), width)),)
    if footprint == "diamond" or last < 3:  # the small disks are diamonds: two chequered squares on their corners
        return tuple(
            (Run((1 - side, 0), (1, 1), side), Run((0, 0), (1, -1), side)) for side in (last + 1, last) if side
        )
    reach = {dy: int(np.sqrt(last**2 - dy**2)) for dy in range(-last, last + 1)}
    return tuple((Run((dy, -r), (0, 1), 2 * r + 1),) for dy, r in reach.items())


@cache
def mirrored(footprint: Footprint) -> Footprint:
    """Return the footprint turned by 180°: every offset negated."""
    return tuple(tuple(Run(_negate(_end(run)), run.step, run.length) for run in piece) for piece in footprint)


def offsets(footprint: Footprint) -> set[Offset]:
    """Return every (dy, dx) of the footprint."""
    reached = set()
    for piece in footprint:
        sums = {(0, 0)}
        for run in piece:
            (y, x), (dy, dx) = run.start, run.step
            sums = {(v + y + i * dy, u + x + i * dx) for v, u in sums for i in range(run.length)}
        reached |= sums
    return reached


@cache
def _margins(footprint: Footprint) -> Offset:
    reached = offsets(footprint)
    return max(abs(dy) for dy, _ in reached), max(abs(dx) for _, dx in reached)


class _Frames:
    """A batch (N, C, H, W) as one flat array of frames for one footprint; how far it has `moved` counts from the left.

    A frame is an image with as many columns to its right and rows below it as the footprint reaches. Before the first
    image and behind the last stand `lead` empty frames, as far as an operator and its opposite reach together.
    """

    def __init__(self, images: Array, footprint: Footprint) -> None:
        check_images(images)
        self.xp = array_namespace(images)
        self.batch, self.footprint = images, footprint
        self.planes = images.shape[0] * images.shape[1]
        self.height, self.width = images.shape[2:]
        pad_y, pad_x = _margins(footprint)
        self.rows, self.row = self.height + pad_y, self.width + pad_x
        self.frame = self.rows * self.row
        self.lead = -(-2 * (pad_y * self.row + pad_x) // self.frame)
        # Beyond any image; three times as much minus as much again stays finite.
        self.beyond = float(self.xp.finfo(images.dtype).max) / 8

    def lay(self, extremum: Extremum) -> Array:
        """Return the flat array, all that is no image filled with the extremum's identity."""
        frames = self.lead + self.planes + self.lead
        options = {"dtype": self.batch.dtype, "device": device(self.batch)}
        flat = self.xp.full((frames * self.frame,), self._identity(extremum), **options)
        self._inside(flat[self.lead * self.frame : (frames - self.lead) * self.frame])[...] = self.batch
        return flat

    def refill(self, flat: Array, moved: int, extremum: Extremum) -> Array:
        """Return `flat` with the identity of `extremum` (or what lies beyond) around the images, in whole frames."""
        sizes = self.height, self.width, self.rows, self.row
        outside = constant_like(_outside(*sizes, moved), self.batch) * (2 * self._identity(extremum))
        frames = flat.shape[0] // self.frame
        return self.xp.reshape(self.xp.reshape(flat[: frames * self.frame], (frames, self.frame)) + outside, (-1,))

    def over(self, flat: Array, extremum: Extremum, *, mirror: bool = False) -> tuple[Array, int]:
        """Return the extremum over the (mirrored) footprint at each pixel, and how far it has moved."""
        footprint = mirrored(self.footprint) if mirror else self.footprint
        function = getattr(self.xp, extremum)
        # Both arguments are of one type: the wrapper that promotes types, a third of a small call, has nothing to do.
        flat, lowest = _over_union(flat, footprint, self.row, getattr(function, "__wrapped__", function))
        return flat, -lowest

    def there_and_back(self, flat: Array, extremum: Extremum) -> tuple[Array, int]:
        """Return the extremum and then the other one by the mirrored footprint, and how far it has moved."""
        there, out = self.over(flat, extremum)
        opposite = _MIN if extremum == _MAX else _MAX
        back, home = self.over(self.refill(there, out, opposite), opposite, mirror=True)
        return back, out + home

    def images(self, flat: Array, moved: int) -> Array:
        """Return the images (N, C, H, W) in a flat array."""
        first = self.lead * self.frame - moved
        return self._inside(flat[first : first + self.planes * self.frame])

    def _inside(self, flat: Array) -> Array:
        n, c, h, w = self.batch.shape
        return self.xp.reshape(flat, (n, c, self.rows, self.row))[:, :, :h, :w]

    def _identity(self, extremum: Extremum) -> float:
        return -self.beyond if extremum == _MAX else self.beyond


@cache
def _outside(height: int, width: int, rows: int, row: int, moved: int) -> np.ndarray[Any, Any]:
    """Return 0 where a frame holds image and 1 elsewhere, (rows·row,), beginning with the element `moved`."""
    outside = np.ones((rows, row), np.float32)
    outside[:height, :width] = 0
    return np.roll(outside.ravel(), -moved)


def _over_union(
    flat: Array, footprint: Footprint, row: int, extremum: Callable[[Array, Array], Array]
) -> tuple[Array, int]:
    """Return the extremum over a union of pieces, and its lowest offset, which the first element now stands for."""
    known: dict[tuple[tuple[int, int], ...], Array] = {}
    starts = [sum(_flat(run.start, row) for run in piece) for piece in footprint]
    ends = [sum(_flat(_end(run), row) for run in piece) for piece in footprint]
    lowest = min(starts)
    length = flat.shape[0] - (max(ends) - lowest)
    windows = (
        _over_piece(flat, piece, row, extremum, known)[start - lowest : start - lowest + length]
        for start, piece in zip(starts, footprint, strict=True)
    )
    return reduce(extremum, windows), lowest


def _over_piece(
    flat: Array,
    piece: Piece,
    row: int,
    extremum: Callable[[Array, Array], Array],
    known: dict[tuple[tuple[int, int], ...], Array],
) -> Array:
    """Return element-wise the extremum of ``flat[i], flat[i + step], …``, run by run, by doubling."""
    done: tuple[tuple[int, int], ...] = ()
    result = flat
    for run in piece:
        step, covered = _flat(run.step, row), 1
        while covered < run.length:
            shift = min(covered, run.length - covered) * step
            covered += min(covered, run.length - covered)
            if (*done, (step, covered)) not in known:
                known[*done, (step, covered)] = extremum(result[:-shift], result[shift:])
            result = known[*done, (step, covered)]
        done = (*done, (step, covered))
    return result


def _flat(offset: Offset, row: int) -> int:
    return offset[0] * row + offset[1]


def _end(run: Run) -> Offset:
    return run.start[0] + (run.length - 1) * run.step[0], run.start[1] + (run.length - 1) * run.step[1]


def _negate(offset: Offset) -> Offset:
    return -offset[0], -offset[1]
