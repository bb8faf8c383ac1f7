"""Bounds of signed correlations: known arrangements attain them, and no set of a small pool is below."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fflabels import named_set, select
from fflabels.selection.certificate import certify
from fflabels.selection.spherical import least_largest, signed_bound

SHARP = [(2, 5, math.cos(2 * math.pi / 5)), (22, 100, 1 / 11), (21, 112, 1 / 9), (21, 162, 1 / 7), (6, 27, 1 / 4)]


@pytest.mark.parametrize("d", [1, 2, 7, 30])
def test_a_simplex_and_a_cross_of_axes_attain_it(d):
    assert least_largest(d + 1, d) == pytest.approx(-1 / d)
    assert [least_largest(n, d) for n in range(d + 2, 2 * d + 1)] == [0] * (d - 1)
    assert least_largest(2 * d + 1, d) > 0


@pytest.mark.parametrize(("d", "n", "largest"), SHARP)
def test_sharp_configurations_attain_it(d, n, largest):
    """Of the table of Cohn and Kumar (2007): a pentagon, Higman and Sims's, McLaughlin's, and Schläfli's graph."""
    assert least_largest(n, d) == pytest.approx(largest, abs=1e-9)


@given(st.integers(1, 40), st.integers(2, 200))
def test_more_vectors_are_never_farther_apart_and_more_dimensions_never_closer(d, n):
    assert least_largest(n, d) <= least_largest(n + 1, d) + 1e-9
    assert least_largest(n, d + 1) <= least_largest(n, d) + 1e-9


def optimum(matrix, n):
    return min(
        max(matrix[i, j] for i, j in itertools.combinations(chosen, 2))
        for chosen in itertools.combinations(range(len(matrix)), n)
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 10), st.integers(1, 5), st.integers(2, 6), st.integers(0, 10**6))
def test_it_is_never_above_the_optimum_of_a_small_pool(extra, d, n, seed):
    x = np.random.default_rng(seed).standard_normal((n + extra % 5, d))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    gram = x @ x.T
    for matrix in (gram, np.clip(np.round(gram * 2**20) / 2**20, -1, 1), np.clip(gram, -1, 1).astype(np.float32)):
        best = optimum(matrix, n)
        inner = np.where(np.eye(len(matrix), dtype=bool), -np.inf, np.clip(matrix, -1, 1))
        assert signed_bound(inner, n) <= best + 1e-12
        bound, chosen = certify(inner, np.arange(n), 0)
        assert bound <= best
        assert len(set(chosen.tolist())) == n


@given(st.integers(0, 1000), st.integers(2, 6))
def test_a_matrix_that_is_no_gram_matrix_has_a_bound_too(seed, n):
    half = np.triu(np.random.default_rng(seed).uniform(-1, 1, (8, 8)), 1)
    matrix = half + half.T
    assert signed_bound(matrix, n) <= optimum(matrix, n)
    assert signed_bound(2.5 * np.sign(matrix), n) == -math.inf


def balanced(width, weight):
    codes = np.zeros((math.comb(width, weight), width))
    for code, ones in zip(codes, itertools.combinations(range(width), weight), strict=True):
        code[list(ones)] = 1
    return np.corrcoef(codes)


@pytest.mark.parametrize(
    ("width", "weight", "best"),
    [
        (8, 4, {2: -1, 7: 0, 14: 0}),  # Hadamard codes and their opposites, until 2·7 are taken
        (6, 3, {2: -1, 4: -1 / 3, 5: 1 / 3, 10: 1 / 3}),  # multiples of 1/3, and never 0
        (8, 2, {2: -1 / 3, 4: -1 / 3, 5: 1 / 3}),  # four pairs share no channel
    ],
)
def test_all_codes_of_a_weight_are_as_far_apart_as_is_proved(width, weight, best, monkeypatch):
    monkeypatch.setattr("fflabels.selection.dispersion.EXHAUSTIVE", 0)
    matrix = np.round(balanced(width, weight) * 2**20) / 2**20
    for n, expected in best.items():
        found = select(matrix, n, certify=5, iterations=3000)
        assert found.score == pytest.approx(expected, abs=1e-6)
        assert found.optimal


def test_hadamard_codes_are_proved_optimal_without_a_search():
    hadamard = named_set("code:hadamard", 31, (32, 1, 1)).codes()
    rng = np.random.default_rng(0)
    others = np.array([rng.permutation(hadamard[0]) for _ in range(200)])
    matrix = np.corrcoef(np.concatenate([hadamard, others]))
    inner = np.where(np.eye(len(matrix), dtype=bool), -np.inf, np.round(matrix * 2**20) / 2**20)
    for n in (10, 31):  # 10 > 32/4 + 1
        assert certify(inner, np.arange(n), 0)[0] == 0
    assert certify(inner, np.arange(9), 0)[0] < 0


def test_many_labels_on_few_channels_are_bounded_above_0():
    rng = np.random.default_rng(0)
    codes = np.array([rng.permutation(np.repeat([0, 1], 8)) for _ in range(400)])
    matrix = np.corrcoef(codes)
    found = select(matrix, 100, certify=0, iterations=500)
    assert 0.15 < found.bound <= found.score  # the next multiple of 1/4 is .25
