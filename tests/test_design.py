"""design: the whole pipeline, its provenance, its baseline, and what it refuses."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from fflabels import FFLabelsError, LabelSet, design, get_labeler, named_set, propose, select, similarity
from fflabels.design import _break_tie, chance_sets, judged_shape
from fflabels.progress import silent
from fflabels.scores import Provenance
from fflabels.selection.dispersion import Selection

SHAPE = (1, 16, 16)


@pytest.fixture(scope="module")
def labels():
    return design("morph", 12, candidates=120, shape=SHAPE, seed=2)


@pytest.mark.slow
def test_it_is_what_its_steps_give(labels):
    labeler = get_labeler("morph")
    pool = propose(labeler, 120, shape=SHAPE, seed=2)
    matrix = similarity(pool, labeler, shape=SHAPE)
    chosen = select(matrix, 12, seed=2)
    assert labels.recipes == tuple(pool[int(i)] for i in chosen.indices)
    assert labels.scores.similarity["pearson"].max == pytest.approx(chosen.score, abs=1e-6)
    assert (labels.provenance.candidates, labels.provenance.drawn) == (120, pool.drawn)


@pytest.mark.slow
def test_it_beats_chance_under_its_metric(labels):
    for metric in ("pearson", "shift"):
        found = design("morph", 12, candidates=120, shape=SHAPE, seed=2, metric=metric)
        assert found.scores.similarity[metric].max < found.scores.random[metric].max
    chance = design("morph", 12, candidates=120, shape=SHAPE, seed=2, method="random")
    assert labels.scores.similarity["pearson"].max < chance.scores.similarity["pearson"].max


@pytest.mark.parametrize("seed", [0, 7])
def test_a_random_set_is_not_one_of_those_that_make_its_chance_baseline(seed):
    chosen = select(np.eye(50), 6, seed=seed, method="random").indices.tolist()
    assert chosen not in [sorted(some) for some in chance_sets(50, 6, seed)]


def test_among_sets_that_are_uncorrelated_the_least_alike_is_taken_though_some_are_shifted_copies():
    """Twelve labels without correlation, of which all but two are copies of one another, shifted."""
    alike = np.full((12, 12), 0.1, np.float32)
    alike[2:, 2:] = 1
    np.fill_diagonal(alike, 1)
    brief = SimpleNamespace(seed=0, similarity=lambda some, *_: alike[np.ix_(some, some)])
    first = Selection(np.arange(2, 6), 0.0, "best", 0.0, 0)
    perfect = lambda some: np.eye(len(some), dtype=np.float32)  # noqa: E731
    found = _break_tie(brief, list(range(12)), perfect, first, "shift", None, silent)
    assert {0, 1} < set(found.indices.tolist())


def test_every_label_is_visible(labels):
    assert len(labels.scores.visibility) == 12
    assert min(labels.scores.visibility) >= 1


@pytest.mark.slow
def test_uncorrelated_waves_are_told_apart_by_shift():
    """A hundred waves with pearson 0 abound; those that are not each other, shifted, are wanted."""
    labels = design("fourier", 100, candidates=700, shape=(1, 32, 32))
    assert labels.scores.similarity["pearson"].max == 0
    assert labels.scores.similarity["shift"].max < 0.01


def test_one_hot_leaves_nothing_to_choose():
    labels = design("onehot", 10, shape=SHAPE)
    assert [r.position for r in labels.recipes] == list(range(10))
    assert labels.provenance.method == "complete"
    assert len(design(get_labeler("onehot", classes=20), 5, candidates=15, shape=SHAPE)) == 5


def test_fewer_candidates_than_asked_for_are_recorded():
    labels = design(get_labeler("onehot", classes=8), 5, candidates=50, shape=SHAPE)
    assert labels.provenance.candidates == 8


@pytest.mark.slow
def test_users_images_decide(labels):
    images = np.random.default_rng(0).random((10, 1, 16, 16), dtype=np.float32)
    found = design("morph", 12, candidates=120, shape=SHAPE, seed=2, references=images)
    labeler = get_labeler("morph")
    pool = propose(labeler, 120, shape=SHAPE, seed=2, references=images)
    chosen = select(similarity(pool, labeler, shape=SHAPE, references=images), 12, seed=2)
    assert found.recipes == tuple(pool[int(i)] for i in chosen.indices)
    assert found.scores.references.count == 10
    assert found.scores.references.sha256 != labels.scores.references.sha256


ONE = np.random.default_rng(0).random((1, 1, 16, 16), np.float32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n: too few; got 0"),
        ({"n": 30, "candidates": 20}, "candidates: fewer than n; got 20; expected at least 30"),
        ({"n": 5, "metric": "cosine"}, "metric: unknown metric; got cosine"),
        ({"n": 5, "method": "bets"}, "method: unknown method; got bets"),
        ({"n": 5, "shape": (1, 0, 8)}, r"shape: not an image shape; got \(1, 0, 8\)"),
        ({"n": 5, "labeler": "morf"}, "unknown labeler; got morf .did you mean 'morph'"),
        ({"n": 5, "intensity": 2.0}, "intensity: out of range; got 2.0; expected above 0, at most 1"),
        ({"n": 5, "iterations": -1}, "iterations: negative; got -1"),
        ({"n": 5, "metric": "dprime", "references": ONE}, "too few reference images for dprime; .*got 1"),
        ({"n": 30, "labeler": "onehot", "shape": (1, 4, 4)}, "onehot: more classes than pixels"),
    ],
)
def test_bad_arguments_are_named(arguments, message, monkeypatch):
    monkeypatch.setattr(
        sys.modules["fflabels.brief"], "propose", lambda *_, **__: pytest.fail("candidates were proposed")
    )
    with pytest.raises(FFLabelsError, match=message):
        design(**{"labeler": "fourier", "shape": SHAPE, **arguments})


def test_more_labels_than_distinct_candidates_are_refused():
    with pytest.raises(FFLabelsError, match=r"runs dry; got 8 in .*expected 9 distinct, visible recipes"):
        design(get_labeler("onehot", classes=8), 9, shape=SHAPE)


def test_numpy_scalars_are_taken_and_saved(tmp_path):
    for seed in np.arange(2):
        labels = design(
            "fourier",
            2,
            candidates=5,
            shape=(1, 8, 8),
            seed=seed,
            intensity=np.float32(0.25),
            min_visibility=np.float32(1),
        )
        labels.save(tmp_path / "x.json")
        assert LabelSet.load(tmp_path / "x.json") == labels
    assert labels.score(intensity=np.float32(0.5)).scores.intensity == 0.5
    images = np.random.default_rng(0).random((2, 1, 8, 8), dtype=np.float32)
    assert labels.embed(images, np.array([0, 1], ">i4"), np.linspace(0, 1, 3)[1]).dtype == np.float32


def test_numpy_scalars_are_taken_by_built_in_sets_and_labelers(tmp_path):
    codes = named_set("code:hadamard", np.int64(8), (np.int64(16), 1, 1), np.int64(3))
    codes.save(tmp_path / "x.json")
    assert LabelSet.load(tmp_path / "x.json") == codes == named_set("code:hadamard", 8, (16, 1, 1), 3)
    assert get_labeler("fourier", waves=np.int64(3)) == get_labeler("fourier", waves=3)
    LabelSet(codes.recipes, codes.labeler, Provenance("mine", seed=np.int64(3))).save(tmp_path / "y.json")
    assert LabelSet.load(tmp_path / "y.json").provenance.seed == 3


@pytest.mark.slow
def test_labels_of_large_images_are_chosen_on_reduced_ones():
    labels = design("fourier", 3, candidates=20, shape=(1, 160, 320))
    assert labels.scores.shape == (1, 32, 64)
    assert labels.provenance.method == "best, reduced from 1x160x320"
    assert design("fourier", 3, candidates=20, shape=(1, 32, 64)).recipes == labels.recipes
    assert design("onehot", 3, shape=(1, 130, 10)).scores.shape == (1, 130, 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 3.5}, "n: not a whole number; got 3.5; expected an integer"),
        ({"n": "3"}, "n: not a whole number; got '3'; expected an integer"),
        ({"n": 3, "candidates": 20.0}, "candidates: not a whole number; got 20.0"),
        ({"n": 3, "seed": None}, "seed: not a whole number; got None"),
        ({"n": 3, "iterations": 10.5}, "iterations: not a whole number; got 10.5"),
        ({"n": 3, "intensity": "0.3"}, "intensity: out of range; got 0.3; expected above 0, at most 1"),
        ({"n": 3, "min_visibility": "1"}, "min_visibility: out of range; got 1; expected a number ≥ 0"),
        ({"n": 3, "certify": "a"}, "certify: not a time; got a; expected seconds, or True"),
    ],
)
def test_what_is_no_whole_number_is_refused(arguments, message):
    with pytest.raises(FFLabelsError, match=message):
        design("fourier", **arguments)


@pytest.mark.parametrize(
    ("shape", "judged"),
    [
        ((3, 224, 224), "3x64x64"), ((1, 400, 200), "1x64x32"), ((8, 4, 200), "8x4x64"), ((1, 20, 400), "1x16x64"),
        ((1, 256, 255), "1x65x64"), ((1, 128, 129), "1x64x65"),
    ],
)  # fmt: skip
def test_the_shorter_side_of_large_images_stays_16_pixels_or_as_it_is(shape, judged):
    assert "x".join(map(str, judged_shape(shape))) == judged


def test_large_images_are_not_reduced_below_what_a_labeler_draws_on():
    class Large(type(get_labeler("fourier"))):
        min_side = 80

    assert judged_shape((1, 200, 150), 80) == (1, 81, 80)
    assert design(Large(), 2, candidates=4, shape=(1, 224, 224)).scores.shape == (1, 80, 80)
    assert LabelSet(propose(Large(), 2, shape=(1, 80, 80)).recipes, Large()).score().scores.shape == (1, 80, 80)


def test_labels_of_elongated_images_can_be_designed():
    assert len(design("waves", 3, candidates=5, shape=(8, 4, 200))) == 3
