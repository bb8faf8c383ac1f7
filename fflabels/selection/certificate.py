"""How far from optimal a selection can be: a threshold below which no n candidates stay, and the proof of it."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from fflabels.progress import Progress, silent
from fflabels.selection.construct import Chosen, largest_inside
from fflabels.selection.independence import independence_bound, most_independent
from fflabels.selection.spherical import signed_bound

SECONDS = 60.0
"""The default time limit of a certificate."""

SLICE = 4
"""The search gives each threshold 1/SLICE of the remaining time."""

CUTS_REACH = 2
"""The search by cuts tries thresholds up to about this many times the rank that covers alone have proved."""

LEAST = 1.0
"""Seconds below which integer programming is not begun."""

MAX_CERTIFIED = 6000
"""Candidates up to which a certificate is tried: a comparison of all neighbourhoods takes seconds there."""


def certify(
    matrix: npt.NDArray[Any], chosen: Chosen, seconds: float = SECONDS, progress: Progress = silent
) -> tuple[float, Chosen]:
    """Return a bound that no set of n candidates is below, and the chosen set, or a better one that came up.

    Where at most n − 1 candidates are mutually below t, every set of n has a pair at t or above. The largest t for
    which that is proved is searched for among the similarities that occur: first the chosen set's own, which would
    prove it optimal, then by bisection; what time is left goes to integer programming at the chosen set's own.

    Parameters
    ----------
    matrix
        (N, N) similarities, diagonal −∞.
    chosen
        n indices.
    seconds
        The time limit in wall-clock seconds; a step in progress may overrun it.
    """
    count, n = len(matrix), len(chosen)
    deadline = time.monotonic() + seconds
    score = largest_inside(matrix, chosen)
    values = np.unique(matrix[np.triu_indices(count, 1)])
    values = values[values <= score]
    proved = 0
    if n > 1:  # a set's largest entry is one of those that occur
        algebraic = max(signed_bound(matrix, n), square_bound(matrix, n) if values[0] >= 0 else -math.inf)
        proved = min(int(np.searchsorted(values, algebraic)), len(values) - 1)
        if values[proved] >= score or independence_bound(matrix >= score, n - 1, seconds / SLICE) < n:
            return score, chosen
    proved = _bisected(matrix, values, n, proved, len(values) - 1, 0, deadline, progress)  # by covers alone
    reach = min(CUTS_REACH * proved + len(values) // 8 + 1, len(values) - 1)
    bound = float(values[_bisected(matrix, values, n, proved, reach, 1 / SLICE, deadline, progress)])  # by cuts
    while bound < score and (left := deadline - time.monotonic()) > LEAST:
        progress("proof by integer programming", 0, 1)
        independent, most = most_independent(matrix >= score, left)
        if most < n:
            bound = score
        elif len(independent) >= n:
            chosen = independent[:n]
            score = largest_inside(matrix, chosen)
        else:
            break
    return bound, chosen


def _bisected(
    matrix: npt.NDArray[Any],
    values: npt.NDArray[Any],
    n: int,
    proved: int,
    unknown: int,
    part: float,
    deadline: float,
    progress: Progress,
) -> int:
    """Return which of the ascending `values` is the largest that is proved to be a bound, between two of them.

    One threshold gets `part` of the time that is left.
    """
    total = unknown - proved
    while unknown - proved > 1 and (left := deadline - time.monotonic()) > 0:
        trial = (proved + unknown) // 2
        if independence_bound(matrix >= values[trial], n - 1, left * part) < n:
            proved = trial
        else:
            unknown = trial
        progress("certificate", total - (unknown - proved), total)
    progress("certificate", total, total)
    return proved


def square_bound(matrix: npt.NDArray[Any], n: int) -> float:
    """Return a bound m from the squared similarities K: m² ≥ (c·n − 1 − δ)/(n − 1), no eigenvalue of K − c·J below −δ.

    J is all ones. The sum of K over a set of n is at most n + n(n − 1)m², and at least c·n² − δ·n. For correlations of
    vectors in d dimensions 1/c is d at most: Welch's bound (1974).
    """
    squares = matrix.astype(np.float64)
    np.fill_diagonal(squares, 1)
    if np.abs(squares).max() > 1:  # no correlations
        return 0.0
    np.square(squares, out=squares)
    values, vectors = np.linalg.eigh(squares)
    firm = values > values[-1] * 1e-9
    along = vectors.sum(axis=0)[firm]
    c = (1 - 1e-9) / float((along**2 / values[firm]).sum())
    if c * n <= 1:
        return 0.0
    slack = max(0.0, 1e-9 - float(np.linalg.eigvalsh(squares - c)[0]))
    return math.sqrt(max(0.0, (c * n - 1 - slack) / (n - 1)))
