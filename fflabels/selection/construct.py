"""Sets to start from: farthest-first construction, and every subset where there are few."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

Chosen = npt.NDArray[np.intp]

LEAST_GAIN = 1e-9
"""A sum of squares that falls by less has not fallen."""

MAX_SWAPS = 1000


def largest_inside(matrix: npt.NDArray[Any], chosen: npt.ArrayLike) -> float:
    """Return the largest entry between two of the chosen (the diagonal is −∞); 0 for a single one."""
    indices = np.asarray(chosen, dtype=np.intp)
    return float(matrix[np.ix_(indices, indices)].max()) if len(indices) > 1 else 0.0


def farthest_first(matrix: npt.NDArray[Any], n: int, start: int) -> Chosen:
    """Return `start` and, one after the other, the candidate whose largest similarity to the chosen is least.

    Ties go to the lower index. The diagonal of `matrix` is −∞. Source: Gonzalez 1985; Ravi et al. 1994.
    """
    chosen = np.empty(n, np.intp)
    chosen[0] = start
    closest = matrix[start].copy()
    closest[start] = np.inf
    for k in range(1, n):
        chosen[k] = closest.argmin()
        np.maximum(closest, matrix[chosen[k]], out=closest)
        closest[chosen[k]] = np.inf
    return chosen


def least_sum(matrix: npt.NDArray[Any], chosen: Chosen) -> Chosen:
    """Return a set whose largest entry is no larger and whose squares sum to less, as far as single swaps go.

    Each swap is the best of all; ties go to the lower indices. The diagonal of `matrix` is −∞, its entries are ≥ 0.
    """
    limit = largest_inside(matrix, chosen)
    squares = np.square(np.where(np.eye(len(matrix), dtype=bool), 0, matrix).astype(np.float64))
    above = matrix > limit
    members = np.sort(chosen)
    for _ in range(MAX_SWAPS):
        outside = np.setdiff1d(np.arange(len(matrix)), members)
        with_all = squares[members][:, outside].sum(axis=0)
        gain = squares[np.ix_(members, members)].sum(axis=1)[:, None] - (with_all - squares[np.ix_(members, outside)])
        conflicts = above[np.ix_(members, outside)]
        gain[conflicts.sum(axis=0) - conflicts > 0] = -np.inf  # with a member that stays
        slot, best = np.unravel_index(gain.argmax(), gain.shape) if gain.size else (0, 0)
        if not gain.size or gain[slot, best] <= LEAST_GAIN:
            break
        members[slot] = outside[best]
        members.sort()
    return members


def exhaustive(matrix: npt.NDArray[Any], n: int) -> Chosen:
    """Return the best of all subsets, the first in lexicographic order among equals."""
    subsets = np.array(list(itertools.combinations(range(len(matrix)), n)), dtype=np.intp)
    worst = np.full(len(subsets), -np.inf)
    for a, b in itertools.combinations(range(n), 2):
        np.maximum(worst, matrix[subsets[:, a], subsets[:, b]], out=worst)
    best: Chosen = subsets[worst.argmin()]
    return best
