"""TIFF files: all pages, colours as the file says, and nothing left out without a word."""

from __future__ import annotations

import logging
import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fflabels.errors import FFLabelsError, install_command
from fflabels.images.pictures import DEEP, ORIENTATION, from_pillow, on_white, turned
from fflabels.images.stored import Stack, Stored, white_of

if TYPE_CHECKING:
    from tifffile import TiffFile

Values = npt.NDArray[Any]

Series: TypeAlias = Any
Page: TypeAlias = Any
"""tifffile's; its annotations allow enumerations to be plain integers."""

CONVERTED = ("SEPARATED", "YCBCR", "CIELAB", "ICCLAB", "ITULAB")
"""Colours that Pillow turns into RGB: inks, luma and chroma, L*a*b*."""

PLAIN = ("MINISBLACK", "MINISWHITE", "RGB", "PALETTE")


def tiff_stack(path: Path) -> Stack:
    """Return all images of a TIFF file: time, depth and other stacks are images; channels and samples are channels.

    Raises
    ------
    FFLabelsError
        When the file is cut off, planes are missing, images are of several sizes, or colours cannot be converted.
    """
    check_pages(path)
    with _opened(path) as file:
        _check_other_files(file, path)
        counts = [_count(series) for series in _images(file, path)]

    def pick(indices: Sequence[int]) -> Iterator[Stored]:
        ends = np.cumsum(counts)
        with _opened(path) as again:
            series = _images(again, path)
            for k in indices:
                which = int(np.searchsorted(ends, k, side="right"))
                yield _read(series[which], k - int(ends[which] - counts[which]), path)

    return Stack(sum(counts), pick, str(path))


@contextmanager
def _opened(path: Path) -> Iterator[TiffFile]:
    """Open a file for its own content alone; what tifffile logs is checked for here."""
    import tifffile

    log = logging.getLogger("tifffile")
    before, log.disabled = log.disabled, True
    try:
        with tifffile.TiffFile(path, _multifile=False) as file:
            yield file
    finally:
        log.disabled = before


def check_pages(path: Path) -> None:
    """Refuse a file whose list of pages ends in the middle: its other pages would be missed without a word."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        big = order and len(head) == 16 and struct.unpack(order + "H", head[2:4]) == (43,)
        if not order or len(head) < 8:
            return  # no TIFF file: its reader says so
        entries, entry, offset = ("Q", 20, "Q") if big else ("H", 12, "I")
        (place,) = struct.unpack_from(order + offset, head, 8 if big else 4)
        met: set[int] = set()
        while place and place not in met:
            met.add(place)
            file.seek(place)
            count = file.read(struct.calcsize(entries))
            end = struct.calcsize(order + offset)
            link = b""
            if place < size and len(count) == struct.calcsize(entries):
                file.seek(entry * struct.unpack(order + entries, count)[0], 1)
                link = file.read(end)
            if len(link) < end:
                raise FFLabelsError("is cut off", where=str(path), got=f"{len(met) - 1} whole pages", expected="more")
            (place,) = struct.unpack(order + offset, link)


def _check_other_files(file: TiffFile, path: Path) -> None:
    """Refuse part of an OME set whose other files are missing."""
    named = set(re.findall(r'FileName="([^"]+)"', file.ome_metadata or "")) - {path.name}
    missing = sorted(name for name in named if not (path.parent / name).is_file())
    if missing:
        raise FFLabelsError(
            f"belongs to an OME set of {len(named) + 1} files, of which some are missing", where=str(path),
            got=", ".join(missing[:3]) + (" …" if len(missing) > 3 else ""), hint="put them beside it",
        )  # fmt: skip


def _images(file: TiffFile, path: Path) -> list[Series]:
    """Return the series of a file that hold its images: all but reduced copies."""
    series = [one for one in file.series if not one.keyframe.is_reduced] or list(file.series)
    if not series:
        raise FFLabelsError("no image in the file", where=str(path))
    kinds: dict[tuple[Any, ...], int] = {}
    for one in series:
        if not {"Y", "X"} <= set(one.axes):
            raise FFLabelsError("not an image", where=str(path), got=f"axes {one.axes}", expected="Y and X among them")
        sides = tuple(size for size, axis in zip(one.shape, one.axes, strict=True) if axis in "CSYX")
        kinds[sides] = kinds.get(sides, 0) + _count(one)
    if len(kinds) > 1:
        raise FFLabelsError(
            "images of several sizes in one file", where=str(path),
            got=", ".join(f"{count} of {'x'.join(map(str, sides))}" for sides, count in kinds.items()),
            hint="split the file, or leave out previews",
        )  # fmt: skip
    return series


def _count(series: Series) -> int:
    return int(np.prod([size for size, axis in zip(series.shape, series.axes, strict=True) if axis not in "CSYX"]))


def _read(series: Series, k: int, path: Path) -> Stored:
    """Return image k of a series: of the pages that it consists of, or out of the whole series."""
    key, axes = series.keyframe, series.axes
    lead = series.shape[: len(axes) - key.ndim]
    by_page = (
        series.shape[len(lead) :] == key.shape and axes[len(lead) :] == key.axes and set(key.axes) <= set("CSYX")
        and int(np.prod(lead)) == len(series.pages)
    )  # fmt: skip
    if by_page:
        numbers = _inner(np.arange(len(series.pages)).reshape(lead), axes[: len(lead)], k)
        planes = [_page(series.pages[int(n)], key, path) for n in numbers.ravel()]
    elif series.dataoffset is not None:
        planes = _planes(_inner(_mapped(series, path), axes, k), key, path)
    else:
        planes = _planes(_inner(np.asarray(series.asarray()), axes, k), key, path)
    return Stored(np.concatenate([plane.values for plane in planes]), planes[0].white)


def _inner(values: Values, axes: str, k: int) -> Values:
    """Return what belongs to image k, with its axes in the order C, S, Y, X as far as there are any."""
    stacks = [i for i, axis in enumerate(axes) if axis not in "CSYX"]
    moved = values.transpose(stacks + [axes.index(axis) for axis in "CSYX" if axis in axes])
    place = np.unravel_index(k, moved.shape[: len(stacks)]) if stacks else ()
    return np.asarray(moved[tuple(int(i) for i in place)])


def _mapped(series: Series, path: Path) -> Values:
    """Return the values of a series that lies in one piece, left on the disk."""
    dtype = series.keyframe.dtype.newbyteorder(series.keyframe.parent.byteorder)
    if series.dataoffset + int(np.prod(series.shape)) * dtype.itemsize > path.stat().st_size:
        raise FFLabelsError("is cut off", where=str(path))
    return np.memmap(path, dtype, "r", series.dataoffset, series.shape)


def _planes(image: Values, key: Page, path: Path) -> list[Stored]:
    """Return an image (…, [S,] Y, X) with the colours of its file, one plane per channel."""
    samples = image.shape[-3] if "S" in key.axes else 1
    flat = image.reshape(-1, samples, *image.shape[-2:])
    return [_with_colours(plane.astype(plane.dtype.newbyteorder("=")), key, path) for plane in flat]


def _page(page: Page, key: Page, path: Path) -> Stored:
    if page is None:
        raise FFLabelsError("a plane is missing", where=str(path))
    if _colours(key) in CONVERTED:
        return _by_pillow(page, key, path)
    try:
        values = np.asarray(page.asarray())
    except (ValueError, ImportError, NotImplementedError) as error:  # a codec that NumPy and zlib do not have
        if not re.search("imagecodecs|compression", str(error)):
            raise
        return _by_pillow(page, key, path)
    moved = values.transpose([key.axes.index(axis) for axis in "CSYX" if axis in key.axes])
    return _with_colours(moved.reshape(-1, *moved.shape[-2:]), key, path)


def _colours(key: Page) -> str:
    """Return what the decoded samples mean; the codec turns JPEG of 12 bits, which Pillow cannot read, into RGB."""
    deep_jpeg = key.compression.name == "JPEG" and key.photometric.name == "YCBCR" and key.bitspersample > 8
    return "RGB" if deep_jpeg else str(key.photometric.name)


def _with_colours(values: Values, key: Page, path: Path) -> Stored:
    """Return a page (S, H, W) in grey or colour, as its photometric interpretation says, upright."""
    meaning = _colours(key)
    if meaning not in PLAIN:
        raise FFLabelsError("colours that cannot be converted", where=str(path), got=meaning, hint="convert it to RGB")
    image = Stored(values, white_of(values.dtype, str(path), key.bitspersample))
    extra = [kind.name for kind in key.extrasamples]
    if meaning == "MINISWHITE":
        image = Stored((image.white - values).astype(values.dtype), image.white)
    elif meaning == "PALETTE":
        image = _looked_up(values, key)
    elif extra in (["ASSOCALPHA"], ["UNASSALPHA"]):
        image = on_white(image, premultiplied=extra == ["ASSOCALPHA"])
    orientation = key.tags.get(ORIENTATION)
    return Stored(turned(image.values, int(orientation.value) if orientation else 1), image.white)


def _looked_up(values: Values, key: Page) -> Stored:
    """Return the colours of a palette's indices. Most writers keep bytes in the high halves of 16 bits."""
    palette = np.asarray(key.colormap)
    palette = (palette if palette.max() < 256 else palette >> 8).astype(np.uint8)
    return Stored(palette[:, values[0]], 255.0)


def _by_pillow(page: Page, key: Page, path: Path) -> Stored:
    """Return a page that tifffile cannot decode or convert, upright and in grey or RGB."""
    from PIL import Image

    needs = f"the picture needs more codecs: {install_command('tiff')}"
    if _colours(key) in CONVERTED:
        needs = "convert it to RGB"
    elif find_spec("imagecodecs"):
        needs = "save it without compression"
    with ExitStack() as opened:
        try:
            picture = opened.enter_context(Image.open(path))
            picture.seek(page.index)
            picture.load()
        except (OSError, EOFError, ValueError) as error:
            what = f"{key.compression.name} of {key.bitspersample} bits"
            raise FFLabelsError(f"cannot be decoded: {error}", where=str(path), got=what, hint=needs) from None
        deep = key.bitspersample > 8
        if deep and not picture.mode.startswith(DEEP):
            raise FFLabelsError(
                f"Pillow keeps 8 of {key.bitspersample} bits", where=str(path),
                got=f"{key.photometric.name} {key.compression.name}", hint=needs,
            )  # fmt: skip
        image = from_pillow(picture, str(path))
    if not deep or key.dtype.kind == "f":
        return image
    white = white_of(key.dtype, str(path), key.bitspersample)
    inverted = key.photometric.name == "MINISWHITE"
    return Stored((white - image.values).astype(image.values.dtype) if inverted else image.values, white)
