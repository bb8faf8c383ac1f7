"""Codes: what is drawn, proposed and refused, and the sets that are made for a number of labels and a width."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fflabels import FFLabelsError, LabelSet, get_labeler, named_set
from fflabels.labelers.code import CodeRecipe
from fflabels.labelset import open_set

WIDTHS = [4, 12, 20, 28, 36, 64, 128]


def draw(labeler, width, seed=0):
    return labeler.propose(np.random.default_rng(seed), (width, 1, 1))


@pytest.mark.parametrize("library", ["numpy", "torch", "array_api_strict"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_channel_is_filled_with_its_value(library, dtype):
    xp = pytest.importorskip(library)
    images = xp.zeros((2, 3, 4, 5), dtype=getattr(xp, dtype))
    found = get_labeler("code").imprint(images, CodeRecipe((0, 0.25, 1)))
    assert found.dtype == images.dtype
    expected = np.broadcast_to(np.array([0, 0.25, 1])[:, None, None], (2, 3, 4, 5))
    np.testing.assert_array_equal(np.asarray(found), expected)


def test_images_of_other_channels_are_refused():
    with pytest.raises(FFLabelsError, match="channels: a code of another length; got 3 values for 4 channels"):
        get_labeler("code").imprint(np.zeros((1, 4, 1, 1)), CodeRecipe((0, 1, 1)))


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9).filter(lambda values: len(set(values)) > 1))
def test_a_recipe_is_its_values_however_they_are_written(values):
    one, two = CodeRecipe(tuple(values)), CodeRecipe(tuple(np.array(values)))
    assert one == two
    assert one.to_json() == two.to_json()
    assert hash(one) == hash(two)


def test_zeros_and_ones_are_written_as_integers():
    assert CodeRecipe((1.0, 0.5, -0.0)).to_json() == b'{"values":[1,0.5,0]}'


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((1, 1, 1.0), r"values: a code needs two different values; got \(1, 1, 1\)"),
        ((), "a code needs two different values"),
        ((0, 2), r"recipes\[0\]: bad recipe: Expected `int` <= 1 - at `\$.values\[1\]`"),
        ((0, -0.5), "Expected `float` >= 0"),
        ((0, float("nan")), "Expected a finite number, got `nan`"),
        ((0, "a"), r"recipes\[0\]: bad recipe"),
    ],
)
def test_values_that_are_no_code_are_refused(values, message):
    with pytest.raises(FFLabelsError, match=message):
        LabelSet([CodeRecipe(values)], "code")


@settings(max_examples=30)
@given(width=st.integers(2, 300), seed=st.integers(0, 99), data=st.data())
def test_as_many_channels_are_one_as_the_weight_says(width, seed, data):
    weight = data.draw(st.none() | st.integers(1, width - 1))
    values = draw(get_labeler("code", weight=weight), width, seed).values
    assert len(values) == width
    assert sum(values) == (weight or width // 2)
    assert set(values) == {0, 1}


def test_every_channel_is_drawn_alike():
    labeler = get_labeler("code", weight=3)
    codes = np.array([draw(labeler, 12, seed).values for seed in range(2000)])
    np.testing.assert_allclose(codes.mean(axis=0), 1 / 4, atol=0.05)


@pytest.mark.parametrize(
    ("params", "shape", "message"),
    [
        ({}, (1, 1, 1), "shape: not a code's shape; got 1x1x1; expected Wx1x1 with 2 or more channels, for instance"),
        ({}, (3, 32, 32), "shape: not a code's shape; got 3x32x32"),
        ({"weight": 8}, (8, 1, 1), "weight: leaves no channel at 0; got 8; expected 1 to 7 for 8 channels"),
    ],
)
def test_impossible_codes_are_refused(params, shape, message):
    with pytest.raises(FFLabelsError, match=message):
        get_labeler("code", **params).propose(np.random.default_rng(0), shape)


@pytest.mark.parametrize("width", WIDTHS)
def test_hadamard_codes_are_uncorrelated_and_half_ones(width):
    codes = named_set("code:hadamard", width - 1, (width, 1, 1)).codes()
    np.testing.assert_allclose(np.corrcoef(codes), np.eye(width - 1), atol=1e-12)
    assert (codes.sum(axis=1) == width / 2).all()


def test_the_seed_says_which_rows_and_fewer_labels_are_the_first_of_more():
    one, two = (named_set("code:hadamard", 10, (64, 1, 1), seed=seed) for seed in (0, 1))
    assert set(one.recipes) != set(two.recipes)
    assert one == named_set("code:hadamard", 10, (64, 1, 1))
    assert one.recipes == named_set("code:hadamard", 40, (64, 1, 1)).recipes[:10]
    assert one.provenance.method == "built-in set hadamard"
    assert (one.provenance.seed, two.provenance.seed) == (0, 1)


def test_groups_share_the_channels_out():
    codes = named_set("code:groups", 3, (8, 1, 1)).codes()
    np.testing.assert_array_equal(codes.argmax(axis=0), [0, 1, 2, 0, 1, 2, 0, 1])
    assert (codes.sum(axis=0) == 1).all()


@pytest.mark.parametrize(
    ("name", "n", "shape", "message"),
    [
        ("hadamard", 10, (92, 1, 1), "no Hadamard matrix is known for so many channels; got 92; expected 88 or 96"),
        ("hadamard", 90, (92, 1, 1), "got 92; expected 96"),
        ("hadamard", 64, (64, 1, 1), r"more labels than 64 channels have .*; got 64; expected at most 63 \(or 68 chan"),
        ("hadamard", 10, (64, 2, 2), "code:hadamard: not a code's shape; got 64x2x2"),
        ("hadamard", 0, (64, 1, 1), "n: too few; got 0"),
        ("hadamard", -5, (64, 1, 1), "n: too few; got -5"),
        ("groups", 9, (8, 1, 1), "code:groups: not one group per label; got 9; expected 2 to 8 labels"),
        ("groups", 1, (8, 1, 1), "code:groups: not one group per label; got 1"),
        ("hadamard", None, (8, 1, 1), "code:hadamard: is made for a number of labels and a shape"),
        ("groups", 4, None, "code:groups: is made for a number of labels and a shape; expected n and shape"),
        ("hadmard", 4, (8, 1, 1), "code: no such built-in set; got hadmard; expected hadamard, groups"),
    ],
)
def test_sets_that_cannot_be_made_are_refused(name, n, shape, message):
    with pytest.raises(FFLabelsError, match=message):
        named_set(f"code:{name}", n, shape)


def test_a_set_of_fixed_recipes_keeps_its_number(tmp_path):
    assert named_set("fourier:paper10", 10, (1, 8, 8), seed=3) == named_set("fourier:paper10")
    with pytest.raises(FFLabelsError, match="fourier:paper10: a set of another size; got 9; expected 10"):
        named_set("fourier:paper10", 9)
    named_set("code:groups", 4, (8, 1, 1)).save(tmp_path / "a.json")
    assert open_set(tmp_path / "a.json", 4) == LabelSet.load(tmp_path / "a.json")
    with pytest.raises(FFLabelsError, match=r"a.json: a set of another size; got 5; expected 4"):
        open_set(tmp_path / "a.json", 5)


def test_a_set_gives_its_codes_as_a_matrix():
    labels = LabelSet([CodeRecipe((0, 0.25, 1)), CodeRecipe((1, 1, 0))], "code")
    assert labels.shape == (3, 1, 1)
    np.testing.assert_array_equal(labels.codes(), [[0, 0.25, 1], [1, 1, 0]])
    with pytest.raises(FFLabelsError, match="got 3 values for 4 channels"):
        labels.codes(4)
    with pytest.raises(FFLabelsError, match="labeler fourier: not a code; got picture; expected code"):
        named_set("fourier:paper10").codes()
