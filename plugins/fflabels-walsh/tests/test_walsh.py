import numpy as np
import pytest
from fflabels_walsh import Walsh, WalshCode, WalshCodeRecipe, WalshRecipe, walsh
from scipy.linalg import hadamard

from fflabels import FFLabelsError, design, similarity
from fflabels.testing import LabelerTests


class TestWalsh(LabelerTests):
    labeler = Walsh()


class TestLow(LabelerTests):
    labeler = Walsh(max_sequency=5)


class TestCodes(LabelerTests):
    labeler = WalshCode()


@pytest.mark.parametrize("size", [2, 8, 64])
def test_they_are_the_rows_of_a_hadamard_matrix_by_their_sign_changes(size):
    rows = sorted(hadamard(size).tolist(), key=lambda row: np.count_nonzero(np.diff(row)))
    np.testing.assert_array_equal([walsh(s, size) for s in range(size)], rows)


@pytest.mark.parametrize(
    ("shape", "count"), [((1, 8, 8), 63), ((1, 28, 28), 15), ((1, 16, 12), 63), ((3, 32, 32), 200)]
)
def test_all_that_are_proposed_are_uncorrelated(shape, count):
    found = {Walsh().propose(np.random.default_rng(j), shape) for j in range(2000)}
    assert len(found) >= count
    matrix = similarity(sorted(found, key=lambda r: (r.down, r.across))[:count], Walsh(), shape=shape)
    assert np.triu(matrix, 1).max() < 1e-6


def test_a_selected_set_is_perfect_and_chance_is_too():
    labels = design(Walsh(), 20, candidates=100)
    assert labels.scores.similarity["pearson"].max == labels.scores.random["pearson"].max == 0


@pytest.mark.parametrize(("channels", "n"), [(64, 40), (96, 20)])
def test_codes_are_uncorrelated(channels, n):
    labels = design(WalshCode(), n, candidates=63, shape=(channels, 1, 1))
    assert labels.scores.similarity["pearson"].max == 0
    np.testing.assert_allclose(np.corrcoef(labels.codes()), np.eye(n), atol=1e-12)
    assert (labels.codes().sum(axis=1) == channels / 2).all()


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(FFLabelsError, match="channels: no Walsh function fits; got 33; expected an even number"):
        design(WalshCode(), 3, shape=(33, 1, 1))
    with pytest.raises(FFLabelsError, match="sequency: more sign changes than channels; got 9; expected below 8"):
        WalshCode().imprint(np.zeros((1, 8, 1, 1)), WalshCodeRecipe(9))
    with pytest.raises(FFLabelsError, match="shape: no Walsh function fits"):
        Walsh().propose(np.random.default_rng(0), (1, 17, 31))
    with pytest.raises(FFLabelsError, match="across: more sign changes than pixels; got 9; expected below 8"):
        Walsh().imprint(np.zeros((1, 1, 8, 8)), WalshRecipe(0, 9))
    with pytest.raises(FFLabelsError, match="needs a sign change"):
        WalshRecipe(0, 0)
