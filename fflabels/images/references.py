"""Reference images that label sets are scored on: built-in photographs and digits, users' own folders and arrays."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fflabels.arrays import Array, Shape, check_shape, to_host
from fflabels.errors import FFLabelsError
from fflabels.images.arrays import array_stack, load_array, load_classes
from fflabels.images.folders import look_into
from fflabels.images.notes import Notes
from fflabels.images.photographs import photographs
from fflabels.images.read import read_file, reading
from fflabels.images.resize import Images, check_total, to_shape, to_shape_one
from fflabels.images.stored import Range, Stack, Stored, white_of

REFERENCE_COUNT = 64
"""The most reference images that a label set is scored on."""

CLASS_COUNT = 20
"""The most images per class, where classes matter."""

MAX_CLASSED = 640
"""The most images of all classes together at `CLASS_COUNT` per class; in proportion for another number."""

NO_IMAGES = "no images"
"""What the references of codes are called."""

BUILT_IN = ("photographs", "digits")


@dataclass(frozen=True, eq=False)
class References:
    """Images (N, C, H, W), float32 in [0, 1], the name of where they come from, and their classes (N,) if known.

    Images of another type are converted as an array's are: bytes to parts of 255, and so on.
    """

    images: Images
    name: str = "given"
    classes: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        images = on_host(self.images, self.name)
        if images.ndim != 4:
            raise FFLabelsError("not images", where=self.name, got=f"shape {images.shape}", expected="(N, C, H, W)")
        if len(images):
            stored = [Stored(image, white_of(images.dtype, self.name)) for image in images]
            for image in stored:
                Range().check(image, self.name)
            if images.dtype != np.float32:
                images = np.stack([Range().scale(*image) for image in stored])
        object.__setattr__(self, "images", images)
        if self.classes is not None:
            classes = on_host(self.classes, f"{self.name}: classes")
            if classes.shape != (len(images),):
                raise FFLabelsError(
                    "not one class per image", where=f"{self.name}: classes", got=f"shape {classes.shape}",
                    expected=f"({len(images)},)",
                )  # fmt: skip
            object.__setattr__(self, "classes", classes)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the shape and the pixels, in hex."""
        return hashlib.sha256(str(self.images.shape).encode() + np.ascontiguousarray(self.images).tobytes()).hexdigest()

    @property
    def shape(self) -> Shape:
        """Channels, height and width."""
        _, c, h, w = self.images.shape
        return c, h, w

    def part(self, which: slice) -> References:
        """Return some of the images; their contrast counts as that of all."""
        some = References(self.images[which], self.name)
        some.__dict__["contrast"] = self.contrast
        return some

    @cached_property
    def different(self) -> int:
        """How many images there are, equal ones counted once."""
        return len({hashlib.sha256(np.ascontiguousarray(image).tobytes()).digest() for image in self.images})

    @cached_property
    def contrast(self) -> float:
        """RMS contrast: the square root of the mean over the images of the variance of an image's values."""
        return float(np.sqrt(self.images.reshape(len(self.images), -1).var(axis=1, dtype=np.float64).mean()))


def no_images(shape: Shape) -> References:
    """Return the references of labels that are judged without images: none, of a shape."""
    return References(np.empty((0, *shape), np.float32), NO_IMAGES)


def load_references(
    source: str | Path | Array | References | None, shape: Shape, *, value_range: str = "type"
) -> References:
    """Return reference images of `shape`.

    Parameters
    ----------
    source
        ``"photographs"`` (also None), crops of the eight photographs that scikit-image ships; ``"digits"``, the UCI
        digits; a folder of images or of class folders, a TIFF, ``.npy`` or ``.npz`` file; or an array (N, C, H, W) of
        floats in [0, 1] or of integers.
        At most `REFERENCE_COUNT` of a user's files are taken, evenly spaced in order of name.
    shape
        (C, H, W) to bring them to: resized by area-averaging bilinear interpolation; colours become grey by
        luma, grey is repeated over the channels.
    value_range
        Which stored values become 0 and 1. ``type``: the range of the file's type. ``auto``: from 0 to the largest
        value of all images, rounded up to a power of two minus 1. ``LOW:HIGH``: these; what lies outside is clipped.

    Raises
    ------
    FFLabelsError
        When there is no image, values are out of range, or all images are constant.

    Warns
    -----
    PictureWarning
        When pictures are left out, differ in size, or use little of their range.

    Examples
    --------
    >>> from fflabels import load_references
    >>> load_references("digits", (1, 16, 16)).images.shape
    (64, 1, 16, 16)
    """
    shape = check_shape(shape)
    if isinstance(source, References):
        if not len(source.images):
            raise FFLabelsError("no images", where=source.name)
        references = References(to_shape(source.images, shape), source.name, source.classes)
        return _checked_contrast(references)
    if source is None or (isinstance(source, str) and source == "photographs"):
        return _checked_contrast(References(photographs(shape), "photographs"))
    if isinstance(source, str) and source == "digits":
        images, _ = digits()
        return _checked_contrast(References(to_shape(images[evenly(len(images))], shape), "digits"))
    if isinstance(source, (str, Path)):
        path = _given(source)
        files = look_into(path).files if path.is_dir() else [path]
        stacks = [read_file(file, shape[0]) for file in _some(files, REFERENCE_COUNT)]
        scale = Range.parse(value_range, lambda: _every_image(read_file(file, shape[0]) for file in files))
        name, where = _name(path), str(path)
    else:
        stacks = [array_stack(on_host(source, "references"), "references", shape[0])]
        scale = Range.parse(value_range, lambda: _every_image(stacks))
        name, where = "given", "references"
    count = sum(stack.count for stack in stacks)
    return _checked_contrast(References(_fitted(stacks, evenly(count), shape, scale, where), name))


def load_classed(
    source: str | Path | Array | References | None, shape: Shape, *, value_range: str = "type", each: int = CLASS_COUNT
) -> References:
    """Return reference images of `shape` with their classes, where these are known, else as `load_references` does.

    Parameters
    ----------
    source
        ``"digits"``, a folder of class folders, or an ``.npz`` file with ``images`` and ``classes``.
        Up to `each` images per class, evenly spaced. Classes that have numbers keep them; those that have names are
        numbered in their order.
    shape
        (C, H, W) to bring them to.
    value_range
        As for `load_references`.
    each
        The most images per class; fewer where the classes are many, since there are at most 32 times as many in all.

    Raises
    ------
    FFLabelsError
        As `load_references`; and when the numbers of classes and images differ, or there are too many classes.
    """
    shape = check_shape(shape)
    if isinstance(source, str) and source == "digits":
        images, classes = digits()
        chosen = _of_classes(classes, "digits", each)
        return _checked_contrast(References(to_shape(images[chosen], shape), "digits", classes[chosen]))
    if not isinstance(source, (str, Path)) or source == "photographs":
        return load_references(source, shape, value_range=value_range)
    path = _given(source)
    if (classed := _classed(path, shape[0], each)) is None:
        return load_references(source, shape, value_range=value_range)
    stacks, classes, everything = classed
    scale = Range.parse(value_range, lambda: _every_image(everything))
    chosen = _of_classes(classes, _name(path), each)
    images = _fitted(stacks, chosen, shape, scale, str(path))
    return _checked_contrast(References(images, _name(path), classes[chosen]))


def on_host(images: Any, where: str) -> npt.NDArray[Any]:
    """Return an array of any library as a NumPy array.

    Raises
    ------
    FFLabelsError
        When it cannot be converted to a NumPy array. Its type is not checked.
    """
    try:
        return np.asarray(images)
    except Exception as error:  # arrays on a device, with gradients, or of types that NumPy lacks raise anything
        with suppress(Exception):
            return to_host(images)
        with suppress(Exception):
            return to_host(images.float())  # bfloat16, which NumPy lacks
        raise FFLabelsError(f"not an array: {error}", where=where, got=type(images).__name__) from None


def _given(source: str | Path) -> Path:
    """Return the path of a folder or file that is there."""
    if not str(source).strip():
        raise FFLabelsError(
            "an empty name", where="references", expected="photographs, digits, a folder or a file",
            hint="is a variable of the shell unset? . is this folder",
        )  # fmt: skip
    path = Path(source)
    try:
        there = path.exists()
    except OSError as error:  # a name that is too long, a folder that may not be read
        raise FFLabelsError(f"cannot be read: {error.strerror}", where=str(source)) from None
    if not there:
        raise FFLabelsError(
            "no such file or folder",
            where="references",
            got=str(source),
            expected="photographs, digits, a folder, or an image file, .npy or .npz",
        )
    return path


def _name(source: str | Path) -> str:
    """Return what a label-set file calls a folder or a file: its name in Unicode, told from those of built-in ones."""
    name = os.fsencode(Path(source).absolute().name).decode("utf-8", "replace")
    return f"./{name}" if name in BUILT_IN else name


def _every_image(stacks: Iterable[Stack]) -> Iterator[Stored]:
    return (image for stack in stacks for image in stack.pick(range(stack.count)))


def _fitted(
    stacks: Sequence[Stack], chosen: npt.NDArray[np.int64], shape: Shape, value_range: Range, where: str
) -> Images:
    """Return some of the images of all stacks, read and shrunk one by one."""
    check_total(len(chosen), shape)
    images, note = np.empty((len(chosen), *shape), np.float32), Notes(where, value_range)
    ends = np.cumsum([stack.count for stack in stacks])
    place = 0
    for stack, end in zip(stacks, ends, strict=True):
        inside = chosen[(chosen >= end - stack.count) & (chosen < end)] - (end - stack.count)
        for image in stack.pick(inside.tolist()):
            value_range.check(image, stack.where)
            note.take(image)
            images[place] = to_shape_one(image, shape, value_range, stack.where)
            place += 1
    note.tell(images)
    return images


def _checked_contrast(references: References) -> References:
    if not np.isfinite(references.contrast):
        raise FFLabelsError("NaN or infinite pixels", where=references.name)
    if references.contrast < 1e-6:
        low, high = references.images.min(), references.images.max()
        if low < high and math.prod(references.shape[1:]) > 1:
            raise FFLabelsError(
                "the reference images use next to nothing of their type's range", where=references.name,
                got=f"{low:.1e} to {high:.1e} of 0 to 1", hint="--range auto or LOW:HIGH stretches it",
            )  # fmt: skip
        raise FFLabelsError("the reference images are constant: no label's effect shows on them", where=references.name)
    return references


def digits() -> tuple[Images, npt.NDArray[np.int64]]:
    """Return the UCI digits (CC BY 4.0, see fflabels/data): images (1797, 1, 8, 8) in [0, 1], classes (1797,)."""
    with resources.files("fflabels").joinpath("data/digits.npz").open("rb") as file, np.load(file) as data:
        return data["images"][:, None].astype(np.float32) / np.float32(16), data["classes"].astype(np.int64)


def evenly(count: int, most: int = REFERENCE_COUNT) -> npt.NDArray[np.int64]:
    """Return up to `most` indices of `count`, evenly spaced."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)


def of_each_class(classes: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """Return indices of up to `most` images of each class, evenly spaced, in the order they are in."""
    each = [np.flatnonzero(classes == k) for k in np.unique(classes)]
    return np.sort(np.concatenate([of[evenly(len(of), most)] for of in each]))


def _of_classes(classes: npt.NDArray[np.int64], name: str, each: int) -> npt.NDArray[np.int64]:
    most = MAX_CLASSED * each // CLASS_COUNT
    if 2 * (count := len(np.unique(classes))) > most:
        raise FFLabelsError("too many classes", where=name, got=count, expected=f"at most {most // 2}")
    return of_each_class(classes, min(each, most // count))


def _classed(path: Path, channels: int, most: int) -> tuple[list[Stack], npt.NDArray[np.int64], Iterable[Stack]] | None:
    """Return images, their classes, and all images that there are; None where there are no classes."""
    if path.is_dir():
        folder = look_into(path)
        classes = folder.classes
        if not classes:
            return None
        each = [[read_file(file, channels) for file in _some(files, most)] for files in classes.values()]
        stacks = [stack for of in each for stack in of]
        owners = np.repeat(np.arange(len(each)), [sum(stack.count for stack in of) for of in each])
        return stacks, owners, (read_file(file, channels) for file in folder.files)
    if path.suffix.lower() != ".npz":
        return None
    with reading(path):
        classes_N = load_classes(path)
        if classes_N is None:
            return None
        stack = array_stack(load_array(path), str(path), channels)
    if classes_N.shape != (stack.count,):
        raise FFLabelsError(
            "not one class per image",
            where=f"{path}: classes",
            got=f"shape {classes_N.shape}",
            expected=f"({stack.count},)",
        )
    return [stack], _numbered(classes_N, f"{path}: classes"), [stack]


def _numbered(classes_N: npt.NDArray[Any], where: str) -> npt.NDArray[np.int64]:
    """Return class numbers as they are, and names numbered in their order."""
    if classes_N.dtype.kind in "USb":
        return np.unique(classes_N, return_inverse=True)[1].astype(np.int64)
    whole = classes_N.astype(np.int64) if classes_N.dtype.kind in "iuf" and np.isfinite(classes_N).all() else None
    if whole is None or (whole != classes_N).any() or whole.min(initial=0) < 0:
        raise FFLabelsError(
            "not class numbers", where=where, got=str(classes_N.dtype), expected="integers from 0, or names"
        )
    return whole


def _some(files: list[Path], count: int) -> list[Path]:
    return [files[i] for i in evenly(len(files), count)]
