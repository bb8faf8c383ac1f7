"""`select`: check the matrix, construct sets, improve the best one, prove a bound if asked."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from fflabels.checks import check_integer, check_seed
from fflabels.errors import FFLabelsError, nearest
from fflabels.progress import Progress, silent
from fflabels.selection.certificate import MAX_CERTIFIED, SECONDS
from fflabels.selection.certificate import certify as prove
from fflabels.selection.construct import exhaustive, farthest_first, largest_inside
from fflabels.selection.tabu import descend

Method = Literal["best", "greedy", "random"]
METHODS: tuple[Method, ...] = get_args(Method)

ITERATIONS = 40_000
"""Swaps that ``best`` may make by default: about a second for 2000 candidates."""

STARTS = 32
"""Greedy constructions, each from another candidate, of which the best is kept."""

RANDOM = 1000
"""The stream of random numbers of ``random``: not one of the chance baseline's, 0 to 4 (`design.chance_sets`)."""

EXHAUSTIVE = 20_000
"""Up to this many subsets, all are compared, unless they have more than `EXHAUSTIVE_PAIRS` pairs in total."""

EXHAUSTIVE_PAIRS = 20_000_000
"""A fraction of a second."""


@dataclass(frozen=True)
class Selection:
    """The set that `select` chose, and its score.

    Attributes
    ----------
    indices
        The chosen candidates, ascending.
    score
        The largest similarity between two of them; 0 for a single one, which has no pair.
    method
        How they were chosen.
    greedy
        The score of the best greedy construction, from which ``best`` starts; None where none was made.
    iterations
        Swaps made.
    bound
        No set of as many candidates has a smaller largest similarity; None where nothing is known.
    """

    indices: npt.NDArray[np.intp]
    score: float
    method: Method
    greedy: float | None
    iterations: int
    bound: float | None = None

    @property
    def optimal(self) -> bool:
        """Whether it is proved that no set of n is better."""
        return self.bound is not None and self.bound >= self.score

    @property
    def gap(self) -> float | None:
        """How far below the score the bound is, as a share of the score: 0 for an optimal set."""
        if self.bound is None:
            return None
        return 0.0 if self.optimal else (self.score - self.bound) / abs(self.score) if self.score else math.inf


def select(
    similarity: npt.ArrayLike,
    n: int,
    *,
    seed: int = 0,
    iterations: int | None = None,
    method: Method = "best",
    certify: bool | float = False,
    progress: Progress = silent,
) -> Selection:
    """Choose n of the N candidates so that the largest similarity between two of them is as small as possible.

    Parameters
    ----------
    similarity
        (N, N), symmetric, real, finite: any such matrix, signed ones (a negated distance) too. The diagonal is not
        looked at.
    n
        1 to N.
    seed
        Of everything that is drawn. The same matrix, seed and budget give the same indices on any machine.
    iterations
        The budget of swaps, 40,000 unless given.
    method
        ``best``: every subset where there are few; otherwise tabu search from the best greedy start, never worse than
        it. ``greedy``: the best of 32 farthest-first constructions. ``random``: a uniform subset, the baseline.

    certify
        Whether to prove how far from optimal the set can be, or for how many seconds to try (60). The proof may come
        across a better set, which ``best`` then chooses.

    Raises
    ------
    FFLabelsError
        For a matrix that is not square, symmetric and finite, and n outside 1 to N.

    Examples
    --------
    >>> from fflabels import select
    >>> select([[1, 0.9, 0.2], [0.9, 1, 0.3], [0.2, 0.3, 1]], 2).indices.tolist()
    [0, 2]
    """
    matrix, n = _checked(similarity), check_integer(n, "n")
    count = len(matrix)
    if not 1 <= n <= count:
        raise FFLabelsError(
            "cannot choose as many", where="n", got=n, expected=f"1 to {count}, the number of candidates"
        )
    if method not in METHODS:
        raise FFLabelsError("unknown method", where="method", got=method, hint=nearest(method, METHODS))
    check_effort(seed, iterations)
    check_certify(certify, count)
    selection = _chosen(matrix, n, seed, iterations, method, progress)
    if certify is False or selection.bound is not None:
        return selection
    bound, better = prove(matrix, selection.indices, SECONDS if certify is True else certify, progress)
    chosen = better if method == "best" else selection.indices  # a baseline stays what it is
    return replace(_result(matrix, chosen, method, selection.greedy, selection.iterations), bound=bound)


def check_effort(seed: int, iterations: int | None) -> None:
    """Refuse a negative seed or budget."""
    check_seed(seed)
    if iterations is not None and check_integer(iterations, "iterations") < 0:
        raise FFLabelsError("negative", where="iterations", got=iterations, expected="an integer ≥ 0")


def check_certify(certify: bool | float, count: int) -> None:
    """Refuse a time limit that is not a finite number ≥ 0, and more than `MAX_CERTIFIED` candidates."""
    if not isinstance(certify, Real) or not 0 <= certify < math.inf:
        raise FFLabelsError("not a time", where="certify", got=certify, expected="seconds, or True")
    if certify is not False and count > MAX_CERTIFIED:
        raise FFLabelsError(
            "too many candidates for a certificate", where="certify", got=count, expected=f"≤ {MAX_CERTIFIED}"
        )


def _chosen(
    matrix: npt.NDArray[Any], n: int, seed: int, iterations: int | None, method: Method, progress: Progress
) -> Selection:
    count, rng = len(matrix), np.random.default_rng([seed, RANDOM] if method == "random" else seed)
    if n in (1, count):
        only = _result(matrix, rng.choice(count, n, replace=False) if method == "random" else np.arange(n), method)
        return replace(only, bound=only.score)
    if method == "random":
        return _result(matrix, rng.choice(count, n, replace=False), method)
    starts = rng.permutation(count)[:STARTS]
    greedy_sets = [farthest_first(matrix, n, int(start)) for start in starts]
    greedy = min(greedy_sets, key=lambda chosen: (largest_inside(matrix, chosen), sorted(chosen)))
    greedy_score = largest_inside(matrix, greedy)
    if method == "greedy":
        return _result(matrix, greedy, method, greedy_score)
    if (subsets := math.comb(count, n)) <= EXHAUSTIVE and subsets * n**2 <= EXHAUSTIVE_PAIRS:
        best = _result(matrix, exhaustive(matrix, n), method, greedy_score)
        return replace(best, bound=best.score)
    budget = ITERATIONS if iterations is None else iterations
    chosen, used = descend(matrix, greedy, budget, rng, progress)
    return _result(matrix, chosen, method, greedy_score, used)


def _result(
    matrix: npt.NDArray[Any], chosen: npt.ArrayLike, method: Method, greedy: float | None = None, iterations: int = 0
) -> Selection:
    indices = np.sort(np.asarray(chosen, dtype=np.intp))
    return Selection(indices, largest_inside(matrix, indices), method, greedy, iterations)


def _checked(similarity: npt.ArrayLike) -> npt.NDArray[Any]:
    if isinstance(similarity, np.ma.MaskedArray):
        raise FFLabelsError("a masked array", where="similarity", expected="numbers everywhere", hint="fill it")
    try:
        matrix = np.asarray(similarity)
    except (ValueError, TypeError, RuntimeError) as error:
        raise FFLabelsError(f"not a matrix: {error}", where="similarity", expected="(N, N) numbers") from None
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise FFLabelsError(
            "not a square matrix", where="similarity", got=f"shape {matrix.shape}", expected="(N, N), N ≥ 1"
        )
    if matrix.dtype.kind not in "iuf":
        raise FFLabelsError("not real numbers", where="similarity", got=str(matrix.dtype))
    if matrix.dtype.kind != "f":
        matrix = matrix.astype(np.float64)
    matrix = matrix.copy()
    np.fill_diagonal(matrix, 0)
    if not np.isfinite(matrix).all():
        raise FFLabelsError("NaN or infinite entries", where="similarity")
    difference = np.abs(matrix - matrix.T)
    if difference.max() > 1e-5 * np.abs(matrix).max():
        i, j = np.unravel_index(difference.argmax(), matrix.shape)
        raise FFLabelsError(
            "not symmetric",
            where="similarity",
            got=f"{matrix[i, j]:g} at ({i}, {j}) and {matrix[j, i]:g} at ({j}, {i})",
        )
    checked: npt.NDArray[Any] = np.maximum(matrix, matrix.T)
    np.fill_diagonal(checked, -np.inf)
    return checked
