"""More candidates than can be compared all with all: drawn when looked at, chosen as the few would be."""

import sys

import numpy as np
import pytest

from fflabels import FFLabelsError, Labeler, Recipe, design, get_labeler, load_references, propose, similarity
from fflabels.errors import TooFewCandidatesError
from fflabels.labelers.fourier import Wave, single_waves, wave_pattern
from fflabels.many import Patterns, propose_many, visibilities

SHAPE = (1, 12, 16)


@pytest.fixture
def references():
    return load_references(None, SHAPE)


@pytest.fixture
def _few_are_many(monkeypatch):
    monkeypatch.setattr(sys.modules["fflabels.design"], "MAX_COMPARED", 300)


def test_single_waves_drawn_together_are_those_drawn_alone():
    rng = np.random.default_rng(0)
    waves = [Wave(*rng.uniform((0, -8, 0), (6, 8, 6.2))) for _ in range(50)] + [Wave(6, 0), Wave(0, -3, 1.0)]
    drawn = single_waves(waves, 12, 16)
    for wave, pattern in zip(waves, drawn, strict=True):
        np.testing.assert_allclose(pattern, wave_pattern((wave,), 12, 16), atol=2e-6)
    with pytest.raises(FFLabelsError, match="frequency above the sampling limit"):
        single_waves([Wave(1, 1), Wave(9, 1)], 12, 16)


@pytest.mark.parametrize("parameters", [{}, {"waves": 3}, {"frequencies": "continuous"}])
def test_patterns_are_the_imprints_and_visibilities_the_usual_ones(references, parameters):
    labeler = get_labeler("fourier", **parameters)
    recipes = propose(labeler, 40, shape=SHAPE, references=references).recipes
    blank = np.zeros((1, *SHAPE), np.float32)
    expected = np.concatenate([labeler.imprint(blank, recipe) for recipe in recipes])
    np.testing.assert_allclose(labeler.patterns(recipes, SHAPE), expected, atol=2e-6)
    lazy = Patterns(labeler, recipes, SHAPE)
    assert lazy.shape == (40, 12 * 16)
    np.testing.assert_allclose(lazy[10:20], expected[10:20].reshape(10, -1), atol=2e-6)
    np.testing.assert_allclose(lazy[np.array([3, 3, 39])], expected[[3, 3, 39]].reshape(3, -1), atol=2e-6)
    from fflabels.effect import visibility

    np.testing.assert_allclose(
        visibilities(labeler, recipes, references), visibility(recipes, labeler, references), rtol=1e-4
    )


@pytest.mark.slow
def test_draws_are_those_of_propose(references):
    labeler = get_labeler("fourier", frequencies="continuous")
    many = propose_many(labeler, 3000, shape=SHAPE, seed=3, references=references)
    few = propose(labeler, 20, shape=SHAPE, seed=3, references=references)
    assert len(many) == 3000
    assert set(few.recipes) <= set(many.recipes[:200])
    once = propose_many(labeler, 20, shape=SHAPE, seed=3, references=references)
    assert (once.recipes, once.drawn, once.invisible) == (few.recipes, few.drawn, few.invisible)
    high = propose_many(labeler, 100, shape=SHAPE, seed=3, references=references, min_visibility=2.3)
    assert min(visibilities(labeler, high.recipes, references)) >= 2.3
    assert high.invisible > 0


@pytest.mark.slow
@pytest.mark.usefixtures("_few_are_many")
def test_from_many_a_better_set_is_chosen(references):
    labeler = get_labeler("fourier", frequencies="continuous")
    few, many = (design(labeler, 20, candidates=count, shape=SHAPE, references=references) for count in (300, 6000))
    assert many.provenance.candidates == 6000
    largest = similarity(many.recipes, labeler, shape=SHAPE, references=references)
    assert many.scores.similarity["pearson"].max == pytest.approx(np.triu(largest, 1).max(), abs=1e-5)
    assert many.selection.score == pytest.approx(np.triu(largest, 1).max(), abs=2e-5)
    assert many.selection.score < few.selection.score
    again = design(labeler, 20, candidates=6000, shape=SHAPE, references=references)
    assert again.to_json() == many.to_json()


@pytest.mark.slow
@pytest.mark.usefixtures("_few_are_many")
def test_among_perfect_sets_the_shifted_similarity_decides(references):
    found = design("fourier", 6, candidates=600, shape=SHAPE, references=references)
    assert found.scores.similarity["pearson"].max < 1e-5
    assert found.scores.similarity["shift"].max < 0.3


@pytest.mark.usefixtures("_few_are_many")
@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("morph", {}, "too many candidates for labels that depend on the image; got 301"),
        ("fourier", {"metric": "shift"}, "candidates: too many to compare pair by pair; got 301"),
        ("fourier", {"certify": 5}, "candidates: too many to compare pair by pair"),
        ("fourier", {"min_visibility": float("nan")}, "min_visibility: out of range; got nan"),
        ("fourier", {"method": "greedy"}, "candidates: too many to compare pair by pair"),
    ],
)
def test_what_cannot_be_done_with_many(references, kind, options, message):
    with pytest.raises(FFLabelsError, match=message):
        design(kind, 5, candidates=301, shape=SHAPE, references=references, **options)


def test_flat_waves_are_refused_however_they_are_drawn():
    for drawn in (lambda w: wave_pattern((w,), 12, 16), lambda w: single_waves([Wave(1, 1), w], 12, 16)):
        with pytest.raises(FFLabelsError, match="the waves cancel, the pattern is flat"):
            drawn(Wave(1e-9, 0))


def test_a_certificate_that_cannot_be_is_refused_at_once(references):
    with pytest.raises(FFLabelsError, match="too many candidates for a certificate; got 7000"):
        design("morph", 5, candidates=7000, shape=SHAPE, references=references, certify=True)


def test_limits(references, monkeypatch):
    labeler = get_labeler("fourier", max_frequency=1)
    with pytest.raises(FFLabelsError, match="candidates: too many; got 6000000; expected at most 5000000"):
        propose_many(labeler, 6_000_000, shape=SHAPE, seed=0, references=references)
    monkeypatch.setattr("fflabels.many.BLOCK", 64)
    monkeypatch.setattr("fflabels.many.FRUITLESS", 128)
    with pytest.raises(TooFewCandidatesError, match="runs dry"):
        propose_many(labeler, 9, shape=SHAPE, seed=0, references=references, min_visibility=99.0, at_least=5)


class Tilt(Recipe, frozen=True):
    a: int
    b: int


class Tilted(Labeler):
    """Whole numbers, of which CPython hashes −1 and −2 alike."""

    name = "tilted"
    image_independent = True
    recipe_type = Tilt

    def propose(self, rng, shape):
        return Tilt(*(int(k) for k in rng.integers(-3, 4, 2)))

    def imprint(self, images, recipe):
        _, _, h, w = images.shape
        y, x = np.mgrid[:h, :w]
        return np.zeros_like(images) + ((recipe.a + 3) * y + (recipe.b + 4) * x * x).astype(images.dtype) / 2000


def test_recipes_of_equal_hash_are_different_candidates():
    assert hash(Tilt(-1, 0)) == hash(Tilt(-2, 0))
    pool = propose_many(
        Tilted(), 49, shape=(1, 8, 8), seed=0, references=load_references(None, (1, 8, 8)), min_visibility=0
    )
    assert len(pool) == 49
