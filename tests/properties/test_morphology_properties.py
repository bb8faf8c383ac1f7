"""The algebra of morphology, and what holds for every operator there is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fflabels import get_labeler, morphology

footprints = st.sampled_from(
    [(f, w) for f in morphology.FOOTPRINTS for w in range(2, 8) if w % 2 or f not in morphology.ODD_FOOTPRINTS]
)
images = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(1, 12), st.integers(1, 12)),
    elements=st.floats(0, 1, width=32),
)


@given(images, footprints)
@settings(max_examples=80, deadline=None)
def test_order_idempotence_and_duality(x, footprint):
    m = morphology
    low, high = m.erode(x, *footprint), m.dilate(x, *footprint)
    opened, closed = m.opening(x, *footprint), m.closing(x, *footprint)
    assert (low <= opened).all()
    assert (opened <= x).all()
    assert (x <= closed).all()
    assert (closed <= high).all()
    np.testing.assert_array_equal(m.opening(opened, *footprint), opened)
    np.testing.assert_array_equal(m.closing(closed, *footprint), closed)
    np.testing.assert_array_equal(m.dilate(1 - x, *footprint), 1 - low)


@given(images, images, footprints)
@settings(max_examples=40, deadline=None)
def test_monotone(x, y, footprint):
    if x.shape == y.shape:
        assert (morphology.dilate(np.minimum(x, y), *footprint) <= morphology.dilate(x, *footprint)).all()


@pytest.mark.slow
@given(images, st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_every_chain_keeps_shape_type_and_range_and_the_input(x, seed):
    labeler = get_labeler("morph")
    recipe = labeler.propose(np.random.default_rng(seed), x.shape[1:])
    before = x.copy()
    found = labeler.imprint(x, recipe)
    assert (found.shape, found.dtype) == (x.shape, x.dtype)
    assert 0 <= found.min() <= found.max() <= 1
    np.testing.assert_array_equal(x, before)


@given(st.integers(0, 2**32))
@settings(max_examples=80, deadline=None)
def test_torch_agrees_with_numpy(seed):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(seed).random((2, 1, 12, 12), dtype=np.float32)
    labeler = get_labeler("morph", max_length=1)
    recipe = labeler.propose(np.random.default_rng(seed), (1, 12, 12))
    found, expected = labeler.imprint(torch.from_numpy(x), recipe).numpy(), labeler.imprint(x, recipe)
    if recipe.chain[0].family == "morphology":
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, atol=1e-5)
