"""Label channels made of waves: the waves, the Reed–Solomon code that assigns them, and what is refused."""

import hashlib
from collections import Counter

import numpy as np
import pytest

from fflabels import FFLabelsError, LabelSet, design, get_labeler, named_set
from fflabels.labelers.waves import WAVES, WavesRecipe, reed_solomon_code

SIZES = [(3, 3), (5, 7), (16, 16), (28, 28), (32, 32)]


@pytest.mark.parametrize("size", SIZES)
def test_each_channel_is_its_wave_stretched_to_the_unit_interval(size):
    y, x = (np.arange(side) / side for side in size)
    total = np.array([np.cos(2 * np.pi * (w.fy * y[:, None] + w.fx * x) + w.phase) for w in WAVES])
    low, high = total.min((1, 2), keepdims=True), total.max((1, 2), keepdims=True)
    expected = (total - low) / (high - low)
    found = get_labeler("waves").imprint(np.zeros((2, 16, *size)), WavesRecipe(tuple(range(16))))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), rtol=0, atol=1e-13)


PUBLISHED = {
    0: [1.0, 0.8019377589225769, 0.3568958640098572, 0.0, 0.0, 0.3568958640098572, 0.8019377589225769],
    6: [1.0] * 7,
    11: [0.7941888570785522, 1.0, 0.8293009400367737, 0.41063156723976135, 0.05925843492150307, 0.039772696793079376,
         0.36684751510620117],
}  # fmt: skip
"""The third row of waves at 5×7, as nets of fflabels 0.1 were trained with them, in float32."""


@pytest.mark.parametrize("wave", PUBLISHED)
def test_old_nets_see_the_waves_that_they_were_trained_with(wave):
    labeler, recipe = get_labeler("waves"), WavesRecipe((wave,))
    double = labeler.imprint(np.zeros((1, 1, 5, 7)), recipe)[0, 0, 2]
    single = labeler.imprint(np.zeros((1, 1, 5, 7), np.float32), recipe)[0, 0, 2]
    np.testing.assert_allclose(double.astype(np.float32), np.float32(PUBLISHED[wave]), rtol=0, atol=1e-7)
    np.testing.assert_array_equal(double.astype(np.float32), single)


ASSIGNED = {
    (10, 8, 0): "8da0b95b0c53a518",
    (100, 8, 3): "4f217f9eeb295628",
    (300, 5, 11): "3f10e5479e46f11e",
    (1000, 8, 1): "f2ce89b0c73b1ca7",
    (16, 20, 2): "9251859cebc1aeff",
}
"""Labels, channels and seed: the start of the SHA-256 of the assignment in fflabels 0.1, as little-endian int64."""


@pytest.mark.parametrize("of", ASSIGNED, ids=str)
def test_old_nets_get_the_assignment_that_they_were_trained_with(of):
    found = reed_solomon_code(*of)
    assert hashlib.sha256(found.astype("<i8").tobytes()).hexdigest()[:16] == ASSIGNED[of]
    labels, channels, seed = of
    named = named_set("waves:reed-solomon", labels, (channels, 16, 16), seed)
    assert [recipe.waves for recipe in named.recipes] == list(map(tuple, found.tolist()))


def test_a_small_assignment_of_old_nets():
    expected = [[8, 0], [11, 15], [0, 1], [12, 14]]
    assert reed_solomon_code(4, 2, 0).tolist() == expected


@pytest.mark.parametrize(
    ("labels", "channels"), [(2, 1), (10, 3), (16, 1), (100, 2), (256, 8), (256, 16), (257, 3), (1000, 8)]
)
def test_a_code_tells_all_labels_apart_and_uses_all_waves_alike(labels, channels):
    codes = reed_solomon_code(labels, channels, 3)
    assert len({tuple(of) for of in codes.tolist()}) == labels
    np.testing.assert_array_equal(codes, reed_solomon_code(labels, channels, 3))
    assert not np.array_equal(codes, reed_solomon_code(labels, channels, 4))
    shared = max((codes[a] == codes[a + 1 :]).sum(1).max() for a in range(labels - 1))
    assert shared == (0 if labels <= 16 else 1 if labels <= 256 else 2)
    for of in codes.T.tolist():
        often = Counter(of)
        assert max(often.values()) - (min(often.values()) if len(often) == len(WAVES) else 0) <= 1


@pytest.mark.slow
def test_its_sets_are_designed_saved_and_scored(tmp_path):
    labels = design("waves", 4, candidates=20, shape=(3, 12, 12))
    assert labels.scores.similarity["pearson"].max < 0.5
    labels.save(tmp_path / "a.json")
    assert LabelSet.load(tmp_path / "a.json") == labels
    named = named_set("waves:reed-solomon", 10, (8, 16, 16))
    assert named.shape == (8, 32, 32)
    assert set(named.score((8, 16, 16)).scores.similarity) == {"pearson", "shift", "dprime"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reed_solomon_code(17, 1, 0), "waves:reed-solomon: too few channels to tell .*; got 1 for 17 labels"),
        (lambda: reed_solomon_code(257, 2, 0), "got 2 for 257 labels; expected 3 or more"),
        (lambda: get_labeler("waves").imprint(np.zeros((1, 3, 8, 8)), WavesRecipe((0,))), "got 1 waves for 3 channels"),
        (lambda: get_labeler("waves").imprint(np.zeros((1, 1, 2, 8)), WavesRecipe((0,))), "too small .*; got 2×8"),
        (lambda: get_labeler("waves").propose(None, (8, 1, 9)), "shape: too small for waves; got 1×9; expected 3"),
        (lambda: LabelSet([WavesRecipe((16,))], "waves"), "Expected `int` < 16|<= 15"),
        (lambda: LabelSet([WavesRecipe(())], "waves"), "length >= 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused(call, message):
    with pytest.raises(FFLabelsError, match=message):
        call()
