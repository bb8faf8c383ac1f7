"""How far apart labels are to a fixed untrained local observer: d′, in standard deviations of what it sees [ours]."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fflabels.arrays import Array
from fflabels.checks import check_intensity
from fflabels.errors import FFLabelsError
from fflabels.guard import checked_embed, checked_imprint, not_finite
from fflabels.images import References
from fflabels.labeler import Labeler
from fflabels.progress import Progress, silent
from fflabels.recipe import Recipe

Images: TypeAlias = npt.NDArray[np.float32]
Seen: TypeAlias = npt.NDArray[np.float64]

FILTERS, WIDTH = 64, 5
"""How many filters the observer has, and their height and width in pixels."""

SEED = 0
"""Seed of the filters, fixed so that d′ is comparable everywhere."""

CELLS = 4
"""Responses by place are averaged over a `CELLS` × `CELLS` grid."""

RIDGE = 1e-3
"""This times the covariance's largest eigenvalue is added to its diagonal."""

DEFAULT_INTENSITY = 0.35
"""The default label intensity K."""

NEEDED = 2
"""The fewest reference images: with one, nothing varies within a label."""

NEEDED_FOR = "it compares labels with how much images differ"

MAP_VALUES = 1 << 17
"""Values of the maps computed at once: half a MiB, which fits the cache."""

TOGETHER, CHANNELS = 16, 8
"""Patterns added to an image at once, and filters per step: the maps of both stay in the cache."""

LINE = 64
"""Bytes per cache line: NumPy adds arrays aligned to one twice as fast."""

HELD_VALUES = 1 << 26
"""If the maps of all reference images take at most 256 MiB, keep them and add the maps of each label to them."""

PART_BYTES = 32 << 20
"""Of reference images, the part that is drawn on, embedded and looked at together."""


class Observer:
    """64 random 5×5 filters, ReLU, each channel's mean and RMS over the image: 128 features of an embedded image.

    Images are standardised to mean 0 and variance 1 first. Half of the filters have mean 0, all have unit length; no
    padding is used. Differences are in standard deviations of the features *within* a label: their covariance over the
    images, pooled over artificial labels, the reference images themselves. So d′ of two labels depends on the images
    and on K, and on no other label.

    Parameters
    ----------
    references
        The images that labels are embedded in, at least two.
    intensity
        The label intensity K, above 0 and at most 1.
    seed
        Of the filters; d′ of observers with different seeds cannot be compared.
    """

    def __init__(self, references: References, intensity: float = DEFAULT_INTENSITY, seed: int = SEED) -> None:
        check_intensity(intensity)
        if len(references.images) < NEEDED:
            raise FFLabelsError(
                "too few reference images for dprime", where=references.name, got=len(references.images),
                expected=f"at least {NEEDED}: {NEEDED_FOR}",
            )  # fmt: skip
        self.references, self.intensity, self.seed = references, intensity, seed
        self.filters = _filters(references.shape, seed)

    def look(self, labeler: Labeler[Any], recipes: Sequence[Recipe], progress: Progress = silent) -> Seen:
        """Return each label's mean features over the reference images, (n, 128), in standard deviations.

        Their Euclidean distances are d′.

        Raises
        ------
        FFLabelsError
            When an imprint has a wrong shape or type, or is not finite.
        """
        seen = np.empty((len(recipes), 2 * FILTERS))
        for k, features in enumerate(self._each(labeler, recipes)):
            seen[k] = features.mean(axis=0, dtype=np.float64)
            if not np.isfinite(seen[k]).all():
                raise not_finite(labeler, recipes[k])
            progress("dprime features", k + 1, len(recipes))
        return seen @ self._whiten

    def _each(self, labeler: Labeler[Any], recipes: Sequence[Recipe]) -> Iterator[Images]:
        """Yield the features (M, 128) of all reference images with one label after the other."""
        mixes = type(labeler).embed is Labeler.embed and not labeler.overwrites
        if labeler.image_independent and mixes and self._holds():
            blank = np.zeros((1, *self.references.shape), np.float32)
            yield from self.mixtures(np.asarray(checked_imprint(labeler, blank, recipe)) for recipe in recipes)
        else:
            for recipe in recipes:

                def embedded(x: Images, recipe: Recipe = recipe) -> Images:
                    imprints: Array = checked_imprint(labeler, x, recipe)
                    return np.asarray(checked_embed(labeler, x, imprints, self.intensity))

                yield self._in_parts(embedded)

    def _in_parts(self, made: Callable[[Images], Images]) -> Images:
        """Return the features (M, 128) of `made(images)`, a part of the reference images at a time to save memory."""
        x = self.references.images.view()
        x.flags.writeable = False
        count = max(1, PART_BYTES // x[:1].nbytes)
        return np.concatenate([self.features(made(x[k : k + count])) for k in range(0, len(x), count)])

    def features(self, images: Images) -> Images:
        """Return the 128 features of each of M images (M, C, H, W): the channels' means, then their RMS."""
        deviation = images.std(axis=(1, 2, 3))
        sums = np.zeros((2, FILTERS, len(images)), np.float32)
        for some, _, maps in self._maps(_centred(images)):
            part = np.empty((2, *maps.shape[:2]), np.float32)
            _sums(maps, part)
            sums[:, :, some] += part
        return self._finished(sums.swapaxes(1, 2), deviation)

    def cells(self, images: Images, pooling: Images) -> Images:
        """Return the filters' responses by place in M images (M, C, H, W): weighted sums of the ReLU, and its RMS.

        Parameters
        ----------
        images
            Standardised to mean 0 and variance 1 first; images without contrast give zeros.
        pooling
            (positions, cells): the weights of the filters' positions, in row order, without padding.

        Returns
        -------
        array
            (M, 64, cells + 1): the cells, then the RMS over the image.
        """
        features = np.zeros((len(images), FILTERS, pooling.shape[1] + 1), np.float32)
        for some, where, maps in self._maps(_centred(images)):
            np.maximum(maps, 0, out=maps)
            features[some, :, :-1] += (maps @ pooling[where]).swapaxes(0, 1)
            features[some, :, -1] += np.vecdot(maps, maps).T
        features[..., -1] = np.sqrt(features[..., -1] / len(pooling))
        features *= _scale(images.std(axis=(1, 2, 3)))[:, None, None]
        return features

    def mixtures(self, patterns: Iterator[Images]) -> Iterator[Images]:
        """Yield the features (M, 128) of the reference images mixed with one pattern (1, C, H, W) after the other.

        A convolution of a sum is the sum of two: each image and each pattern is convolved once, not each pair.
        """
        # Convolve each reference image once, scaled as in the mixture.
        k, x = np.float32(self.intensity), self.references.images
        centred = _centred(x) * (1 - k)
        held = _empty(len(x), FILTERS, self._positions(x))
        for some, where, maps in self._maps(centred):
            held[some, :, where] = maps.swapaxes(0, 1)
        power = np.square(centred).mean(axis=(1, 2, 3))
        flat = centred.reshape(len(x), -1)
        maps_of_all = _empty(TOGETHER, *held.shape[1:])
        sum_of_two = _empty(TOGETHER, CHANNELS, held.shape[2])

        # Convolve each block of patterns once.
        while block := list(itertools.islice(patterns, TOGETHER)):
            added = _centred(np.concatenate(block)) * k
            own, mixed = maps_of_all[: len(block)], sum_of_two[: len(block)]
            for some, where, maps in self._maps(added):
                own[some, :, where] = maps.swapaxes(0, 1)

            # Add the maps of each image to those of the block, and sum over positions.
            sums = np.empty((len(x), 2, len(block), FILTERS), np.float32)
            for first in range(0, FILTERS, CHANNELS):
                some = slice(first, first + CHANNELS)
                for image, image_sums in zip(held[:, some], sums[..., some], strict=True):
                    _sums(np.add(image, own[:, some], out=mixed), image_sums)

            # The variance of each mixture standardises its features.
            overlap = added.reshape(len(block), -1) @ flat.T / np.float32(flat.shape[1])
            variance = np.square(added).mean(axis=(1, 2, 3))[:, None] + power + 2 * overlap
            yield from self._finished(sums.transpose(1, 2, 0, 3), np.sqrt(np.maximum(variance, 0)))

    def _finished(self, sums: Images, deviation: Images) -> Images:
        """Return means and RMS of the standardised images' maps; an image without contrast has zeros."""
        scale = _scale(deviation)[..., None]
        positions = np.float32(self._positions(self.references.images))
        means, squares = sums / positions
        return np.concatenate([means * scale, np.sqrt(squares) * scale], axis=-1)

    def _maps(self, images: Images) -> Iterator[tuple[slice, slice, Images]]:
        """Yield images and positions, and the filters' values there: (64, images, positions)."""
        c, kh, kw = self.filters.shape[1:]
        matrix = self.filters.reshape(FILTERS, -1)
        n, _, height, width = images.shape
        height, width = height - kh + 1, width - kw + 1
        rows = max(1, min(height, MAP_VALUES // (FILTERS * width)))
        count = max(1, MAP_VALUES // (FILTERS * rows * width))
        for first in range(0, n, count):
            some = images[first : first + count].swapaxes(0, 1)
            for top in range(0, height, rows):
                tall = min(rows, height - top)
                windows = np.empty((c, kh, kw, some.shape[1], tall, width), np.float32)
                for dy in range(kh):
                    for dx in range(kw):
                        windows[:, dy, dx] = some[:, :, top + dy : top + dy + tall, dx : dx + width]
                maps = matrix @ windows.reshape(matrix.shape[1], -1)
                place = slice(top * width, (top + tall) * width)
                yield slice(first, first + some.shape[1]), place, maps.reshape(FILTERS, some.shape[1], -1)

    def _positions(self, images: Images) -> int:
        return int((images.shape[2] - self.filters.shape[2] + 1) * (images.shape[3] - self.filters.shape[3] + 1))

    def _holds(self) -> bool:
        x = self.references.images
        return len(x) * FILTERS * self._positions(x) <= HELD_VALUES

    @cached_property
    def _whiten(self) -> Seen:
        """The whitening matrix, computed once for the same images, K and filters: it takes long on large images."""
        key = self.references.digest, self.intensity, self.seed
        if key not in _WHITENED:
            while len(_WHITENED) >= MOST_WHITENED:
                del _WHITENED[next(iter(_WHITENED))]
            _WHITENED[key] = self._whitening()
        return _WHITENED[key]

    def _whitening(self) -> Seen:
        """Return the matrix that makes the features' covariance within a label the identity."""
        x, k = self.references.images, np.float32(self.intensity)
        overlaid = (x[j : j + 1] for j in range(len(x)))
        if self._holds():
            mixed = self.mixtures(overlaid)
        else:
            mixed = (self._in_parts(lambda part, y=y: (1 - k) * part + k * y) for y in overlaid)  # type: ignore[misc]
        within = np.mean([np.cov(features, rowvar=False) for features in mixed], axis=0)
        values, vectors = np.linalg.eigh(within)
        ridge = max(RIDGE * values[-1], TINY)
        whitening: Seen = vectors / np.sqrt(np.maximum(values, 0) + ridge)
        return whitening


MOST_WHITENED = 16
_WHITENED: dict[tuple[str, float, int], Seen] = {}
"""Whitening matrices of the latest observers, 128 KiB each."""

FLAT = 1e-4
"""An image whose standard deviation is below this (a fortieth of a grey level) is constant."""

TINY = 1e-12
"""Floor for the variance: at K = 1 nothing varies within a label."""


def _filters(shape: tuple[int, int, int], seed: int) -> Images:
    """Return (64, C, 5, 5) filters of unit length, the first half of mean 0; smaller where the images are."""
    c, h, w = shape
    filters = np.random.default_rng(seed).standard_normal((FILTERS, c, min(WIDTH, h), min(WIDTH, w)))
    if filters[0].size > 1:
        filters[: FILTERS // 2] -= filters[: FILTERS // 2].mean(axis=(1, 2, 3), keepdims=True)
    filters /= np.sqrt(np.square(filters).sum(axis=(1, 2, 3), keepdims=True))
    return filters.astype(np.float32)


def _centred(images: Images) -> Images:
    centred: Images = images - images.mean(axis=(1, 2, 3), keepdims=True)
    return centred


def _scale(deviation: Images) -> Images:
    """Return the factor that gives an image variance 1; 0 for one without contrast."""
    return np.where(deviation > FLAT, 1 / np.maximum(deviation, FLAT), 0).astype(np.float32)


def _sums(maps: Images, out: Images) -> None:
    """Write the sums over positions of the ReLU of maps (…, positions), made in place, and of its squares: (2, …).

    The maps lie in one piece in memory.
    """
    rows = maps.reshape(len(maps), -1)
    np.maximum(rows, _row(0, rows.shape[1]), out=rows)
    np.matmul(maps, _row(1, maps.shape[-1]), out=out[0])
    np.vecdot(maps, maps, out=out[1])


@lru_cache(maxsize=8)
def _row(value: float, count: int) -> Images:
    """Return a row that repeats a value: np.maximum(row, row) is four times faster than np.maximum(row, scalar)."""
    return np.full(count, value, np.float32)


def _empty(*shape: int) -> Images:
    """Return an array that begins on a cache line."""
    size = math.prod(shape)
    buffer = np.empty(size + LINE // 4, np.float32)
    first = -buffer.ctypes.data % LINE // 4
    return buffer[first : first + size].reshape(shape)


def pooling(shape: tuple[int, int, int]) -> Images:
    """Return the weights (positions, cells) that average the filters' responses per cell, up to 4×4 cells."""
    sides = [_segments(side - min(WIDTH, side) + 1) for side in shape[1:]]
    return np.kron(*sides).astype(np.float32)


def _segments(length: int) -> Seen:
    """Return (length, cells) weights that average positions in up to `CELLS` runs of about the same length."""
    runs = np.arange(length) * min(CELLS, length) // length
    member = np.eye(min(CELLS, length))[runs]
    averages: Seen = member / member.sum(axis=0)
    return averages
