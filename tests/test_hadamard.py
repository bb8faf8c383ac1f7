"""Hadamard matrices: H Hᵀ = m I at every order that is claimed, and the orders nearest to one that is not."""

import numpy as np
import pytest
from scipy import linalg

from fflabels import FFLabelsError
from fflabels.hadamard import LARGEST, _construction, alternatives, hadamard, is_known

KNOWN = [order for order in range(1, 1025) if is_known(order)]


@pytest.mark.parametrize(("first", "last"), [(1, 256), pytest.param(257, 1024, marks=pytest.mark.slow)])
def test_every_order_that_is_claimed_is_a_hadamard_matrix(first, last):
    for order in filter(lambda order: first <= order <= last, KNOWN):
        matrix = hadamard(order).astype(np.float32)
        assert set(np.unique(matrix)) <= {-1, 1}
        np.testing.assert_array_equal(matrix @ matrix.T, order * np.eye(order), err_msg=str(order))
        assert (matrix[0] == 1).all()
        assert not matrix[1:].sum(axis=1).any()


@pytest.mark.parametrize("order", [1, 2, 4, 8, 64, 512])
def test_powers_of_two_are_sylvesters(order):
    np.testing.assert_array_equal(hadamard(order), linalg.hadamard(order))


@pytest.mark.parametrize(
    ("order", "construction"),
    [
        (12, ("paley I", 11)),
        (28, ("paley I", 27)),
        (36, ("paley II", 17)),
        (52, ("paley II", 25)),
        (244, ("paley I", 243)),
        (40, ("product", 2)),
        (144, ("product", 2)),
        (1024, ("product", 2)),
    ],
)
def test_each_construction_is_used(order, construction):
    assert _construction(order) == construction


def test_all_multiples_of_four_below_92_are_known_and_no_other_order():
    assert [m for m in range(1, 92) if is_known(m)] == [1, 2, *range(4, 92, 4)]
    assert len(KNOWN) == 2 + 256 - 58
    assert not any(is_known(m) for m in (-4, 0, 92, LARGEST + 4))


def test_what_is_not_known_is_refused_with_the_nearest():
    with pytest.raises(FFLabelsError, match=r"order: no Hadamard matrix is known here; got 92; expected 88 or 96"):
        hadamard(92)
    assert alternatives(64) == "64"
    assert alternatives(0) == "1"
    assert alternatives(90, at_least=89) == "96"
    assert alternatives(5000) == "4096"
    assert alternatives(5000, at_least=5000) == "at most 4096"


def test_a_matrix_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        hadamard(4)[0, 0] = 5
