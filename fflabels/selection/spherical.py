"""How far apart n unit vectors can point: bounds on the largest of their inner products, which are signed correlations.

- At most d + 1 vectors in d dimensions have only negative inner products, and n such vectors have one of at least
  −1/(n − 1), that of a simplex; more than d + 1 have one of at least 0 (Rankin 1955).
- More than 2d vectors have a positive one; Levenshtein's bound of degree 3 (1979) says how large. Welch's bound (1974)
  is of absolute correlations, so that it says nothing here.
- A bound rises to the next similarity that occurs. Codes with half of W channels at 1 have correlations in multiples of
  4/W (from 2/W on, where 4 does not divide W), so that from n > W/4 + 1 on no such set is below 0: Plotkin's bound
  (1960), which the rows of a Hadamard matrix attain.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

NOISE = 1e-3
"""Eigenvalues up to this are rounding: the vectors' dimension is the number of larger ones."""


def least_largest(n: int, d: int) -> float:
    """Return a bound that the largest inner product of two of n unit vectors in d dimensions is never below.

    It is attained for n ≤ 2d, and for some n above. Non-decreasing in n.

    Examples
    --------
    >>> from fflabels.selection.spherical import least_largest
    >>> [round(least_largest(n, 2), 3) for n in (2, 3, 4, 5)]
    [-1.0, -0.5, 0.0, 0.309]
    """
    if n <= d + 1:
        return -1 / (n - 1)
    if n <= 2 * d:
        return 0.0
    end = (math.sqrt(d + 3) - 1) / (d + 2)  # there the bound of degree 3 ends; those of higher degrees are left out

    from scipy.optimize import brentq  # takes a moment to import

    def most(s: float) -> float:
        return d * (1 - s) * (2 + (d + 1) * s) / (1 - d * s * s)

    return end if most(end) <= n else float(brentq(lambda s: most(s) - n, 0, end))


def signed_bound(matrix: npt.NDArray[Any], n: int) -> float:
    """Return a bound m on the largest entry between two of any n candidates, from the matrix's eigenvalues.

    With ones on the diagonal the matrix is taken apart into inner products of vectors, A, and rounding, E, whose
    largest eigenvalue is ε in absolute value. Then no entry of E is above ε, and no vector shorter than √(1 − ε).
    The sum of the entries of n candidates is at least λn, λ the matrix's smallest eigenvalue, and at most
    n + n(n − 1)m: that bound needs no vectors.

    Parameters
    ----------
    matrix
        (N, N) similarities; the diagonal is not looked at. −∞ is returned where they are no correlations.
    n
        2 or more.
    """
    gram = matrix.astype(np.float64)
    np.fill_diagonal(gram, 1)
    if np.abs(gram).max() > 1:  # no correlations
        return -math.inf
    values = np.linalg.eigvalsh(gram)
    by_sum = (float(values[0]) - 1e-9 - 1) / (n - 1)
    large = values > NOISE
    rest = 1e-9 + float(np.abs(values[~large]).max(initial=0))
    if values[0] < -NOISE:  # no inner products
        return by_sum
    inner = least_largest(n, int(large.sum()))
    by_dimension = inner * (1 - rest) - rest if inner >= 0 else -math.inf
    return max(by_sum, by_dimension)
