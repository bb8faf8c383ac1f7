"""Recipes survive JSON, have one text, and differ in it when they differ."""

import json

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fflabels import get_labeler

labelers = st.sampled_from(
    [
        get_labeler("morph"),
        get_labeler("fourier"),
        get_labeler("fourier", waves=3, frequencies="continuous"),
        get_labeler("onehot"),
    ]
)


@given(labelers, st.integers(0, 2**32), st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_there_and_back(labeler, seed, other):
    one, two = (labeler.propose(np.random.default_rng(s), (1, 16, 16)) for s in (seed, other))
    text = one.to_json()
    assert msgspec.json.decode(text, type=labeler.recipe_type) == one
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")).encode()
    assert (one == two) == (one.digest == two.digest)
    assert hash(one) == hash(msgspec.json.decode(text, type=labeler.recipe_type))
