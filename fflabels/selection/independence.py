"""How many candidates can at most be chosen without a conflict: upper bounds on a graph's independence number.

Sources: domination, Weismantel's survey of set packing 1996 and folklore; clique rows, Padberg 1973; the safe dual
bound, Neumaier and Shcherbina 2004.
"""

from __future__ import annotations

import math
import time
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Adjacency: TypeAlias = npt.NDArray[np.bool_]
"""(N, N), symmetric: who conflicts with whom; no candidate with itself."""

Clique: TypeAlias = npt.NDArray[np.intp]

ROUNDING = 1e-6
"""How far below the next integer a bound counts as that integer: far more than sums of doubles are off."""

VIOLATED = 1e-3
"""A clique whose values sum to more than 1 by this is worth a row."""

ROUND_CLIQUES = 300
"""Cliques looked for in one round of cuts."""


def undominated(adjacency: Adjacency) -> Clique:
    """Return the candidates that are left when the dominated ones are removed, again and again.

    v dominates w when v and all that conflict with v conflict with w or are w: a set with w is as good with v instead.
    Of several that dominate each other the first is kept. The independence number stays the same.
    """
    kept: Clique = np.arange(len(adjacency))
    while True:
        graph = adjacency[np.ix_(kept, kept)]
        closed = (graph | np.eye(len(kept), dtype=bool)).astype(np.float32)
        shared = closed @ closed.T  # counts, exact below 2²⁴
        dominates = graph & (shared == closed.sum(axis=1)[:, None])
        mutual = dominates & dominates.T
        dominates &= ~np.tril(mutual)
        gone = dominates.any(axis=0)
        if not gone.any():
            return kept
        kept = kept[~gone]


def clique_cover(adjacency: Adjacency) -> list[Clique]:
    """Return maximal cliques that cover all candidates.

    Each starts at the uncovered candidate with most conflicts and adds, one at a time, the uncovered common neighbour
    that conflicts with most of the others.
    """
    left = np.ones(len(adjacency), dtype=bool)
    nothing = np.zeros(len(adjacency))
    cover = []
    for start in np.argsort(-adjacency.sum(axis=1), kind="stable"):
        if not left[start]:
            continue
        members, common = [int(start)], np.flatnonzero(adjacency[start] & left)
        while len(common):
            best = int(common[adjacency[np.ix_(common, common)].sum(axis=1).argmax()])
            members.append(best)
            common = common[adjacency[best, common]]
        left[members] = False
        cover.append(grown(adjacency, members, nothing))
    return cover


def grown(adjacency: Adjacency, clique: list[int], weights: npt.NDArray[Any]) -> Clique:
    """Return a maximal clique that holds `clique`, the heaviest neighbours first; ties go to the lower index."""
    members = list(clique)
    common = np.logical_and.reduce(adjacency[members], axis=0)
    worth = np.where(common, weights, -np.inf)
    while common.any():
        best = int(worth.argmax())
        members.append(best)
        common &= adjacency[best]
        worth[~common] = -np.inf
    return np.sort(np.array(members, np.intp))


def independence_bound(adjacency: Adjacency, enough: int, seconds: float = math.inf) -> int:
    """Return an upper bound on how many candidates are mutually without conflict.

    Parameters
    ----------
    adjacency
        Who conflicts with whom.
    enough
        A bound this small ends the work.
    seconds
        Rounds of cuts are begun while fewer have passed.
    """
    from scipy.optimize import linprog  # takes a moment to import

    started = time.monotonic()
    adjacency = adjacency[np.ix_(*[undominated(adjacency)] * 2)]
    cover = clique_cover(adjacency)
    best = len(cover)
    known = {clique.tobytes() for clique in cover}
    while best > enough and time.monotonic() - started < seconds:
        rows = clique_rows(cover, len(adjacency))
        left = max(0.1, seconds - (time.monotonic() - started))
        solved = linprog(
            -np.ones(len(adjacency)),
            A_ub=rows,
            b_ub=np.ones(len(cover)),
            bounds=(0, 1),
            method="highs-ds",
            options={"time_limit": min(left, 1e6)},
        )
        if solved.status != 0:
            break
        best = min(best, math.floor(safe_dual_bound(rows, -solved.ineqlin.marginals) + ROUNDING))
        fresh = [clique for clique in _violated(adjacency, solved.x) if clique.tobytes() not in known]
        if not fresh:
            break
        known |= {clique.tobytes() for clique in fresh}
        cover += fresh
    return best


def safe_dual_bound(rows: Any, prices: npt.NDArray[np.float64]) -> float:
    """Return Σy + Σmax(0, 1 − cover): a bound on the independence number for any prices y of cliques.

    Of an independent set, each clique holds at most one; a member whose cliques' prices sum to less than 1 pays the
    rest itself. So the bound is valid whatever the solver's tolerance.

    Parameters
    ----------
    rows
        (cliques, N): 1 where a clique holds a candidate.
    prices
        One per clique; negative ones count as 0.
    """
    paid = np.maximum(prices, 0)
    return float(paid.sum() + np.maximum(0, 1 - rows.T @ paid).sum())


def clique_rows(cliques: list[Clique], count: int) -> Any:
    """Return the sparse (cliques, N) matrix of which clique holds whom."""
    from scipy.sparse import csr_array

    members = np.concatenate(cliques)
    which = np.repeat(np.arange(len(cliques)), [len(clique) for clique in cliques])
    return csr_array((np.ones(len(members)), (which, members)), shape=(len(cliques), count))


def most_independent(adjacency: Adjacency, seconds: float) -> tuple[Clique, int]:
    """Return a large independent set and a bound on the largest, by integer programming (HiGHS) over clique rows.

    The bound is the solver's, up to its tolerance of 1e-6.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    kept = undominated(adjacency)
    graph = adjacency[np.ix_(kept, kept)]
    cover = clique_cover(graph)
    uncovered, degrees = np.triu(graph), graph.sum(axis=1).astype(np.float64)
    for clique in cover:
        uncovered[np.ix_(clique, clique)] = False
    for i, j in np.argwhere(uncovered):  # every conflict in some clique
        if uncovered[i, j]:
            clique = grown(graph, [int(i), int(j)], degrees)
            uncovered[np.ix_(clique, clique)] = False
            cover.append(clique)
    solved = milp(
        -np.ones(len(graph)),
        constraints=LinearConstraint(clique_rows(cover, len(graph)), ub=1),
        integrality=np.ones(len(graph)),
        bounds=Bounds(0, 1),
        options={"time_limit": max(seconds, 0.1)},
    )
    proved = solved.mip_dual_bound is not None and math.isfinite(solved.mip_dual_bound)
    bound = math.floor(-solved.mip_dual_bound + ROUNDING) if proved else len(graph)
    independent = kept[solved.x > 0.5] if solved.x is not None else kept[:0]
    return (independent if not adjacency[np.ix_(independent, independent)].any() else kept[:0]), bound


def _violated(adjacency: Adjacency, values: npt.NDArray[np.float64]) -> list[Clique]:
    """Return maximal cliques whose values sum to more than 1, grown from the heaviest candidates."""
    cliques: dict[bytes, Clique] = {}
    for start in np.argsort(-values, kind="stable")[:ROUND_CLIQUES]:
        clique = grown(adjacency, [int(start)], values)
        if values[clique].sum() > 1 + VIOLATED:
            cliques[clique.tobytes()] = clique
    return list(cliques.values())
