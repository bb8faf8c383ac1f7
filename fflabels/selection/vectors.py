"""Selection among more candidates than a matrix of all pairs could hold: pools, and passes over all vectors."""

from __future__ import annotations

import warnings
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fflabels.errors import FFLabelsError, NoEffectWarning, TooFewCandidatesError
from fflabels.progress import Progress, silent
from fflabels.selection.construct import Chosen, farthest_first, largest_inside
from fflabels.selection.dispersion import Selection
from fflabels.selection.tabu import descend

Vectors = npt.NDArray[np.floating[Any]]


class Rows(Protocol):
    """What is needed of an array of vectors: its rows, a part at a time."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: Any) -> Vectors: ...


POOL = 2000
"""Candidates that are compared all with all at a time."""

ROUNDS = 7
"""Pools that are searched, at most; fewer where one brings nothing better."""

ITERATIONS = 5000
"""Swaps in a round unless told otherwise."""

STARTS = 8
"""Greedy constructions in the first pool."""

BLOCK = 1 << 16
"""Vectors that are looked at at once."""

GRID = float(1 << 20)
"""Similarities are rounded to multiples of 2⁻²⁰, as everywhere."""

FLAT = 1e-6
"""A vector whose deviation from its mean is this much smaller than its length is constant."""

DISTINCT = 1 - 1 / GRID
"""Two vectors at least as similar are one."""


def select_vectors(
    vectors: npt.ArrayLike | Rows,
    n: int,
    *,
    seed: int = 0,
    iterations: int | None = None,
    progress: Progress = silent,
) -> Selection:
    """Choose n of N vectors so that the largest absolute Pearson correlation of two is as small as possible.

    A pool of 2000 is searched as `select` does; then one pass over all vectors finds those that conflict with fewest
    of the chosen, they and the chosen are the next pool, and so on until a pass brings nothing. No array of all pairs
    is made, nor a copy of the vectors.

    Parameters
    ----------
    vectors
        (N, D) floats, or anything with a shape, a dtype, and rows by slice and by index. Rows are centred; constant
        ones cannot be chosen: a warning counts them.
    n
        1 to N.
    seed
        Of everything that is drawn.
    iterations
        Swaps in a round, 5,000 unless given.

    Raises
    ------
    FFLabelsError
        For an array that is not (N, D) finite floats, and n outside 1 to N.
    TooFewCandidatesError
        When fewer than n rows are distinct and not constant.
    """
    x: Any = vectors if hasattr(vectors, "dtype") else np.asarray(vectors)
    if len(x.shape) != 2 or x.dtype.kind != "f" or not all(x.shape):
        raise FFLabelsError("not vectors", where="vectors", got=f"{x.dtype} {x.shape}", expected="floats (N, D)")
    if not 1 <= n <= len(x):
        raise FFLabelsError("cannot choose as many", where="n", got=n, expected=f"1 to {len(x)}, the number of vectors")
    if iterations is not None and iterations < 0:
        raise FFLabelsError("negative", where="iterations", got=iterations, expected="an integer ≥ 0")
    scale = _scales(x)
    usable = np.flatnonzero(scale > 0)
    if len(usable) < len(x):
        constant = np.flatnonzero(scale == 0)
        some = ", ".join(map(str, constant[:5]))
        warnings.warn(f"{len(constant)} constant vectors are left out: {some} …", NoEffectWarning, stacklevel=2)
    if len(usable) < n:
        raise TooFewCandidatesError("vectors that vary", where="n", got=len(usable), expected=f"at least {n}")
    rng = np.random.default_rng(seed)
    budget = ITERATIONS if iterations is None else iterations
    chosen, greedy, used = _search_pools(x, scale, usable, n, budget, rng, progress)
    score = _largest(x, scale, chosen)
    if n > 1 and score >= DISTINCT:
        raise TooFewCandidatesError("not enough distinct vectors", where="n", got=n)
    return Selection(np.sort(chosen), score, "best", greedy, used)


def _search_pools(
    x: Vectors,
    scale: npt.NDArray[np.float32],
    usable: Chosen,
    n: int,
    budget: int,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[Chosen, float, int]:
    """Return the best set that the rounds found, the greedy score of the first pool, and the swaps made."""
    size = min(len(usable), max(POOL, 2 * n))
    pool = np.sort(rng.choice(usable, size, replace=False))
    matrix = _similarities(x, scale, pool)
    starts = rng.permutation(size)[:STARTS]
    members = min((farthest_first(matrix, n, int(s)) for s in starts), key=lambda c: largest_inside(matrix, c))
    greedy, used = largest_inside(matrix, members), 0
    best, least = pool[members], np.inf
    if n in (1, size):
        return best, greedy, used
    for k in range(ROUNDS):
        members, swaps = descend(matrix, members, budget, rng)
        used += swaps
        score = largest_inside(matrix, members)
        if score >= least:
            break
        best, least = pool[members], score
        progress("selection", k + 1, ROUNDS)
        if size == len(usable) or score == 0 or k + 1 == ROUNDS:
            break
        pool = np.concatenate([best, _least_conflicting(x, scale, best, score, size - n)])
        matrix, members = _similarities(x, scale, pool), np.arange(n)
    progress("selection", ROUNDS, ROUNDS)
    return best, greedy, used


def _scales(x: Vectors) -> npt.NDArray[np.float32]:
    """Return 1/‖row − mean‖ of each row, 0 for constant rows."""
    found = np.empty(len(x), np.float32)
    for start in range(0, len(x), BLOCK):
        block = x[start : start + BLOCK].astype(np.float32, copy=False)
        mean = block.mean(axis=1, dtype=np.float64)
        squares = np.einsum("nd,nd->n", block, block, dtype=np.float64)
        if not np.isfinite(squares).all():
            row = start + int(np.flatnonzero(~np.isfinite(squares))[0])
            raise FFLabelsError("NaN or infinite entries", where=f"vectors[{row}]")
        varying = np.sqrt(np.maximum(squares - x.shape[1] * mean**2, 0))
        flat = varying <= FLAT * np.sqrt(squares)
        found[start : start + BLOCK] = np.where(flat, 0, 1 / np.where(flat, 1, varying))
    return found


def _units(x: Vectors, scale: npt.NDArray[np.float32], index: Chosen) -> npt.NDArray[np.float32]:
    """Return rows centred and of unit length."""
    rows: npt.NDArray[np.float32] = x[index].astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    rows *= scale[index, None]
    return rows


def _similarities(x: Vectors, scale: npt.NDArray[np.float32], index: Chosen) -> npt.NDArray[np.float32]:
    """Return the |correlations| of some rows, the diagonal −∞."""
    units = _units(x, scale, index)
    found: npt.NDArray[np.float32] = units @ units.T
    np.abs(found, out=found)
    np.rint(found * GRID, out=found)
    found /= GRID
    found = np.maximum(found, found.T)
    np.fill_diagonal(found, -np.inf)
    return found


def _largest(x: Vectors, scale: npt.NDArray[np.float32], chosen: Chosen) -> float:
    return largest_inside(_similarities(x, scale, chosen), np.arange(len(chosen)))


def _least_conflicting(x: Vectors, scale: npt.NDArray[np.float32], chosen: Chosen, score: float, many: int) -> Chosen:
    """Return rows that are as similar as `score` to fewest of the chosen; among those, to the least degree in all.

    The chosen are centred, so their products with rows that are not are the same.
    """
    units = np.ascontiguousarray(_units(x, scale, chosen).T)
    rank = np.empty(len(x), np.float32)
    for start in range(0, len(x), BLOCK):
        part = slice(start, start + BLOCK)
        products = x[part].astype(np.float32, copy=False) @ units
        np.abs(products, out=products)
        products *= scale[part, None]
        conflicts = (products >= score).sum(axis=1)
        rank[part] = conflicts + np.einsum("nk,nk->n", products, products) / (1 + len(chosen))
    rank[scale == 0] = np.inf
    rank[chosen] = np.inf
    found: Chosen = np.sort(np.argpartition(rank, many - 1)[:many]) if many < len(x) else np.flatnonzero(rank < np.inf)
    return found[rank[found] < np.inf]
