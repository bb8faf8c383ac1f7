"""Candidates: distinct, visible, a prefix of any longer list, and honest when the labeler runs dry."""

import numpy as np
import pytest

from fflabels import Labeler, Recipe, get_labeler, load_references, propose, similarity
from fflabels.candidates import SAME
from fflabels.effect import visibility
from fflabels.errors import FFLabelsError, TooFewCandidatesError

SHAPE = (1, 16, 16)


@pytest.fixture(scope="module")
def references():
    return load_references(None, SHAPE)


@pytest.mark.parametrize("kind", ["morph", "fourier"])
def test_longer_lists_begin_with_shorter_ones(kind, references):
    labeler = get_labeler(kind)
    longer = propose(labeler, 150, shape=SHAPE, seed=3, references=references)
    shorter = propose(labeler, 70, shape=SHAPE, seed=3, references=references)
    assert longer[:70] == tuple(shorter)
    assert shorter.drawn < longer.drawn


def test_draws_depend_on_the_seed(references):
    labeler = get_labeler("morph")
    one, other = (propose(labeler, 20, shape=SHAPE, seed=s, references=references) for s in (0, 1))
    assert tuple(one) != tuple(other)


@pytest.mark.slow
def test_candidates_are_distinct_and_visible_and_nothing_else_was_passed_over(references):
    """Brute force over the first draws: the same rule, written plainly."""
    labeler = get_labeler("morph")
    found = propose(labeler, 60, shape=SHAPE, references=references, min_visibility=0.8)
    kept = []
    for j in range(found.drawn):
        recipe = labeler.propose(np.random.default_rng([0, j]), SHAPE)
        if visibility([recipe], labeler, references)[0] < 0.8:
            continue
        alike = similarity([*kept, recipe], labeler, shape=SHAPE, references=references)[-1, :-1]
        if (alike <= SAME).all():
            kept.append(recipe)
    assert tuple(kept) == tuple(found)
    assert found.drawn == len(found) + found.repeated + found.invisible


def test_no_floor_finds_labels_that_a_floor_passes_over(references):
    labeler = get_labeler("morph")
    free = propose(labeler, 60, shape=SHAPE, references=references, min_visibility=0)
    assert free.invisible < propose(labeler, 60, shape=SHAPE, references=references, min_visibility=1).invisible
    assert min(visibility(free.recipes, labeler, references)) < 1


class Two(Recipe, frozen=True):
    which: int


class OnlyTwo(Labeler):
    """Has two labels and no more."""

    name = "only-two"
    image_independent = True
    recipe_type = Two

    def propose(self, rng, shape):
        return Two(int(rng.integers(2)))

    def imprint(self, images, recipe):
        imprint = np.zeros_like(images)
        imprint[..., recipe.which :: 3] = 1
        return imprint


def test_a_labeler_that_runs_dry_says_how_many_it_had(references):
    with pytest.raises(TooFewCandidatesError, match=r"runs dry; got 2 in \d+ draws .* expected 3 distinct"):
        propose(OnlyTwo(), 3, shape=SHAPE, references=references)
    assert len(propose(OnlyTwo(), 3, shape=SHAPE, references=references, at_least=2)) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "candidates: bad number; got 0; expected 1 to 100000"),
        ({"n": 10**6}, "candidates: bad number; got 1000000; expected 1 to 100000"),
        ({"n": 5, "seed": -1}, "seed: negative; got -1"),
        ({"n": 5, "min_visibility": -1.0}, "min_visibility: out of range; got -1.0"),
        ({"n": 5, "min_visibility": float("nan")}, "min_visibility: out of range; got nan"),
    ],
)
def test_bad_arguments_are_named(arguments, message, references):
    with pytest.raises(FFLabelsError, match=message):
        propose(get_labeler("fourier"), shape=SHAPE, references=references, **arguments)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["morph", "fourier"])
def test_what_memory_allows_does_not_change_the_candidates(kind, references, monkeypatch):
    labeler = get_labeler(kind)
    whole = propose(labeler, 150, shape=SHAPE, references=references, min_visibility=0.3)
    monkeypatch.setattr("fflabels.candidates.HELD_BYTES", 0)
    screened = propose(labeler, 150, shape=SHAPE, references=references, min_visibility=0.3)
    assert tuple(screened) == tuple(whole)
    assert (screened.drawn, screened.repeated) == (whole.drawn, whole.repeated)
    assert whole.correlations is not None
    assert screened.correlations is None
    known, anew = (similarity(c, labeler, shape=SHAPE, references=references) for c in (whole, screened))
    np.testing.assert_allclose(known, anew, atol=2e-6)
    np.testing.assert_array_equal(
        similarity(whole, labeler, shape=SHAPE, references="digits"),
        similarity(list(whole), labeler, shape=SHAPE, references="digits"),
    )
