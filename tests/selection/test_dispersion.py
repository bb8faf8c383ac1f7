"""Selection: brute force on small cases, never worse than greedy, deterministic, honest about bad matrices."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

from fflabels import FFLabelsError, select
from fflabels.selection.construct import exhaustive, farthest_first, largest_inside, least_sum


def random_matrix(count, seed=0, signed=False):
    rng = np.random.default_rng(seed)
    matrix = rng.random((count, count)) - (0.5 if signed else 0)
    matrix = (matrix + matrix.T) / 2
    np.fill_diagonal(matrix, 1)
    return matrix.astype(np.float32)


def brute_force(matrix, n):
    return min(
        max(matrix[i, j] for i, j in itertools.combinations(s, 2))
        for s in itertools.combinations(range(len(matrix)), n)
    )


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("count", "n"), [(6, 2), (8, 3), (10, 4), (12, 6), (12, 11)])
def test_small_cases_equal_brute_force(count, n, signed):
    for seed in range(5):
        matrix = random_matrix(count, seed, signed)
        assert select(matrix, n).score == brute_force(matrix, n)


@pytest.mark.parametrize("signed", [False, True])
def test_the_search_alone_equals_brute_force(signed, monkeypatch):
    """Cases that are small enough to check, with the look at every subset switched off."""
    monkeypatch.setattr("fflabels.selection.dispersion.EXHAUSTIVE", 0)
    for seed, (count, n) in enumerate([(8, 3), (10, 4), (12, 5), (14, 7), (14, 3)]):
        matrix = random_matrix(count, seed, signed)
        assert select(matrix, n, iterations=5000).score == brute_force(matrix, n)


@pytest.mark.slow
def test_search_beats_greedy_and_chance():
    x = np.random.default_rng(0).standard_normal((400, 32))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    matrix = np.abs(x @ x.T)
    best, greedy, chance = (select(matrix, 40, method=m) for m in ("best", "greedy", "random"))
    assert best.score < greedy.score < chance.score
    assert best.greedy == greedy.score
    for found in (best, greedy, chance):
        assert list(found.indices) == sorted(set(found.indices.tolist()))
        assert found.score == largest_inside(np.where(np.eye(400), -np.inf, matrix), found.indices)


def test_a_planted_answer_is_found():
    rng = np.random.default_rng(1)
    matrix = rng.uniform(0.3, 1, (300, 300))
    matrix = np.maximum(matrix, matrix.T)
    planted = np.sort(rng.choice(300, 12, replace=False))
    matrix[np.ix_(planted, planted)] = 0.1
    found = select(matrix, 12)
    np.testing.assert_array_equal(found.indices, planted)
    assert found.score == pytest.approx(0.1)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_set_and_the_input_stays_as_it_was():
    matrix = random_matrix(120)
    before = matrix.copy()
    for method in ("best", "greedy", "random"):
        a, b = (select(matrix, 15, seed=4, method=method) for _ in range(2))
        np.testing.assert_array_equal(a.indices, b.indices)
    np.testing.assert_array_equal(matrix, before)


def test_more_iterations_never_hurt():
    matrix = random_matrix(150)
    scores = [select(matrix, 20, iterations=k).score for k in (0, 100, 1000, 10000)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == select(matrix, 20, method="greedy").score


def test_ties_go_to_the_lower_index():
    np.testing.assert_array_equal(farthest_first(np.where(np.eye(5), -np.inf, 0.5), 3, 2), [2, 0, 1])
    np.testing.assert_array_equal(exhaustive(np.where(np.eye(5), -np.inf, 0.5), 3), [0, 1, 2])


def test_the_edges():
    matrix = random_matrix(5)
    assert select(matrix, 5).indices.tolist() == [0, 1, 2, 3, 4]
    assert (select(matrix, 1).indices.tolist(), select(matrix, 1).score) == ([0], 0.0)
    assert select([[1.0]], 1).indices.tolist() == [0]
    assert select(np.ones((40, 40)), 20).score == 1
    assert select(np.eye(40), 20).score == 0
    assert select(-np.arange(9).reshape(3, 3) - np.arange(9).reshape(3, 3).T, 2).score == -12


@pytest.mark.parametrize(
    ("matrix", "n", "options", "message"),
    [
        (np.eye(3), 4, {}, "n: cannot choose as many; got 4; expected 1 to 3"),
        (np.eye(3), 0, {}, "n: cannot choose as many; got 0"),
        (np.ones((2, 3)), 1, {}, r"similarity: not a square matrix; got shape \(2, 3\)"),
        (np.ones((0, 0)), 1, {}, "similarity: not a square matrix"),
        ([[1, np.nan], [np.nan, 1]], 1, {}, "similarity: NaN or infinite"),
        ([[1, np.inf], [np.inf, 1]], 1, {}, "similarity: NaN or infinite"),
        ([[1, 0.5], [0.2, 1]], 1, {}, r"similarity: not symmetric; got 0.5 at \(0, 1\) and 0.2"),
        ([["a"]], 1, {}, "similarity: not real numbers"),
        (np.eye(3), 2, {"method": "bset"}, "method: unknown method; got bset .did you mean 'best'"),
        (np.eye(3), 2, {"seed": -1}, "seed: negative"),
        (np.eye(3), 2, {"iterations": -1}, "iterations: negative"),
    ],
)
def test_bad_input_is_named(matrix, n, options, message):
    with pytest.raises(FFLabelsError, match=message):
        select(matrix, n, **options)


def test_the_sum_of_squares_falls_and_the_largest_does_not_rise():
    for seed in range(4):
        matrix = np.round(random_matrix(60, seed), 1)
        inner = np.where(np.eye(60, dtype=bool), -np.inf, matrix)
        before = select(matrix, 8, iterations=200).indices
        after = least_sum(inner, before)
        assert len(set(after.tolist())) == 8
        assert largest_inside(inner, after) <= largest_inside(inner, before)
        total = [np.square(np.triu(matrix[np.ix_(s, s)], 1)).sum() for s in (before, after)]
        assert total[1] <= total[0]
        for leaving in after:  # no single swap is left
            for entering in np.setdiff1d(np.arange(60), after):
                swapped = np.append(after[after != leaving], entering)
                worse = largest_inside(inner, swapped) > largest_inside(inner, before)
                assert worse or np.square(np.triu(matrix[np.ix_(swapped, swapped)], 1)).sum() > total[1] - 1e-6


@pytest.mark.slow
def test_the_order_of_the_candidates_changes_the_set_but_not_its_worth():
    x = np.random.default_rng(5).standard_normal((500, 24))
    matrix = np.abs(np.corrcoef(x))
    scores = [select(matrix, 40, seed=1).score]
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(500)
        scores.append(select(matrix[np.ix_(order, order)], 40, seed=1).score)
    assert max(scores) < 1.02 * min(scores)


@pytest.mark.slow
@pytest.mark.parametrize(
    "program", ["select(np.round(np.abs(np.corrcoef(x)) * 2**20), 30, iterations=5000)", "select_vectors(x, 30)"]
)
def test_the_same_ids_in_every_process_and_with_any_number_of_threads(program):
    code = (
        "import numpy as np; from fflabels import select, select_vectors\n"
        "x = np.random.default_rng(0).standard_normal((3000, 32)).astype(np.float32)\n"
        f"x = x[:900] if 'corrcoef' in {program!r} else x\n"
        f"print(({program}).indices.tolist())"
    )
    shown = {
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads, "PYTHONHASHSEED": threads},
        ).stdout
        for threads in ("1", "2")
    }  # fmt: skip
    assert len(shown) == 1


@pytest.mark.parametrize("diagonal", [np.nan, np.inf, -np.inf])
def test_the_diagonal_is_not_looked_at(diagonal):
    matrix = random_matrix(4)
    np.fill_diagonal(matrix, diagonal)
    assert select(matrix, 2).score == brute_force(matrix, 2)


def test_a_single_label_by_chance_is_by_chance():
    matrix = random_matrix(12)
    assert len({int(select(matrix, 1, method="random", seed=seed).indices[0]) for seed in range(20)}) > 3
    assert select(matrix, 1).bound == 0


def test_subsets_of_almost_all_are_not_all_looked_at(monkeypatch):
    monkeypatch.setattr("fflabels.selection.dispersion.exhaustive", lambda *_: pytest.fail("looked at every subset"))
    matrix = random_matrix(400)
    assert select(matrix, 399, iterations=10).score >= select(matrix, 398, iterations=10).score
