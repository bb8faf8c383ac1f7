"""Similarity is symmetric, in [0, 1], 1 on the diagonal, and blind to offset and scale of the residual."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fflabels import Labeler, Recipe, References, similarity


class Pattern(Recipe, frozen=True):
    values: tuple[float, ...]
    offset: float = 0.0
    scale: float = 1.0


class Patterns(Labeler):
    """The recipe is the picture."""

    name = "patterns"
    image_independent = True
    recipe_type = Pattern

    def imprint(self, images, recipe):
        pattern = np.array(recipe.values, images.dtype).reshape(1, 1, 3, 4) * recipe.scale + recipe.offset
        return np.broadcast_to(pattern, images.shape).astype(images.dtype)


values = st.lists(st.integers(0, 255).map(lambda v: v / 255), min_size=12, max_size=12)
patterns = values.filter(lambda v: np.std(v) > 0.02).map(lambda v: Pattern(tuple(v)))
REFERENCES = References(np.random.default_rng(0).random((2, 1, 3, 4), dtype=np.float32))


def alike(recipes, metric):
    return similarity(recipes, Patterns(), shape=(1, 3, 4), metric=metric, references=REFERENCES)


@given(st.lists(patterns, min_size=1, max_size=6), st.sampled_from(["pearson", "shift"]))
@settings(max_examples=60, deadline=None)
def test_symmetric_bounded_and_one_on_the_diagonal(recipes, metric):
    found = alike(recipes, metric)
    assert found.dtype == np.float32
    assert found.shape == (len(recipes), len(recipes))
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.diag(found), 1)
    assert 0 <= found.min() <= found.max() <= 1
    np.testing.assert_array_equal(found * 2**20, np.round(found * 2**20))


@given(st.lists(patterns, min_size=2, max_size=4), st.floats(0, 1), st.floats(0.25, 1), st.booleans())
@settings(max_examples=60, deadline=None)
def test_offset_scale_and_sign_do_not_matter(recipes, offset, scale, negate):
    offset *= 1 - scale  # all stay in [0, 1]
    changed = [Pattern(r.values, *((1 - offset, -scale) if negate else (offset, scale))) for r in recipes]
    for metric in ("pearson", "shift"):
        np.testing.assert_allclose(alike(recipes, metric), alike(changed, metric), atol=2e-4)


@given(st.lists(patterns, min_size=2, max_size=5))
@settings(max_examples=60, deadline=None)
def test_no_shift_is_one_of_the_shifts(recipes):
    assert (alike(recipes, "shift") >= alike(recipes, "pearson") - 1e-5).all()
