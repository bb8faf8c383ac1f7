"""d′ against a plain reference: scipy's correlation, numpy's covariance, one image at a time; and its edge cases."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.signal import correlate

from fflabels import Labeler, LabelSet, Recipe, References, design, get_labeler, propose
from fflabels import observer as module
from fflabels.brief import Brief
from fflabels.errors import FFLabelsError
from fflabels.metrics.dprime import compute, dprime, dprime_text
from fflabels.observer import FILTERS, Observer
from fflabels.progress import silent

SHAPES = [(1, 12, 12), (3, 8, 10), (2, 7, 9), (1, 3, 4)]


def images_of(shape, count=8):
    return References(np.random.default_rng(5).random((count, *shape), dtype=np.float32))


def alike(recipes, labeler, references, intensity=0.35):
    """Return what the metric computes, also on fewer images than it asks for."""
    return compute(recipes, Brief(labeler, references, intensity), silent)


def plain_features(image, filters):
    """128 features of one image (C, H, W)."""
    z = (image - image.mean()) / image.std()
    maps = [np.maximum(correlate(z, f, mode="valid"), 0) for f in filters.astype(np.float64)]
    return np.array([m.mean() for m in maps] + [np.sqrt((m**2).mean()) for m in maps])


def plain_dprime(labeler, recipes, references, intensity):
    x, k = references.images.astype(np.float64), intensity
    filters = Observer(references, intensity).filters
    overlaid = [[plain_features((1 - k) * a + k * b, filters) for a in x] for b in x]
    within = np.mean([np.cov(np.array(features).T) for features in overlaid], axis=0)
    within += 1e-3 * np.linalg.eigvalsh(within)[-1] * np.eye(len(within))
    means = []
    for recipe in recipes:
        embedded = labeler.embed(x, labeler.imprint(x, recipe), k)
        means.append(np.mean([plain_features(image, filters) for image in embedded], axis=0))
    return np.array([[np.sqrt((a - b) @ np.linalg.solve(within, a - b)) for a in means] for b in means])


@pytest.mark.slow
@pytest.mark.parametrize("intensity", [0.1, 0.9])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["morph", "fourier", "onehot"])
def test_dprime_is_that_of_a_plain_reference(kind, shape, intensity):
    labeler, references = get_labeler(kind), images_of(shape)
    recipes = labeler.complete(6, shape) or propose(labeler, 6, shape=shape, references=references, min_visibility=0)
    found = alike(recipes, labeler, references, intensity)
    expected = 1 / (1 + plain_dprime(labeler, recipes, references, intensity) ** 2)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-6)
    assert (found == found.T).all()
    assert (np.diag(found) == 1).all()


def test_dprime_undoes_its_similarity():
    assert dprime(1.0) == 0
    for d in (0.1, 1, 5, 30):
        assert dprime(1 / (1 + d * d)) == pytest.approx(d, rel=1e-6)


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 9, 11)])
def test_the_way_of_image_independent_labels_is_the_general_one(shape):
    labeler, references = get_labeler("fourier"), images_of(shape)
    recipes = propose(labeler, 20, shape=shape, references=references)
    observer = Observer(references)
    patterns = labeler.patterns(recipes, shape)
    for pattern, quick in zip(patterns, observer.mixtures(iter(patterns[:, None])), strict=True):
        general = observer.features(np.float32(0.65) * references.images + np.float32(0.35) * pattern)
        np.testing.assert_allclose(quick, general, atol=2e-5)


def test_maps_in_strips_and_held_or_not_are_the_same(monkeypatch):
    labeler, references = get_labeler("fourier"), images_of((1, 20, 24))
    recipes = propose(labeler, 12, shape=(1, 20, 24), references=references)

    def taken():
        module._WHITENED.clear()
        return alike(recipes, labeler, references)

    whole = taken()
    for name, value in (("MAP_VALUES", 64 * 25), ("HELD_VALUES", 0), ("TOGETHER", 5), ("PART_BYTES", 3 * 4 * 3 * 80)):
        monkeypatch.setattr(module, name, value)
        np.testing.assert_allclose(taken(), whole, rtol=1e-4, atol=2e-6)


def test_half_of_the_filters_have_mean_zero_and_all_unit_length():
    filters = Observer(images_of((3, 8, 8))).filters
    assert filters.shape == (FILTERS, 3, 5, 5)
    np.testing.assert_allclose((filters**2).sum(axis=(1, 2, 3)), 1, rtol=1e-5)
    np.testing.assert_allclose(filters[:32].mean(axis=(1, 2, 3)), 0, atol=1e-7)
    assert (np.abs(filters[32:].mean(axis=(1, 2, 3))) > 1e-4).all()


def test_dprime_of_two_labels_depends_on_no_third():
    labeler, references = get_labeler("morph"), images_of((1, 10, 10))
    recipes = propose(labeler, 12, shape=(1, 10, 10), references=references, min_visibility=0)
    whole = alike(recipes, labeler, references)
    np.testing.assert_array_equal(alike(recipes[3:5], labeler, references), whole[3:5, 3:5])


def test_a_stronger_label_lies_further_apart():
    labels = design("fourier", 5, candidates=30, shape=(1, 12, 12))
    least = [labels.score(intensity=k).scores.least_dprime[0] for k in (0.05, 0.2, 0.5)]
    assert least == sorted(least)
    assert least[0] < least[-1] / 2


@pytest.mark.slow
def test_selecting_by_dprime_beats_pearson_and_chance_at_it():
    sets = {m: design("morph", 8, candidates=200, metric=m, shape=(1, 16, 16)).scores for m in ("pearson", "dprime")}
    best, chance = sets["dprime"].least_dprime[0], dprime(sets["dprime"].random["dprime"].max)
    assert best > sets["pearson"].least_dprime[0]
    assert best > 2 * chance


def test_two_equal_labels_are_named():
    recipes = propose(get_labeler("fourier"), 3, shape=(1, 16, 16))
    scores = LabelSet([*recipes, recipes[1]], "fourier").score((1, 16, 16)).scores
    assert scores.least_dprime == (0, 1, 3)
    assert "labels 1 and 3 lie d′ 0.00 apart" in LabelSet([*recipes, recipes[1]], "fourier", scores=scores).warning


def test_a_readable_set_gets_no_warning():
    assert design("fourier", 4, candidates=60, shape=(1, 16, 16)).warning is None
    assert design("onehot", 4, shape=(1, 16, 16)).warning is None


@pytest.mark.parametrize("intensity", [0, -0.1, 1.01, float("nan")])
def test_an_intensity_out_of_range_is_refused(intensity):
    with pytest.raises(FFLabelsError, match=r"intensity.*above 0, at most 1"):
        design("fourier", 2, candidates=9, shape=(1, 8, 8), metric="dprime", intensity=intensity)


def test_there_is_no_dprime_where_images_do_not_show():
    small = {"candidates": 20, "shape": (1, 12, 12), "intensity": 1}
    assert list(design("fourier", 3, **small).scores.similarity) == ["pearson", "shift"]
    with pytest.raises(FFLabelsError, match=r"intensity: no dprime at this label intensity; got 1.0; expected below 1"):
        design("fourier", 3, metric="dprime", **small)


def test_a_dprime_that_is_too_large_to_tell_is_called_more():
    scores = design("fourier", 3, candidates=20, shape=(1, 12, 12), intensity=0.9999).scores
    assert scores.readability.startswith("least d′: more than 100 (labels ")
    assert dprime_text(100.0) == "100.00"


@pytest.mark.parametrize("images", [1, 2, 31])
def test_too_few_references_have_no_dprime(images):
    few = images_of((1, 8, 8), images)
    equal = References(np.concatenate([few.images] * 16))
    for references in (few, equal):
        with pytest.raises(
            FFLabelsError, match=rf"too few reference images for dprime; got {images}; expected at least 32"
        ):
            design("fourier", 2, candidates=9, shape=(1, 8, 8), metric="dprime", references=references)
        scores = design("fourier", 2, candidates=9, shape=(1, 8, 8), references=references).scores
        assert list(scores.similarity) == ["pearson", "shift"]


def test_few_references_make_dprime_too_high_and_it_is_said():
    scores = design("fourier", 2, candidates=9, shape=(1, 8, 8), references=images_of((1, 8, 8), 32)).scores
    assert scores.readability.endswith("likely too high, on 32 images only")
    assert "too high" not in design("fourier", 2, candidates=9, shape=(1, 8, 8)).scores.readability


def test_an_image_without_contrast_is_seen_as_nothing():
    images = images_of((1, 8, 8)).images.copy()
    images[0] = 0.5
    observer = Observer(References(images))
    assert (observer.features(images)[0] == 0).all()
    assert np.isfinite(observer.look(get_labeler("morph"), propose(get_labeler("morph"), 3, shape=(1, 8, 8)))).all()


class Hole(Recipe, frozen=True):
    value: float


class Holed(Labeler):
    """Draws what is no number from 1 up."""

    name = "holed"
    recipe_type = Hole

    def imprint(self, images, recipe):
        return images * np.float32(recipe.value if recipe.value < 1 else np.nan)


@pytest.mark.parametrize("independent", [True, False])
def test_nan_from_a_plugin_is_refused(independent, monkeypatch):
    monkeypatch.setattr(Holed, "image_independent", independent)
    with pytest.raises(FFLabelsError, match="NaN or infinite"):
        Observer(images_of((1, 8, 8))).look(Holed(), [Hole(0.5), Hole(2.0)])


DRAW = """
import hashlib
from fflabels import design
print(hashlib.sha256(design("morph", 6, candidates=60, shape=(1, 16, 16), metric="dprime").to_json()).hexdigest())
"""


@pytest.mark.slow
def test_the_same_bytes_on_one_thread_and_two():
    found = set()
    for threads in ("1", "2"):
        environment = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        ran = subprocess.run([sys.executable, "-c", DRAW], env=environment, capture_output=True, text=True, check=True)
        found.add(ran.stdout)
    assert len(found) == 1
