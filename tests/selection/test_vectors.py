"""Selection among vectors: as by their matrix where both can go, and from more than a matrix could hold."""

import tracemalloc

import numpy as np
import pytest

from fflabels import FFLabelsError, select, select_vectors
from fflabels.errors import NoEffectWarning, TooFewCandidatesError


def vectors(count, dimensions=24, seed=0):
    return np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)


def correlations(x):
    return np.abs(np.corrcoef(x.astype(np.float64)))


def largest(x, chosen):
    inside = correlations(x)[np.ix_(chosen, chosen)]
    return inside[~np.eye(len(chosen), dtype=bool)].max()


def test_few_vectors_are_chosen_as_by_their_matrix():
    x = vectors(300)
    found = select_vectors(x, 20, iterations=20_000)
    assert found.score == pytest.approx(largest(x, found.indices), abs=2e-6)
    by_matrix = select(correlations(x), 20, iterations=20_000)
    assert found.score <= by_matrix.greedy
    assert found.score == pytest.approx(by_matrix.score, rel=0.03)
    assert list(found.indices) == sorted(set(found.indices.tolist()))


@pytest.mark.slow
def test_more_candidates_give_a_better_set_than_a_pool_of_them(monkeypatch):
    monkeypatch.setattr("fflabels.selection.vectors.POOL", 200)
    x = vectors(5000)
    found = select_vectors(x, 20)
    assert found.score == pytest.approx(largest(x, found.indices), abs=2e-6)
    alone = min(select(correlations(x[k : k + 200]), 20).score for k in range(0, 5000, 1000))
    assert found.score < 0.97 * alone
    assert found.score < found.greedy


def test_neither_scale_nor_offset_nor_sign_matters():
    x = vectors(400)
    rng = np.random.default_rng(1)
    moved = x * rng.choice([-3.0, 0.5, 8.0], (400, 1)).astype(np.float32) + rng.random((400, 1)).astype(np.float32)
    assert select_vectors(x, 12).score == pytest.approx(select_vectors(moved, 12).score, rel=0.05)


def test_the_same_seed_gives_the_same_set_and_the_vectors_stay_as_they_were(monkeypatch):
    monkeypatch.setattr("fflabels.selection.vectors.POOL", 200)
    x = vectors(2000)
    before = x.copy()
    a, b = (select_vectors(x, 15, seed=3) for _ in range(2))
    np.testing.assert_array_equal(a.indices, b.indices)
    np.testing.assert_array_equal(x, before)


def test_constant_vectors_are_left_out_and_named():
    x = vectors(50)
    x[[4, 7]] = 3.0
    with pytest.warns(NoEffectWarning, match="2 constant vectors are left out: 4, 7"):
        found = select_vectors(x, 48)
    assert not {4, 7} & set(found.indices.tolist())
    with (
        pytest.warns(NoEffectWarning),
        pytest.raises(TooFewCandidatesError, match="too few vectors that vary; got 48; expected at least 49"),
    ):
        select_vectors(x, 49)


def test_a_repeated_vector_is_chosen_once():
    x = np.repeat(vectors(30), 40, axis=0)
    found = select_vectors(x, 10)
    assert len(set((found.indices // 40).tolist())) == 10
    with pytest.raises(TooFewCandidatesError, match="not enough distinct vectors"):
        select_vectors(x, 31)


@pytest.mark.parametrize("scale", [1e-50, 1e-40, 1e30, 1e200])
def test_any_magnitude(scale):
    x = vectors(300, 16).astype(np.float64)
    plain = select_vectors(x, 10)
    scaled = x * scale
    np.testing.assert_array_equal(select_vectors(scaled, 10).indices, plain.indices)
    mixed = x.copy()
    mixed[7] *= scale
    found = select_vectors(mixed, 10)
    assert found.score == pytest.approx(largest(x, found.indices), abs=2e-6)
    with np.errstate(over="ignore", under="ignore"):
        narrow = mixed.astype(np.float32)
    if np.isfinite(narrow).all() and narrow[7].any():
        found = select_vectors(narrow, 10)
        assert 0 < found.score < 1
        assert len(set(found.indices.tolist())) == 10


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_of_all_magnitudes_among_more_than_a_pool(dtype, monkeypatch):
    monkeypatch.setattr("fflabels.selection.vectors.POOL", 100)
    x = vectors(900, 16).astype(np.float64)
    x *= 10.0 ** np.random.default_rng(0).integers(-37, 37, (900, 1))
    x = x.astype(dtype)
    found = select_vectors(x, 10)
    assert found.score == pytest.approx(largest(x, found.indices), abs=2e-6)
    assert found.score < found.greedy


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_large_offset_is_taken_off_before_anything_is_lost(dtype, monkeypatch):
    monkeypatch.setattr("fflabels.selection.vectors.POOL", 100)
    x = (vectors(600, 16).astype(np.float64) + 3e5).astype(dtype)
    found = select_vectors(x, 10)
    assert found.score == pytest.approx(largest(x, found.indices), abs=2e-6)


def test_little_variation_on_a_large_offset_is_compared_exactly():
    x = 1e8 + 1e-5 * vectors(6, 16).astype(np.float64)
    found = select_vectors(x, 6)
    exact = x.astype(np.longdouble) - x.astype(np.longdouble).mean(1, keepdims=True)
    exact /= np.sqrt((exact**2).sum(1, keepdims=True))
    assert found.score == pytest.approx(float(np.abs(exact @ exact.T - np.eye(6)).max()), abs=2e-6)


def test_tensors_are_vectors_too():
    torch = pytest.importorskip("torch")
    x = vectors(100, 16)
    np.testing.assert_array_equal(select_vectors(torch.from_numpy(x), 8).indices, select_vectors(x, 8).indices)


def test_double_precision_a_single_one_and_all():
    x = vectors(40).astype(np.float64)
    assert select_vectors(x, 1).score == 0
    assert select_vectors(x, 40).indices.tolist() == list(range(40))


@pytest.mark.slow
def test_no_copy_of_the_vectors_is_made(monkeypatch):
    monkeypatch.setattr("fflabels.selection.vectors.POOL", 300)
    monkeypatch.setattr("fflabels.selection.vectors.BLOCK_BYTES", 1 << 19)
    x = vectors(40_000, 128)
    tracemalloc.start()
    select_vectors(x, 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.5 * x.nbytes


@pytest.mark.parametrize(
    ("x", "n", "options", "message"),
    [
        (np.zeros((3, 4), int), 2, {}, r"vectors: not vectors; got int64 \(3, 4\); expected floats \(N, D\)"),
        (np.zeros(3), 2, {}, "vectors: not vectors"),
        (vectors(3), 4, {}, "n: cannot choose as many; got 4; expected 1 to 3"),
        (np.where(np.arange(12).reshape(3, 4) == 9, np.nan, 1.0), 2, {}, r"vectors\[2\]: NaN or infinite entries"),
        (vectors(3), 2, {"iterations": -1}, "iterations: negative"),
        (vectors(3), 2, {"seed": -1}, "seed: negative"),
    ],
)
def test_bad_input_is_named(x, n, options, message):
    with pytest.raises(FFLabelsError, match=message):
        select_vectors(x, n, **options)
