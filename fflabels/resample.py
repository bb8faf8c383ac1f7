"""Linear resampling and blurring of images, as small fixed matrices and gathers; image borders are mirrored."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from fflabels.arrays import Array, array_namespace, constant_like

Matrix = np.ndarray[Any, Any]


def blur(images: Array, sigma: float) -> Array:
    """Return `images` (N, C, H, W) under a Gaussian of `sigma` pixels: scipy.ndimage's, ``mode="reflect"``."""
    _, _, h, w = images.shape
    return _along_both(images, _gaussian(h, sigma), _gaussian(w, sigma))


def zoom(images: Array, factor: float) -> Array:
    """Return `images` (N, C, H, W) magnified about their centre by `factor`, at the same size."""
    _, _, h, w = images.shape
    return _along_both(images, _magnifier(h, factor), _magnifier(w, factor))


def shear(images: Array, factor: float, *, vertical: bool) -> Array:
    """Return `images` (N, C, H, W) with each row (column) moved by `factor` × its distance from the centre."""
    xp = array_namespace(images)
    _, _, h, w = images.shape
    low, high, weight = _shear_index(h, w, factor, vertical)
    at_low, at_high = gathered(images, low), gathered(images, high)
    return xp.clip(at_low + (at_high - at_low) * constant_like(np.reshape(weight, (h, w)), images), 0.0, 1.0)


def gathered(images: Array, index: Any) -> Array:
    """Return `images` (N, C, H, W) whose pixel p, in row order, is their pixel ``index[p]``."""
    xp = array_namespace(images)
    n, c, h, w = images.shape
    # From the rows of a matrix PyTorch gathers far faster than along more axes.
    rows = xp.take(xp.reshape(images, (n * c, h * w)), constant_like(index, images, xp.int64), axis=1)
    return xp.reshape(rows, (n, c, h, w))


def _along_both(images: Array, rows: Matrix, columns: Matrix) -> Array:
    xp = array_namespace(images)
    product = xp.matmul(xp.matmul(constant_like(rows, images), images), constant_like(columns.T.copy(), images))
    return xp.clip(product, 0.0, 1.0)


@lru_cache(maxsize=256)
def _gaussian(size: int, sigma: float) -> Matrix:
    from scipy.ndimage import gaussian_filter1d

    matrix: Matrix = gaussian_filter1d(np.eye(size), sigma, axis=0, mode="reflect")
    return matrix


@lru_cache(maxsize=256)
def _magnifier(size: int, factor: float) -> Matrix:
    centre = (size - 1) / 2
    low, high, weight = _between(centre + (np.arange(size) - centre) / factor, size)
    matrix = np.zeros((size, size))
    np.add.at(matrix, (np.arange(size), low), 1 - weight)
    np.add.at(matrix, (np.arange(size), high), weight)
    return matrix


@lru_cache(maxsize=64)
def _shear_index(h: int, w: int, factor: float, vertical: bool) -> tuple[Any, Any, Matrix]:
    y, x = np.mgrid[:h, :w].astype(np.float64)
    if vertical:
        low, high, weight = _between(y + factor * (x - (w - 1) / 2), h)
        return (low * w + x).astype(np.int64).ravel(), (high * w + x).astype(np.int64).ravel(), weight.ravel()
    low, high, weight = _between(x + factor * (y - (h - 1) / 2), w)
    return (y * w + low).astype(np.int64).ravel(), (y * w + high).astype(np.int64).ravel(), weight.ravel()


def _between(position: Matrix, size: int) -> tuple[Any, Any, Matrix]:
    """Return the two pixels that each position lies between, mirrored into the image, and the second's weight."""
    floor = np.floor(position)
    low = floor.astype(np.int64)
    return _mirror(low, size), _mirror(low + 1, size), position - floor


def _mirror(index: Any, size: int) -> Any:
    """Return `index` folded into [0, size): … 1 0 | 0 1 2 … (half-sample symmetric)."""
    folded = index % (2 * size)
    return np.where(folded < size, folded, 2 * size - 1 - folded)
