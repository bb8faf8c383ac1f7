"""Bounds: against the exact independence number of small graphs, in exact arithmetic, and never above the optimum."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fflabels import FFLabelsError, select
from fflabels.selection.certificate import certify, square_bound
from fflabels.selection.independence import (
    clique_cover,
    clique_rows,
    independence_bound,
    most_independent,
    safe_dual_bound,
    undominated,
)


def graph(count, density, seed):
    rng = np.random.default_rng(seed)
    half = np.triu(rng.random((count, count)) < density, 1)
    return half | half.T


def independence_number(adjacency):
    neighbours = [sum(1 << int(j) for j in np.flatnonzero(row)) for row in adjacency]

    def largest(free):
        if not free:
            return 0
        v = free.bit_length() - 1
        without = free & ~(1 << v)
        if not neighbours[v] & free:
            return 1 + largest(without)
        return max(largest(without), 1 + largest(without & ~neighbours[v]))

    return largest((1 << len(adjacency)) - 1)


GRAPHS = [
    graph(count, density, seed) for seed in range(6) for count in (1, 7, 14, 22) for density in (0.1, 0.3, 0.6, 0.9)
]


@pytest.mark.parametrize("adjacency", GRAPHS, ids=range(len(GRAPHS)))
def test_every_bound_is_at_least_the_independence_number_and_a_proof_reaches_it(adjacency):
    exact = independence_number(adjacency)
    kept = undominated(adjacency)
    assert independence_number(adjacency[np.ix_(kept, kept)]) == exact
    cover = clique_cover(adjacency)
    for clique in cover:
        assert all(adjacency[i, j] for i, j in itertools.combinations(clique, 2))
    assert set(np.concatenate(cover)) == set(range(len(adjacency)))
    assert independence_bound(adjacency, 0, seconds=0) >= exact
    assert independence_bound(adjacency, 0) >= exact
    found, bound = most_independent(adjacency, 10)
    assert not adjacency[np.ix_(found, found)].any()
    assert len(found) == bound == exact


def test_domination_alone_solves_what_falls_apart_into_cliques():
    blocks = np.kron(np.eye(5, dtype=bool), np.ones((4, 4), dtype=bool)) & ~np.eye(20, dtype=bool)
    assert undominated(blocks).tolist() == [0, 4, 8, 12, 16]
    assert independence_bound(blocks, 0, seconds=0) == 5


def test_five_in_a_ring_need_more_than_cliques():
    ring = np.roll(np.eye(5, dtype=bool), 1, axis=1)
    ring |= ring.T
    assert independence_bound(ring, 0) == 2  # the linear programme says 2.5
    assert independence_number(ring) == 2


@given(st.integers(0, 1000), st.lists(st.floats(-0.5, 1.5), min_size=40, max_size=40))
@settings(max_examples=60, deadline=None)
def test_the_dual_bound_is_safe_for_any_prices_in_exact_rationals(seed, prices):
    adjacency = graph(14, 0.4, seed)
    cover = clique_cover(adjacency)
    prices = np.array(prices[: len(cover)])
    bound = safe_dual_bound(clique_rows(cover, 14), prices)
    paid = [max(Fraction(float(p)), Fraction(0)) for p in prices]
    exact = sum(paid) + sum(
        max(Fraction(0), 1 - sum((p for p, clique in zip(paid, cover, strict=True) if v in clique), Fraction(0)))
        for v in range(14)
    )
    assert abs(Fraction(bound) - exact) < Fraction(1, 10**9)
    assert exact >= independence_number(adjacency)


def similarities(count, dimensions, seed):
    x = np.random.default_rng(seed).standard_normal((count, dimensions))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return np.abs(x @ x.T)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("count", "n", "dimensions"), [(14, 4, 2), (14, 6, 3), (16, 8, 4), (16, 3, 8)])
def test_a_bound_is_never_above_the_optimum_and_time_closes_the_gap(count, n, dimensions, seed):
    matrix = similarities(count, dimensions, seed)
    best = min(
        max(matrix[i, j] for i, j in itertools.combinations(chosen, 2))
        for chosen in itertools.combinations(range(count), n)
    )
    inner = np.where(np.eye(count, dtype=bool), -np.inf, matrix)
    assert square_bound(inner, n) <= best
    for seconds in (0, 20):
        bound, chosen = certify(inner, np.arange(n), seconds)
        score = max(matrix[i, j] for i, j in itertools.combinations(chosen, 2))
        assert bound <= best <= score
    assert bound == score == best


@pytest.mark.slow
@pytest.mark.parametrize("signed", [False, True])
def test_select_says_how_far_from_optimal_it_can_be(signed, monkeypatch):
    monkeypatch.setattr("fflabels.selection.dispersion.EXHAUSTIVE", 0)
    matrix = similarities(60, 3, 1)
    if signed:
        matrix -= 1.5
    found = select(matrix, 8, certify=20, iterations=10_000)
    assert found.optimal
    assert found.gap == 0
    assert found.bound == found.score
    chance = select(matrix, 8, method="random", certify=0)
    assert chance.bound <= found.score <= chance.score
    assert chance.gap == pytest.approx((chance.score - chance.bound) / abs(chance.score))
    without = select(matrix, 8, iterations=100)
    assert (without.bound, without.gap) == (None, None)


def random_levels(seed, count=12):
    """Few levels with gaps between them, ties and twins."""
    rng = np.random.default_rng(seed)
    levels = np.sort(rng.random(5))
    half = np.triu(levels[rng.integers(0, 5, (count, count))], 1)
    matrix = half + half.T
    if seed % 2:
        matrix[1] = matrix[:, 1] = matrix[0]
        matrix[0, 1] = matrix[1, 0] = levels[-1]
    return matrix


@pytest.mark.slow
@pytest.mark.parametrize("offset", [0.0, -2.0])
@pytest.mark.parametrize("scale", [1.0, 1e-8, 1e20, 1e160])
@pytest.mark.parametrize("seed", range(4))
def test_bounds_of_any_matrix_are_sound_and_do_not_depend_on_its_zero(seed, scale, offset, monkeypatch):
    monkeypatch.setattr("fflabels.selection.dispersion.EXHAUSTIVE", 0)
    matrix = (random_levels(seed) + offset) * scale
    best = min(
        max(matrix[i, j] for i, j in itertools.combinations(chosen, 2))
        for chosen in itertools.combinations(range(12), 5)
    )
    found = select(matrix, 5, certify=10, iterations=2000)
    assert found.bound == found.score == best
    quick = select(matrix, 5, certify=0.9, method="random", seed=seed)
    assert quick.bound <= best <= quick.score
    with np.errstate(over="ignore"):
        narrow = matrix.astype(np.float32)
    if np.isfinite(narrow).all():
        assert select(narrow, 5, certify=0.9).bound <= np.float32(best)


def test_where_few_values_occur_all_of_them_are_tried():
    rng = np.random.default_rng(0)
    matrix = np.where(np.triu(rng.random((60, 60)) < 0.05, 1), 1.0, 0.0)
    matrix = np.maximum(matrix, matrix.T)
    for block in range(6):
        matrix[block * 10 : block * 10 + 10, block * 10 : block * 10 + 10] = 0.3
    bound, _ = certify(np.where(np.eye(60, dtype=bool), -np.inf, matrix), np.arange(0, 8) * 7, 0.9)
    assert bound == pytest.approx(0.3)


@pytest.mark.slow
def test_a_baseline_stays_what_it_is(monkeypatch):
    monkeypatch.setattr("fflabels.selection.dispersion.EXHAUSTIVE", 0)
    matrix = similarities(40, 3, 2)
    for method in ("random", "greedy"):
        alone, certified = select(matrix, 6, method=method), select(matrix, 6, method=method, certify=5)
        np.testing.assert_array_equal(alone.indices, certified.indices)


def test_the_edges():
    for matrix, n in [(np.eye(40), 20), (np.ones((40, 40)), 20), ([[1.0]], 1), (similarities(9, 3, 0), 9)]:
        found = select(matrix, n, certify=5)
        assert found.optimal
    assert select(np.eye(40), 20, certify=5).gap == 0


@pytest.mark.parametrize("certify", [-1, float("nan"), float("inf")])
def test_a_time_that_is_none(certify):
    with pytest.raises(FFLabelsError, match="certify: not a time"):
        select(np.eye(3), 2, certify=certify)


def test_too_many_candidates_for_a_certificate(monkeypatch):
    monkeypatch.setattr("fflabels.selection.dispersion.MAX_CERTIFIED", 50)
    with pytest.raises(FFLabelsError, match="too many candidates for a certificate; got 60; expected ≤ 50"):
        select(similarities(60, 3, 1), 8, certify=True)
