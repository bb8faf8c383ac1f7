"""Similarity against plain references: scipy's pearson, every cyclic shift tried, and the edge cases."""

import numpy as np
import pytest
from scipy.stats import pearsonr

from fflabels import Labeler, Recipe, References, get_labeler, load_references, propose, similarity
from fflabels import diversity as module
from fflabels.diversity import summarize, worst_pairs
from fflabels.effect import effect, visibility
from fflabels.errors import FFLabelsError, NoEffectWarning
from fflabels.guard import patterns
from fflabels.metrics import blocks
from fflabels.metrics.pearson import Pearson
from fflabels.metrics.shift import Shift

SHAPES = [(1, 12, 12), (3, 8, 10), (2, 7, 9)]


def images_of(shape, count=6):
    return References(np.random.default_rng(5).random((count, *shape), dtype=np.float32))


def plain_residuals(labeler, recipe, references):
    x = references.images
    if labeler.image_independent:
        return labeler.imprint(np.zeros_like(x[:1]), recipe).astype(np.float64)
    return labeler.imprint(x, recipe).astype(np.float64) - x


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["morph", "fourier"])
def test_pearson_is_the_mean_of_scipys_over_the_images(kind, shape):
    labeler, references = get_labeler(kind), images_of(shape)
    recipes = propose(labeler, 12, shape=shape, references=references)
    found = similarity(recipes, labeler, shape=shape, references=references)
    residuals = [plain_residuals(labeler, r, references) for r in recipes]
    for i in range(12):
        for j in range(12):
            per_image = [pearsonr(a.ravel(), b.ravel())[0] for a, b in zip(residuals[i], residuals[j], strict=True)]
            assert found[i, j] == pytest.approx(abs(np.mean(per_image)), abs=3e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["morph", "fourier"])
def test_shift_is_the_largest_over_every_cyclic_shift(kind, shape):
    labeler, references = get_labeler(kind), images_of(shape)
    recipes = propose(labeler, 6, shape=shape, references=references)
    found = similarity(recipes, labeler, shape=shape, metric="shift", references=references)
    for i in range(6):
        for j in range(i):
            a, b = (plain_residuals(labeler, recipes[k], references) for k in (i, j))
            a, b = (v - v.mean(axis=(1, 2, 3), keepdims=True) for v in (a, b))
            a, b = (v / np.sqrt((v**2).sum(axis=(1, 2, 3), keepdims=True)) for v in (a, b))
            every = [
                abs((np.roll(a, (dy, dx), axis=(2, 3)) * b).sum(axis=(1, 2, 3)).mean())
                for dy in range(shape[1])
                for dx in range(shape[2])
            ]
            assert found[i, j] == pytest.approx(max(every), abs=5e-6)


@pytest.mark.parametrize("metric", ["pearson", "shift"])
def test_blocks_change_nothing(metric, monkeypatch):
    labeler, references = get_labeler("morph"), images_of((1, 8, 8))
    recipes = propose(labeler, 25, shape=(1, 8, 8), references=references, min_visibility=0)
    whole = similarity(recipes, labeler, shape=(1, 8, 8), metric=metric, references=references)
    one = {"pearson": Pearson, "shift": Shift}[metric]((6, 1, 8, 8)).bytes_each()
    for held in (1, 4, 24):
        monkeypatch.setattr(blocks, "BLOCK_BYTES", held * one)
        parts = similarity(recipes, labeler, shape=(1, 8, 8), metric=metric, references=references)
        np.testing.assert_allclose(parts, whole, atol=2e-6)


def test_signatures_of_many_blocks_are_made_once(monkeypatch):
    labeler, references = get_labeler("morph"), images_of((1, 8, 8))
    recipes = propose(labeler, 25, shape=(1, 8, 8), references=references, min_visibility=0)
    whole = similarity(recipes, labeler, shape=(1, 8, 8), references=references)
    seen = []
    monkeypatch.setattr(blocks, "effect", lambda *given: seen.append(len(given[2].images)) or effect(*given))
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 4 * 4 * 6 * 64)  # four signatures, or all on one image
    parts = similarity(recipes, labeler, shape=(1, 8, 8), references=references)
    np.testing.assert_allclose(parts, whole, atol=2e-6)
    assert sum(seen) <= 3 * 25 * 6


@pytest.mark.parametrize(("held", "made"), [(15, 25), (4, 25 + 21 + 17 + 13 + 9 + 5 + 1)])
def test_large_signatures_for_shift_are_kept_as_far_as_memory_goes(held, made, monkeypatch):
    labeler, references = get_labeler("morph"), images_of((1, 8, 8))
    recipes = propose(labeler, 25, shape=(1, 8, 8), references=references, min_visibility=0)
    seen, kept = [], []
    monkeypatch.setattr(blocks, "effect", lambda *given: seen.append(given[1]) or effect(*given))
    stack = Shift.stack
    monkeypatch.setattr(Shift, "stack", lambda self, some, count: kept.append(count) or stack(self, some, count))
    monkeypatch.setattr(blocks, "BLOCK_BYTES", held * Shift((6, 1, 8, 8)).bytes_each())
    monkeypatch.setattr(blocks, "SUM_BYTES", 0)
    similarity(recipes, labeler, shape=(1, 8, 8), metric="shift", references=references)
    assert len(seen) == made
    assert max(kept) <= 2 * held - 1


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 6, 9)])
def test_shift_of_images_so_large_that_hardly_one_signature_fits_is_summed_over_images(shape, monkeypatch):
    labeler, references = get_labeler("morph"), images_of(shape)
    recipes = propose(labeler, 25, shape=shape, references=references, min_visibility=0)
    whole = similarity(recipes, labeler, shape=shape, metric="shift", references=references)
    seen, kept = [], []
    monkeypatch.setattr(blocks, "effect", lambda *given: seen.append(len(given[2].images)) or effect(*given))
    stack = Shift.stack
    monkeypatch.setattr(Shift, "stack", lambda self, some, count: kept.append(count) or stack(self, some, count))
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 2 * Shift((6, *shape)).bytes_each())
    monkeypatch.setattr(blocks, "SUM_BYTES", 9 * 9 * Shift((6, *shape)).bytes_of_sum())
    parts = similarity(recipes, labeler, shape=shape, metric="shift", references=references)
    np.testing.assert_allclose(parts, whole, atol=2e-6)
    assert sum(seen) == 6 * (9 + (9 + 9) + (9 + 7) + 9 + (9 + 7) + 7)  # six images; blocks of 9, 9 and 7 labels
    assert max(kept) == 9


def test_sums_over_images_leave_out_those_that_a_label_does_not_change(monkeypatch):
    x = np.random.default_rng(0).random((4, 1, 8, 8), dtype=np.float32) / 4
    x[:2] += 0.6
    recipes = [Brightness(-0.5), Brightness(-0.5, only_bright=True), Brightness(0.0)]
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1)
    with pytest.warns(NoEffectWarning, match="labels without effect on given: 2"):
        found = similarity(recipes, Brighten(), shape=(1, 8, 8), metric="shift", references=x)
    monkeypatch.undo()
    with pytest.warns(NoEffectWarning, match="labels without effect on given: 2"):
        whole = similarity(recipes, Brighten(), shape=(1, 8, 8), metric="shift", references=x)
    np.testing.assert_allclose(found, whole, atol=2e-6)


class Brightness(Recipe, frozen=True):
    add: float
    only_bright: bool = False


class Brighten(Labeler):
    """Adds to each pixel in proportion to it, below 0 to stay an image, to all images or to those that are bright."""

    name = "brighten"
    recipe_type = Brightness

    def imprint(self, images, recipe):
        bright = images.mean(axis=(1, 2, 3), keepdims=True) > 0.5
        gain = 1 + recipe.add * (bright | (not recipe.only_bright))
        return images * gain.astype(images.dtype)


def test_a_label_without_effect_is_named_and_like_its_equals():
    references = images_of((1, 8, 8))
    recipes = [Brightness(0.0), Brightness(-0.5), Brightness(0.0)]
    with pytest.warns(NoEffectWarning, match="labels without effect on given: 0, 2"):
        found = similarity(recipes, Brighten(), shape=(1, 8, 8), references=references)
    np.testing.assert_array_equal(found, [[1, 0, 1], [0, 1, 0], [1, 0, 1]])


def test_images_that_a_label_leaves_as_they_are_do_not_dilute_its_likeness():
    x = np.random.default_rng(0).random((4, 1, 8, 8), dtype=np.float32) / 4
    x[1:3] += 0.6
    recipes = [Brightness(-0.2, only_bright=True), Brightness(-0.4, only_bright=True), Brightness(-0.2)]
    found = similarity(recipes, Brighten(), shape=(1, 8, 8), references=References(x))
    assert found[0, 1] == pytest.approx(1, abs=1e-6)
    assert found[0, 2] == pytest.approx(2 / np.sqrt(2 * 4), abs=1e-6)


def test_visibility_is_the_change_in_units_of_contrast():
    references = images_of((1, 8, 8))
    x = references.images.astype(np.float64)
    contrast = np.sqrt(np.mean([image.var() for image in x]))
    [found] = visibility([Brightness(-0.5)], Brighten(), references)
    assert found == pytest.approx(np.sqrt(np.mean((0.5 * x) ** 2)) / contrast, rel=1e-5)
    fourier = get_labeler("fourier")
    wave = fourier.named_sets["paper10"][3]
    expected = np.sqrt(np.mean((fourier.imprint(x, wave) - x) ** 2)) / contrast
    assert visibility([wave], fourier, references)[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_imprint_that_is_not_finite_is_refused(value):
    class Broken(Brighten):
        def imprint(self, images, recipe):
            return np.where(images > 0.99, value, images).astype(images.dtype)

    references = References(np.linspace(0, 1, 128, dtype=np.float32).reshape(2, 1, 8, 8))
    with pytest.raises(FFLabelsError, match="labeler brighten: imprint with NaN or infinite pixels"):
        effect(Broken(), Brightness(0.1), references)


@pytest.mark.parametrize(
    "change", [lambda a: a[:, :, :4], lambda a: a.astype(np.float64), lambda a: a[0], lambda a: a.tolist()]
)
def test_an_imprint_of_a_wrong_shape_or_type_is_refused(change):
    class Broken(Brighten):
        def imprint(self, images, recipe):
            return change(images)

    with pytest.raises((FFLabelsError, AttributeError), match="imprint of a wrong shape or type"):
        effect(Broken(), Brightness(0.1), images_of((1, 8, 8)))


@pytest.mark.parametrize("value", [np.nan, 9, -1])
def test_patterns_that_are_no_images_are_refused(value):
    class Broken(Brighten):
        def patterns(self, recipes, shape):
            return np.full((len(recipes), *shape), value, np.float32)

    with pytest.raises(FFLabelsError, match=r"labeler brighten: patterns out of range; got .*expected 0 to 1"):
        patterns(Broken(), [Brightness(0.1)], (1, 8, 8))


def test_summary_and_worst_pairs():
    matrix = np.array([[1, 0.2, 0.9], [0.2, 1, 0.9], [0.9, 0.9, 1]], np.float32)
    assert summarize(matrix).max == pytest.approx(0.9)
    assert summarize(matrix).mean == pytest.approx(2 / 3, abs=1e-6)
    assert [(i, j) for i, j, _ in worst_pairs(matrix, 2)] == [(0, 2), (1, 2)]
    assert summarize(matrix[:1, :1]) == module.Summary(0, 0)


def test_an_unknown_metric_suggests_the_nearest():
    with pytest.raises(FFLabelsError, match=r"unknown metric; got pearsn .did you mean 'pearson'"):
        similarity([], get_labeler("fourier"), shape=(1, 8, 8), metric="pearsn")


def test_waves_a_quarter_period_apart_are_one_under_shifts():
    from fflabels.labelers.fourier import FourierRecipe, Wave

    recipes = [FourierRecipe((Wave(2, 0, phase),)) for phase in (0.0, np.pi / 2)]
    fourier = get_labeler("fourier")
    assert similarity(recipes, fourier, shape=(1, 16, 16))[0, 1] == 0
    assert similarity(recipes, fourier, shape=(1, 16, 16), metric="shift")[0, 1] == pytest.approx(1, abs=1e-5)


def test_513_integer_waves_are_orthogonal_under_both_metrics():
    from fflabels.labelers.fourier import FourierRecipe, Wave

    half_plane = [(fy, fx) for fy in range(17) for fx in range(-15, 17) if fy > 0 or fx > 0]
    one_each = [(fy, fx) for fy, fx in half_plane if not (fy in (0, 16) and fx < 0)]
    recipes = [FourierRecipe((Wave(fy, fx),)) for fy, fx in one_each]
    assert len(recipes) == 513
    some = recipes[:: 513 // 60]
    for metric, which in (("pearson", recipes), ("shift", some)):
        found = similarity(which, get_labeler("fourier"), shape=(1, 32, 32), metric=metric)
        assert summarize(found).max < 1e-5


def test_references_are_fitted_to_the_shape_asked_for():
    found = load_references(images_of((3, 20, 20)), (1, 8, 10))
    assert found.shape == (1, 8, 10)
