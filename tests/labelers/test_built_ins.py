"""The built-in labelers: what they draw, what they refuse, and that a batch equals one by one."""

from collections import Counter

import numpy as np
import pytest

from fflabels import FFLabelsError, get_labeler, similarity
from fflabels.labelers.fourier import FourierRecipe, Wave
from fflabels.labelers.morph import MorphRecipe
from fflabels.operators import Invert, Operator, Rotate, Transpose

X = np.random.default_rng(0).random((40, 2, 16, 16), dtype=np.float32)


def recipes_of(labeler, count, shape=(2, 16, 16)):
    return [labeler.propose(np.random.default_rng([1, j]), shape) for j in range(count)]


@pytest.mark.parametrize("kind", ["morph", "fourier", "onehot"])
def test_a_batch_equals_one_by_one(kind):
    labeler = get_labeler(kind)
    recipes = recipes_of(labeler, 12)
    index = np.random.default_rng(2).integers(0, 12, len(X))
    expected = np.stack([labeler.imprint(x[None], recipes[k])[0] for x, k in zip(X, index, strict=True)])
    np.testing.assert_allclose(labeler.imprint_each(X, recipes, index), expected, atol=1e-6)
    same = np.zeros(len(X), int)
    np.testing.assert_allclose(labeler.imprint_each(X, recipes, same), labeler.imprint(X, recipes[0]), atol=1e-6)
    torch = pytest.importorskip("torch")
    found = labeler.imprint_each(torch.from_numpy(X), recipes, torch.from_numpy(index))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["morph", "fourier", "onehot"])
def test_strict_array_api_arrays_go_through(kind):
    strict = pytest.importorskip("array_api_strict")
    labeler = get_labeler(kind)
    index = np.arange(len(X)) % 30
    for recipe in recipes_of(labeler, 30):
        found = np.asarray(labeler.imprint(strict.asarray(X[:2]), recipe))
        np.testing.assert_allclose(found, labeler.imprint(X[:2], recipe), atol=1e-5)
    batch = labeler.imprint_each(strict.asarray(X), recipes_of(labeler, 30), index)
    np.testing.assert_allclose(np.asarray(batch), labeler.imprint_each(X, recipes_of(labeler, 30), index), atol=1e-5)


def test_a_mixed_batch_costs_one_pass_an_operator(monkeypatch):
    labeler = get_labeler("morph")
    shared = recipes_of(labeler, 6)
    recipes = [MorphRecipe((*r.chain[:1], Invert(), *s.chain[:1])) for r in shared for s in shared]
    calls = Counter()
    for kind in {type(o) for r in recipes for o in r.chain}:
        plain = kind.__call__
        monkeypatch.setattr(kind, "__call__", lambda self, x, plain=plain: (calls.update([self]), plain(self, x))[1])
    labeler.imprint_each(X, recipes, np.arange(36).repeat(2)[:40])
    stages = [{r.chain[stage] for r in recipes[:20]} for stage in range(3)]
    assert sum(calls.values()) == sum(map(len, stages)) < 20


@pytest.mark.parametrize("kind", ["morph", "fourier", "onehot"])
def test_draws_depend_on_the_generator_alone(kind):
    labeler = get_labeler(kind)
    one, two = (labeler.propose(np.random.default_rng(7), (1, 16, 16)) for _ in range(2))
    assert one == two
    assert len(set(recipes_of(labeler, 60))) > 5


def test_square_operators_refuse_other_images_and_are_not_drawn_for_them():
    labeler = get_labeler("morph", families=("geometry",))
    wide = X[:, :, :, :9]
    for operator, name in ((Transpose(), "transpose"), (Rotate(1), "rotate")):
        with pytest.raises(FFLabelsError, match=f"operator {name}: needs square images; got 16×9"):
            labeler.imprint(wide, MorphRecipe((operator,)))
    for recipe in recipes_of(labeler, 200, (2, 16, 9)):
        assert not any(o.needs_square for o in recipe.chain)
        assert labeler.imprint(wide, recipe).shape == wide.shape
    assert any(o.needs_square for r in recipes_of(labeler, 200) for o in r.chain)


def test_families_and_lengths_are_kept_to():
    found = recipes_of(get_labeler("morph", families=("morphology",), max_length=2), 200)
    assert {o.family for r in found for o in r.chain} == {"morphology"}
    assert {len(r.chain) for r in found} == {1, 2}
    assert all(isinstance(o, Operator) for r in found for o in r.chain)


def test_a_wave_is_its_formula_stretched_to_the_unit_interval():
    y, x = np.mgrid[:16, :16] / 16
    total = np.cos(2 * np.pi * (2 * y + 3 * x) + 0.5) + np.cos(2 * np.pi * (-x + 1.5 * y))
    recipe = FourierRecipe((Wave(2, 3, 0.5), Wave(1.5, -1)))
    found = get_labeler("fourier").imprint(X, recipe)
    expected = (total - total.min()) / (total.max() - total.min())
    np.testing.assert_allclose(found, np.broadcast_to(expected, X.shape), atol=1e-6)
    assert found.dtype == X.dtype


@pytest.mark.parametrize("size", [14, 16, 28, 32])
def test_the_built_in_set_is_uncorrelated(size):
    labeler = get_labeler("fourier")
    found = similarity(labeler.named_sets["paper10"], labeler, shape=(1, size, size))
    assert np.triu(found, 1).max() <= 0.001


@pytest.mark.parametrize(
    ("waves", "message"),
    [
        ((Wave(9, 0),), r"wave: frequency above the sampling limit; got \(fy, fx\) = \(9, 0\); expected \|fy\| ≤ 8"),
        ((Wave(1, 2), Wave(1, 2, np.pi)), "recipe: the waves cancel"),
    ],
)
def test_waves_that_cannot_be_drawn_are_refused(waves, message):
    with pytest.raises(FFLabelsError, match=message):
        get_labeler("fourier").imprint(X, FourierRecipe(waves))


def test_waves_that_are_none_are_refused():
    with pytest.raises(FFLabelsError, match="a wave needs a frequency"):
        Wave(0, 0)
    with pytest.raises(FFLabelsError, match=r"wave.fx: not finite; got nan; expected a finite number"):
        Wave(1, float("nan"))


@pytest.mark.parametrize("frequencies", ["integer", "continuous"])
def test_frequencies_stay_in_their_range(frequencies):
    labeler = get_labeler("fourier", frequencies=frequencies, min_frequency=2.0, max_frequency=5.0, waves=2)
    waves = [w for r in recipes_of(labeler, 300) for w in r.waves]
    assert all(np.hypot(w.fy, w.fx) >= 2 and max(w.fy, abs(w.fx)) <= 5 and w.fy >= 0 for w in waves)
    assert all(w.fy % 1 == w.fx % 1 == 0 for w in waves) == (frequencies == "integer")
    assert max(w.fy for w in recipes_of(get_labeler("fourier"), 99, (1, 6, 6))[0].waves) <= 3


def test_a_range_without_frequencies_is_refused():
    with pytest.raises(FFLabelsError, match="min_frequency: no frequency fits"):
        recipes_of(get_labeler("fourier", min_frequency=7.0, max_frequency=7.0), 1, (1, 8, 8))
    with pytest.raises(FFLabelsError, match="max_frequency: below min_frequency"):
        get_labeler("fourier", min_frequency=5.0, max_frequency=2.0)


def test_one_hot_overwrites_the_first_pixels_alone():
    labeler = get_labeler("onehot", classes=20)
    recipe = labeler.recipe_type(17, 20)
    found = labeler.imprint(X, recipe).reshape(40, 2, -1)
    np.testing.assert_array_equal(found[..., :20], np.broadcast_to(np.arange(20) == 17, (40, 2, 20)))
    np.testing.assert_array_equal(found[..., 20:], X.reshape(40, 2, -1)[..., 20:])
    with pytest.raises(FFLabelsError, match="position: out of range; got 20; expected 0 to 19"):
        labeler.recipe_type(20, 20)


@pytest.mark.parametrize(
    ("kind", "params", "message"),
    [
        ("morph", {"familes": ()}, "unknown parameter; got familes .did you mean 'families'"),
        (
            "morph",
            {"families": ("colour",)},
            "got families=\\('colour',\\); expected list of .geometry \\| intensity \\| morphology.",
        ),
        ("morph", {"families": ()}, "labeler morph: bad parameter; got families=\\(\\); expected list of"),
        ("fourier", {"waves": 0}, "labeler fourier: bad parameter; got waves=0; expected whole number, 1 to 64"),
        ("fourier", {"waves": "3"}, "labeler fourier: bad parameter; got waves='3'; expected whole number, 1 to 64"),
        ("onehot", {"classes": 0}, "labeler onehot: bad parameter"),
    ],
)
def test_bad_parameters_are_named(kind, params, message):
    with pytest.raises(FFLabelsError, match=message):
        get_labeler(kind, **params)
