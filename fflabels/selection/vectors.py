"""Selection among more candidates than a matrix of all pairs could hold: pools, and passes over all vectors."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fflabels.checks import check_integer
from fflabels.errors import FFLabelsError, NoEffectWarning, TooFewCandidatesError
from fflabels.progress import Progress, silent
from fflabels.selection.construct import Chosen, farthest_first, largest_inside
from fflabels.selection.dispersion import Selection, check_effort
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
"""Swaps per round by default."""

STARTS = 8
"""Greedy constructions in the first pool."""

BLOCK_BYTES = 64 << 20
"""Memory of a block of vectors, as float32."""

OFFSET = 1e-2
"""A row whose deviation from its mean is smaller than this part of its length is centred before it is multiplied."""

GRID = float(1 << 20)
"""Similarities are rounded to multiples of 2⁻²⁰, as everywhere."""

FLAT = 1e-6
"""A vector whose deviations from its mean are below this part of its largest entry is constant."""

FLAT_64 = 1e-14
"""The same for float64."""

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

    Examples
    --------
    >>> import numpy as np
    >>> from fflabels import select_vectors
    >>> select_vectors(np.array([[1.0, 0, 0], [0.9, 0.1, 0], [0, 0, 1]]), 2).indices.tolist()
    [0, 2]
    """
    if isinstance(vectors, np.ma.MaskedArray):
        raise FFLabelsError("a masked array", where="vectors", expected="numbers everywhere", hint="fill or drop them")
    x: Any = vectors if isinstance(getattr(vectors, "dtype", None), np.dtype) else np.asarray(vectors)
    if len(x.shape) != 2 or x.dtype.kind != "f" or not all(x.shape):
        raise FFLabelsError("not vectors", where="vectors", got=f"{x.dtype} {x.shape}", expected="floats (N, D)")
    n = check_integer(n, "n")
    if not 1 <= n <= len(x):
        raise FFLabelsError("cannot choose as many", where="n", got=n, expected=f"1 to {len(x)}, the number of vectors")
    check_effort(seed, iterations)
    scale = _scales(x)
    usable = np.flatnonzero(scale != 0)
    if len(usable) < len(x):
        constant = np.flatnonzero(scale == 0)
        some = ", ".join(map(str, constant[:5])) + (" …" if len(constant) > 5 else "")
        warnings.warn(f"{len(constant)} constant vectors are left out: {some}", NoEffectWarning, stacklevel=2)
    if len(usable) < n:
        raise TooFewCandidatesError("too few vectors that vary", where="n", got=len(usable), expected=f"at least {n}")
    rng = np.random.default_rng(seed)
    budget = ITERATIONS if iterations is None else iterations
    chosen, greedy, used = _search_pools(x, scale, usable, n, budget, rng, progress)
    score = largest_inside(_similarities(x, chosen), np.arange(len(chosen)))
    if n > 1 and score >= DISTINCT:
        raise TooFewCandidatesError("not enough distinct vectors", where="n", got=n)
    return Selection(np.sort(chosen), score, "best", greedy, used)


def _search_pools(
    x: Rows,
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
    matrix = _similarities(x, pool)
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
        matrix, members = _similarities(x, pool), np.arange(n)
    progress("selection", ROUNDS, ROUNDS)
    return best, greedy, used


def _scales(x: Rows) -> npt.NDArray[np.float32]:
    """Return 1/‖row − mean‖ of each row, 0 for constant rows, NaN where that would not be exact enough to work with."""
    scales = np.empty(len(x), np.float32)
    for part in _blocks(x):
        block = x[part]
        if not np.isfinite(block).all():
            row = part.start + int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
            raise FFLabelsError("NaN or infinite entries", where=f"vectors[{row}]")
        scale = np.full(len(block), np.nan, np.float32)
        if block.dtype == np.float32:
            mean = block.mean(axis=1, dtype=np.float64)
            squares = np.einsum("nd,nd->n", block, block, dtype=np.float64)
            varying = np.sqrt(np.maximum(squares - x.shape[1] * mean**2, 0))
            plain = (varying > OFFSET * np.sqrt(squares)) & (varying > 1e-30) & (varying < 1e30)
            scale[plain] = 1 / varying[plain]
        others = np.flatnonzero(np.isnan(scale))
        scale[others[~_units(block[others]).any(axis=1)]] = 0
        scales[part] = scale
    return scales


def _blocks(x: Rows) -> Iterator[slice]:
    rows = max(64, BLOCK_BYTES // (4 * x.shape[1]))
    for start in range(0, len(x), rows):
        yield slice(start, min(start + rows, len(x)))


def _units(rows: Vectors) -> npt.NDArray[np.float32]:
    """Return rows centred and of unit length, of any magnitude; zeros where they are constant."""
    wide = rows.astype(np.float64)
    _, exponent = np.frexp(np.abs(wide).max(axis=1, keepdims=True))
    wide = np.ldexp(wide, -exponent)  # exact
    for _ in range(2):  # the first mean is rounded
        wide -= wide.mean(axis=1, keepdims=True)
    peak = np.abs(wide).max(axis=1, keepdims=True)
    wide /= np.where(peak > (FLAT_64 if rows.dtype.itemsize >= 8 else FLAT), peak, np.inf)
    length = np.sqrt(np.einsum("nd,nd->n", wide, wide))[:, None]
    units: npt.NDArray[np.float32] = (wide / np.where(length > 0, length, 1)).astype(np.float32)
    return units


def _similarities(x: Rows, index: Chosen) -> npt.NDArray[np.float32]:
    """Return the |correlations| of some rows, the diagonal −∞."""
    units = _units(x[index])
    similarity: npt.NDArray[np.float32] = units @ units.T
    np.abs(similarity, out=similarity)
    np.rint(similarity * GRID, out=similarity)
    similarity /= GRID
    similarity = np.maximum(similarity, similarity.T)
    np.fill_diagonal(similarity, -np.inf)
    return similarity


def _least_conflicting(x: Rows, scale: npt.NDArray[np.float32], chosen: Chosen, score: float, many: int) -> Chosen:
    """Return rows that are as similar as `score` to fewest of the chosen; among those, to the least degree in all.

    The chosen are centred, so their products with rows that are not are the same.
    """
    units = np.ascontiguousarray(_units(x[chosen]).T)
    rank = np.empty(len(x), np.float32)
    for part in _blocks(x):
        block, factor = x[part], scale[part].copy()
        rest = np.flatnonzero(np.isnan(factor))
        factor[rest] = 0
        with np.errstate(over="ignore", invalid="ignore"):  # in the rest, which comes below
            products = block.astype(np.float32, copy=False) @ units
            np.abs(products, out=products)
            products *= factor[:, None]
        products[rest] = np.abs(_units(block[rest]) @ units)
        conflicts = (products >= score).sum(axis=1)
        rank[part] = conflicts + np.einsum("nk,nk->n", products, products) / (1 + len(chosen))
    rank[scale == 0] = np.inf
    rank[chosen] = np.inf
    kept: Chosen = np.sort(np.argpartition(rank, many - 1)[:many]) if many < len(x) else np.flatnonzero(rank < np.inf)
    return kept[rank[kept] < np.inf]
