"""Selection on any symmetric matrix: a set of n, never worse than greedy, blind to scale, optimal where small."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fflabels import select


@st.composite
def matrices(draw, least=2, most=9):
    count = draw(st.integers(least, most))
    entries = draw(st.lists(st.integers(-64, 64), min_size=count * count, max_size=count * count))
    half = np.triu(np.array(entries, float).reshape(count, count) / 64, 1)
    return half + half.T


@given(matrices(), st.data())
@settings(max_examples=150, deadline=None)
def test_optimal_where_every_subset_can_be_tried(matrix, data):
    n = data.draw(st.integers(2, len(matrix)))
    best = min(
        max(matrix[a, b] for a, b in itertools.combinations(s, 2))
        for s in itertools.combinations(range(len(matrix)), n)
    )
    assert select(matrix, n).score == best


@given(matrices(12, 30), st.integers(0, 2**31), st.data())
@settings(max_examples=40, deadline=None)
def test_a_set_of_n_never_worse_than_greedy(matrix, seed, data):
    n = data.draw(st.integers(1, len(matrix)))
    found = select(matrix, n, seed=seed, iterations=300)
    assert len(set(found.indices.tolist())) == n
    assert found.score <= select(matrix, n, seed=seed, method="greedy").score


@given(matrices(12, 25), st.sampled_from([0.25, 2.0, 1024.0]), st.data())
@settings(max_examples=40, deadline=None)
def test_scale_does_not_change_the_choice(matrix, scale, data):
    n = data.draw(st.integers(2, len(matrix) - 1))
    one, other = (select(m, n, iterations=300) for m in (matrix, scale * matrix))
    np.testing.assert_array_equal(one.indices, other.indices)
    assert other.score == scale * one.score


@given(matrices(4, 8), st.data())
@settings(max_examples=60, deadline=None)
def test_a_duplicate_is_not_chosen_while_a_better_candidate_is_left(matrix, data):
    matrix = np.abs(matrix) / 2
    count = len(matrix)
    twins = np.concatenate([np.arange(count), data.draw(st.permutations(range(count)))])
    doubled = matrix[np.ix_(twins, twins)]
    doubled[twins[:, None] == twins[None, :]] = 1
    n = data.draw(st.integers(2, count))
    found = select(doubled, n, iterations=2000)
    assert found.score < 1
    assert len({int(twins[i]) for i in found.indices}) == n


@given(matrices(4, 10), st.data())
@settings(max_examples=60, deadline=None)
def test_a_certificate_is_never_above_the_optimum(matrix, data):
    n = data.draw(st.integers(2, len(matrix)))
    best = select(matrix, n).score
    chance = select(matrix, n, method="random", certify=0, seed=data.draw(st.integers(0, 99)))
    assert chance.bound <= best
