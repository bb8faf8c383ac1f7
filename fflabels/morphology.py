"""Grey-scale morphology on batches of images, for any array-API library.

Pixels outside the image take no part (``mode="ignore"`` of scikit-image), and every result equals
scikit-image's bit for bit.

How it is fast: each image is laid into a wider frame filled with the identity (−∞ under a maximum), and the
frames of the whole batch lie end to end in one flat array. A shift by (dy, dx) is then one flat offset, whatever
its direction, and a step that leaves an image lands in a frame. So a maximum over a window is a few maxima of
long contiguous slices; a run of length w takes about log2 w of them, by doubling.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from fflabels.arrays import Array, array_namespace, check_images, device
from fflabels.errors import FFLabelsError, nearest

FootprintName = Literal["square", "line0", "line45", "line90", "line135", "disk", "diamond"]
FOOTPRINTS: tuple[str, ...] = get_args(FootprintName)
ODD_FOOTPRINTS = ("disk", "diamond")
MIN_WIDTH, MAX_WIDTH = 2, 7

Offset: TypeAlias = tuple[int, int]


class Run(NamedTuple):
    """`length` offsets (dy, dx) in a row, from `start` in steps of `step`."""

    start: Offset
    step: Offset
    length: int


Stage: TypeAlias = tuple[Run, ...]
"""A union of runs. A footprint is the Minkowski sum of its stages."""


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
    return _extremum(images, stages(footprint, width), "maximum")


def erode(images: Array, footprint: str, width: int) -> Array:
    """Return the minimum of `images` over the footprint at each pixel; see `dilate`."""
    return _extremum(images, stages(footprint, width), "minimum")


def opening(images: Array, footprint: str, width: int) -> Array:
    """Return the erosion's dilation by the mirrored footprint: bright detail narrower than it is gone."""
    return _extremum(erode(images, footprint, width), mirrored(stages(footprint, width)), "maximum")


def closing(images: Array, footprint: str, width: int) -> Array:
    """Return the dilation's erosion by the mirrored footprint: dark detail narrower than it is gone."""
    return _extremum(dilate(images, footprint, width), mirrored(stages(footprint, width)), "minimum")


def gradient(images: Array, footprint: str, width: int) -> Array:
    """Return dilation − erosion: bright where the image has edges."""
    return dilate(images, footprint, width) - erode(images, footprint, width)


def white_tophat(images: Array, footprint: str, width: int) -> Array:
    """Return images − opening: the bright detail alone."""
    return images - opening(images, footprint, width)


def black_tophat(images: Array, footprint: str, width: int) -> Array:
    """Return closing − images: the dark detail alone."""
    return closing(images, footprint, width) - images


@cache
def stages(footprint: str, width: int) -> tuple[Stage, ...]:
    """Return the footprint as stages of runs, centred as scikit-image centres it."""
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
            return ((Run((0, first), (0, 1), width),), (Run((first, 0), (1, 0), width),))
    reach = [int(np.sqrt(last**2 - dy**2)) if footprint == "disk" else last - abs(dy) for dy in range(-last, last + 1)]
    return (tuple(Run((dy, -r), (0, 1), 2 * r + 1) for dy, r in zip(range(-last, last + 1), reach, strict=True)),)


@cache
def mirrored(footprint: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Return the footprint turned by 180°: every offset negated."""
    return tuple(tuple(Run(_negate(_end(run)), run.step, run.length) for run in stage) for stage in footprint)


def offsets(footprint: tuple[Stage, ...]) -> set[Offset]:
    """Return every (dy, dx) of the footprint."""
    found = {(0, 0)}
    for stage in footprint:
        reached = {
            (run.start[0] + i * run.step[0], run.start[1] + i * run.step[1]) for run in stage for i in range(run.length)
        }
        found = {(y + dy, x + dx) for y, x in found for dy, dx in reached}
    return found


@cache
def _margins(footprint: tuple[Stage, ...]) -> Offset:
    found = offsets(footprint)
    return max(abs(dy) for dy, _ in found), max(abs(dx) for _, dx in found)


def _extremum(images: Array, footprint: tuple[Stage, ...], name: Literal["maximum", "minimum"]) -> Array:
    check_images(images)
    xp = array_namespace(images)
    extremum: Callable[[Array, Array], Array] = getattr(xp, name)
    n, c, h, w = images.shape
    pad_y, pad_x = _margins(footprint)
    row = w + pad_x
    frame = (h + pad_y) * row
    margin = pad_y * row + pad_x
    count = n * c * frame
    flat = xp.full(
        (margin + count + margin,),
        -xp.inf if name == "maximum" else xp.inf,
        dtype=images.dtype,
        device=device(images),
    )
    xp.reshape(flat[margin : margin + count], (n, c, h + pad_y, row))[:, :, :h, :w] = images
    origin = margin
    for stage in footprint:
        flat, origin = _over_stage(flat, origin, stage, row, extremum)
    return xp.reshape(flat[origin : origin + count], (n, c, h + pad_y, row))[:, :, :h, :w]


def _over_stage(
    flat: Array, origin: int, stage: Stage, row: int, extremum: Callable[[Array, Array], Array]
) -> tuple[Array, int]:
    """Return the extremum over a union of runs, and where the batch's first pixel lies in it."""
    runs: dict[tuple[int, int], Array] = {}
    windows = []
    for run in stage:
        start, step = _flat(run.start, row), _flat(run.step, row)
        windows.append((start, _over_run(flat, step, run.length, extremum, runs)))
    lowest = min(start for start, _ in windows)
    length = min(a.shape[0] - (start - lowest) for start, a in windows)
    start, result = windows[0]
    result = result[start - lowest : start - lowest + length]
    for start, a in windows[1:]:
        result = extremum(result, a[start - lowest : start - lowest + length])
    return result, origin + lowest


def _over_run(
    flat: Array, step: int, length: int, extremum: Callable[[Array, Array], Array], known: dict[tuple[int, int], Array]
) -> Array:
    """Return element-wise the extremum of ``flat[i], flat[i + step], …`` (`length` terms), by doubling."""
    covered, result = 1, flat
    while covered < length:
        add = min(covered, length - covered)
        covered += add
        if (step, covered) not in known:
            shift = add * step
            known[step, covered] = extremum(result[:-shift], result[shift:])
        result = known[step, covered]
    return result


def _flat(offset: Offset, row: int) -> int:
    return offset[0] * row + offset[1]


def _end(run: Run) -> Offset:
    return run.start[0] + (run.length - 1) * run.step[0], run.start[1] + (run.length - 1) * run.step[1]


def _negate(offset: Offset) -> Offset:
    return -offset[0], -offset[1]
