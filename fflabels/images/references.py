"""Reference images that label sets are scored on: built-in photographs and digits, users' own folders and arrays."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fflabels.arrays import Array, Shape, check_shape
from fflabels.errors import FFLabelsError
from fflabels.images.read import SUFFIXES, channels_first, class_folders, layout, pictures, read_file, scaled
from fflabels.images.resize import Images, check_total, fit

REFERENCE_COUNT = 64
"""The most reference images that a label set is scored on."""

CLASS_COUNT = 20
"""The most images per class, where classes matter."""

MAX_CLASSED = 640
"""The most images of all classes together, at least two per class."""

NO_IMAGES = "no images"
"""What the references of codes are called."""

PHOTOGRAPHS = ("astronaut", "camera", "cat", "coffee", "stereo_motorcycle", "rocket", "coins", "grass")


@dataclass(frozen=True)
class References:
    """Images (N, C, H, W), float32 in [0, 1], the name of where they come from, and their classes (N,) if known."""

    images: Images
    name: str = "given"
    classes: npt.NDArray[np.int64] | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the shape and the pixels, in hex."""
        return hashlib.sha256(str(self.images.shape).encode() + np.ascontiguousarray(self.images).tobytes()).hexdigest()

    @property
    def shape(self) -> Shape:
        """Channels, height and width."""
        _, c, h, w = self.images.shape
        return c, h, w

    @cached_property
    def contrast(self) -> float:
        """RMS contrast: the square root of the mean over the images of the variance of an image's values."""
        return float(np.sqrt(self.images.reshape(len(self.images), -1).var(axis=1, dtype=np.float64).mean()))


def no_images(shape: Shape) -> References:
    """Return the references of labels that are judged without images: none, of a shape."""
    return References(np.empty((0, *shape), np.float32), NO_IMAGES)


def load_references(source: str | Path | Array | References | None, shape: Shape) -> References:
    """Return reference images of `shape`.

    Parameters
    ----------
    source
        ``"photographs"`` (also None), crops of the eight photographs that scikit-image ships; ``"digits"``, the UCI
        digits; a folder of images or of class folders, a TIFF, ``.npy`` or ``.npz`` file; or an array (N, C, H, W) of
        floats in [0, 1].
        At most `REFERENCE_COUNT` of a user's files are taken, evenly spaced in order of name.
    shape
        (C, H, W) to bring them to: resized by area-averaging bilinear interpolation; colours become grey by
        luma, grey is repeated over the channels.

    Raises
    ------
    FFLabelsError
        When there is no image, sizes are mixed, values are out of range, or all images are constant.

    Examples
    --------
    >>> from fflabels import load_references
    >>> load_references("digits", (1, 16, 16)).images.shape
    (64, 1, 16, 16)
    """
    shape = check_shape(shape)
    if isinstance(source, References):
        references = References(fit(source.images, shape), source.name, source.classes)
    elif source is None or (isinstance(source, str) and source == "photographs"):
        references = References(photographs(shape), "photographs")
    elif isinstance(source, str) and source == "digits":
        images, _ = digits()
        references = References(fit(images[evenly(len(images))], shape), "digits")
    elif isinstance(source, (str, Path)):
        stored = scaled(_read(Path(source)), str(source))
        references = References(fit(stored[evenly(len(stored))], shape), _name(source))
    else:
        given = scaled(layout(np.asarray(source), "references"), "references")
        references = References(fit(given[evenly(len(given))], shape))
    return _with_contrast(references)


def _name(source: str | Path) -> str:
    """Return what a label-set file calls a folder or a file: its name, in Unicode."""
    return os.fsencode(Path(source).absolute().name).decode("utf-8", "replace")


def load_classed(source: str | Path | Array | References | None, shape: Shape) -> References:
    """Return reference images of `shape` with their classes, where these are known, else as `load_references` does.

    Parameters
    ----------
    source
        ``"digits"``, a folder of class folders, or an ``.npz`` file with ``images`` and ``classes``.
        Up to `CLASS_COUNT` images per class, evenly spaced.
    shape
        (C, H, W) to bring them to.

    Raises
    ------
    FFLabelsError
        As `load_references`; and when the numbers of classes and images differ, or there are too many classes.
    """
    shape, name = check_shape(shape), str(source)
    path = Path(source) if isinstance(source, (str, Path)) and source != "photographs" else None
    if isinstance(source, str) and source == "digits":
        images, classes = digits()
    elif path is None or (classed := _read_classed(path)) is None:
        return load_references(source, shape)
    else:
        (stored, classes), name = classed, _name(path)
        images = scaled(stored, str(source))
    if 2 * (count := len(np.unique(classes))) > MAX_CLASSED:
        raise FFLabelsError("too many classes", where=name, got=count, expected=f"at most {MAX_CLASSED // 2}")
    chosen = of_each_class(classes, min(CLASS_COUNT, MAX_CLASSED // count))
    return _with_contrast(References(fit(images[chosen], shape), name, classes[chosen]))


def _with_contrast(references: References) -> References:
    if not np.isfinite(references.contrast):
        raise FFLabelsError("NaN or infinite pixels", where=references.name)
    if references.contrast < 1e-6:
        raise FFLabelsError("the reference images are constant: no label's effect shows on them", where=references.name)
    return references


def digits() -> tuple[Images, npt.NDArray[np.int64]]:
    """Return the UCI digits (CC BY 4.0, see fflabels/data): images (1797, 1, 8, 8) in [0, 1], classes (1797,)."""
    with resources.files("fflabels").joinpath("data/digits.npz").open("rb") as file, np.load(file) as data:
        return data["images"][:, None].astype(np.float32) / np.float32(16), data["classes"].astype(np.int64)


@lru_cache(maxsize=8)
def photographs(shape: Shape) -> Images:
    """Return 64 crops (64, C, H, W): of 24 of each of `PHOTOGRAPHS` the 8 of most contrast; the same every time."""
    import skimage.data

    c, h, w = shape
    check_total(REFERENCE_COUNT, shape)
    colour = 3 if c == 3 else 1
    each = REFERENCE_COUNT // len(PHOTOGRAPHS)
    rng = np.random.default_rng(0)
    crops: list[list[Images]] = []
    for name in PHOTOGRAPHS:
        loaded = getattr(skimage.data, name)()
        photograph = channels_first(loaded[0] if isinstance(loaded, tuple) else loaded)[None]
        _, _, height, width = photograph.shape
        drawn: list[Images] = []
        for _ in range(3 * each):
            scale = rng.uniform(0.3, 0.6) * min(height / h, width / w)
            crop_h, crop_w = max(1, round(scale * h)), max(1, round(scale * w))
            top, left = rng.integers(height - crop_h + 1), rng.integers(width - crop_w + 1)
            crop = photograph[:, :, top : top + crop_h, left : left + crop_w]
            drawn.append(fit(scaled(crop, name), (colour, h, w)))
        sharpest = sorted(range(3 * each), key=lambda k: -float(drawn[k].std()))[:each]
        crops.append([fit(drawn[k], shape) for k in sorted(sharpest)])
    images = np.concatenate([crop for nth in zip(*crops, strict=True) for crop in nth])
    images.flags.writeable = False
    return images


def evenly(count: int, most: int = REFERENCE_COUNT) -> npt.NDArray[np.int64]:
    """Return up to `most` indices of `count`, evenly spaced."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)


def of_each_class(classes: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """Return indices of up to `most` images of each class, evenly spaced, in the order they are in."""
    each = [np.flatnonzero(classes == k) for k in np.unique(classes)]
    return np.sort(np.concatenate([of[evenly(len(of), most)] for of in each]))


def _read_classed(path: Path) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]] | None:
    """Return images (N, C, H, W) with stored values, and their classes; None where there are no classes."""
    if path.is_dir():
        folders = [] if pictures(path) else class_folders(path)
        files = [_some(pictures(folder), CLASS_COUNT) for folder in folders]
        if len(folders) < 2 or not any(files):
            return None
        flat = [file for of in files for file in of]
        stacks = [read_file(file) for file in flat]
        _check_alike(stacks, flat)
        owners = np.repeat(np.arange(len(files)), [len(of) for of in files])
        return np.concatenate(stacks), np.repeat(owners, [len(stack) for stack in stacks])
    if path.suffix.lower() != ".npz" or not path.exists():
        return None
    images = read_file(path)
    with np.load(path, allow_pickle=False) as file:
        if "classes" not in file.files or "images" not in file.files:
            return None
        classes = np.asarray(file["classes"])
    if classes.shape != (len(images),):
        raise FFLabelsError(
            "not one class an image",
            where=f"{path}: classes",
            got=f"shape {classes.shape}",
            expected=f"({len(images)},)",
        )
    return images, np.unique(classes, return_inverse=True)[1].astype(np.int64)


def _some(files: list[Path], count: int) -> list[Path]:
    return [files[i] for i in evenly(len(files), count)]


def _read(path: Path) -> npt.NDArray[Any]:
    """Return the images of a folder or file as (N, C, H, W), values as they are stored."""
    if path.is_dir():
        files = pictures(path) or [file for folder in class_folders(path) for file in pictures(folder)]
        if not files:
            raise FFLabelsError(
                "no image in the folder", where=str(path), expected="files ending in " + ", ".join(sorted(SUFFIXES))
            )
        files = _some(files, REFERENCE_COUNT)
        stacks = [read_file(file) for file in files]
        _check_alike(stacks, files)
        return np.concatenate(stacks)
    if not path.exists():
        raise FFLabelsError(
            "no such file or folder",
            where="references",
            got=str(path),
            expected="photographs, digits, a folder, or an image file, .npy or .npz",
        )
    return read_file(path)


def _check_alike(stacks: Sequence[npt.NDArray[Any]], files: Sequence[Path]) -> None:
    for file, stack in zip(files, stacks, strict=True):
        if stack.shape[1:] != stacks[0].shape[1:] or stack.dtype != stacks[0].dtype:
            raise FFLabelsError(
                "images of mixed sizes or types",
                where=str(file.parent),
                got=f"{files[0].name} {_describe(stacks[0])} and {file.name} {_describe(stack)}",
                expected="one size, number of channels and type",
            )


def _describe(stack: npt.NDArray[Any]) -> str:
    return "x".join(map(str, stack.shape[1:])) + f" {stack.dtype}"
