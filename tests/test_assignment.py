"""Which class carries which label: against all orders there are, on classes that were made alike, and in files."""

import itertools
import math

import numpy as np
import pytest

from fflabels import FFLabelsError, LabelSet, References, assign, design, named_set, similarity
from fflabels.assignment import agreement, assignment, likeness
from fflabels.images import load_classed
from fflabels.labelers.fourier import FourierRecipe, Wave

SHAPE = (1, 12, 12)
KINDS = (2, 0, 1, 0, 2, 1)
"""Of which of three kinds each of six classes is."""


def pictures(kinds, each=6, seed=0):
    """Images whose class is a mild change of its kind's pattern, and their classes."""
    rng = np.random.default_rng(seed)
    of_kind, of_class = rng.random((max(kinds) + 1, *SHAPE)), rng.random((len(kinds), *SHAPE))
    classes = np.repeat(np.arange(len(kinds)), each)
    images = (
        0.6 * of_kind[np.array(kinds)[classes]] + 0.2 * of_class[classes] + 0.2 * rng.random((len(classes), *SHAPE))
    )
    return References(images.astype(np.float32), "pictures", classes)


def phases(*waves):
    return LabelSet([FourierRecipe((Wave(*w, phase),)) for phase in (0.0, math.pi / 2) for w in waves], "fourier")


def test_classes_of_a_kind_get_waves_of_a_frequency():
    references, labels = pictures(KINDS), phases((0, 1), (1, 0), (2, 1))
    found = assign(labels, references)
    assert sorted(map(str, found.recipes)) == sorted(map(str, labels.recipes))
    frequencies = [(recipe.waves[0].fy, recipe.waves[0].fx) for recipe in found.recipes]
    for i, j in itertools.combinations(range(6), 2):
        assert (frequencies[i] == frequencies[j]) == (KINDS[i] == KINDS[j])
    assert agreement(found, references) > 0.9 > agreement(labels, references)
    assert assignment(labels, references) == (found, agreement(labels, references), agreement(found, references))


@pytest.mark.parametrize("seed", range(20))
def test_no_order_of_all_agrees_better(seed):
    rng = np.random.default_rng(seed)
    references = pictures((0, 1, 1, 2, 0, 2), seed=seed)
    waves = tuple(Wave(float(fy), float(fx), float(p)) for fy, fx, p in rng.random((6, 3)) * (3, 3, 6) + 0.3)
    labels = LabelSet([FourierRecipe((wave,)) for wave in waves], "fourier")
    alike, same = likeness(references), similarity(labels.recipes, labels.labeler, shape=SHAPE)
    orders = np.array(list(itertools.permutations(range(6))))
    sums = np.einsum("ij,kij->k", alike, same[orders[:, :, None], orders[:, None, :]])
    found = assign(labels, references, metric="pearson")
    assert agreement(found, references, metric="pearson") == pytest.approx(
        agreement(labels.reordered(orders[sums.argmax()]), references, metric="pearson")
    )


@pytest.mark.slow
def test_no_exchange_of_two_agrees_better():
    labels, references = named_set("fourier:low100"), pictures([k % 30 for k in range(100)], each=3)
    found = assign(labels, references)
    alike, same = likeness(references), similarity(found.recipes, found.labeler, shape=SHAPE, metric="shift")
    np.fill_diagonal(same, 0)
    largest = (alike * same).sum()
    for i, j in itertools.combinations(range(100), 2):
        order = np.arange(100)
        order[[i, j]] = j, i
        assert (alike * same[np.ix_(order, order)]).sum() <= largest + 1e-4


@pytest.mark.slow
def test_labels_are_compared_on_images_of_all_classes():
    found = pictures((0, 1, 1, 0), each=80)
    blank = np.where(found.classes[:, None, None, None] == 0, np.float32(0.5), found.images)
    labels = design("morph", 4, candidates=30, shape=SHAPE)
    assert len(set(assign(labels, References(blank, "pictures", found.classes)).recipes)) == 4


def test_the_order_of_the_images_does_not_matter():
    references = load_classed("digits", SHAPE)
    moved = np.random.default_rng(0).permutation(len(references.images))
    mixed = References(references.images[moved], "digits", references.classes[moved])
    np.testing.assert_allclose(likeness(mixed), likeness(references), atol=2e-6)
    labels = phases((0, 1), (1, 0), (1, 1), (1, -1), (0, 2))
    assert assign(labels, mixed) == assign(labels, references)


def test_likeness_is_a_correlation_of_what_is_left_of_the_classes():
    alike = likeness(pictures(KINDS))
    np.testing.assert_allclose(alike, alike.T)
    assert not alike.diagonal().any()
    assert np.abs(alike).max() <= 1 + 1e-9
    same = np.equal.outer(KINDS, KINDS) & ~np.eye(6, dtype=bool)
    assert alike[same].min() > alike[~same & ~np.eye(6, dtype=bool)].max()


def test_the_same_seed_gives_the_same_order():
    references, labels = load_classed("digits", SHAPE), phases((0, 1), (1, 0), (1, 1), (1, -1), (0, 2))
    assert assign(labels, references, seed=3) == assign(labels, references, seed=3)


def test_labels_that_are_all_as_alike_stay_as_they_are():
    labels = named_set("fourier:low10")
    references = load_classed("digits", SHAPE)
    assert assign(labels, references) == labels
    assert agreement(labels, references) == 0
    one = References(references.images[references.classes == 0], "zeros", np.zeros(20, np.int64))
    assert assign(LabelSet(labels.recipes[:1], "fourier"), one).recipes == labels.recipes[:1]


@pytest.mark.slow
def test_scores_follow_their_labels():
    labels = design("morph", 4, candidates=30, shape=SHAPE)
    order = [2, 0, 3, 1]
    moved = labels.reordered(order)
    assert moved.recipes == tuple(labels.recipes[k] for k in order)
    scored = moved.score(SHAPE).scores
    assert moved.scores.visibility == scored.visibility
    assert {m: s.pair for m, s in moved.scores.similarity.items()} == {m: s.pair for m, s in scored.similarity.items()}
    assert moved.reordered(np.argsort(order)) == labels


@pytest.mark.parametrize("order", [[0, 1], [0, 1, 1, 2], [1, 2, 3, 4]])
def test_what_is_no_order_is_refused(order):
    with pytest.raises(FFLabelsError, match="order: not an order of the labels"):
        phases((0, 1), (1, 0)).reordered(order)


def test_what_cannot_be_assigned_is_named():
    labels, found = phases((0, 1), (1, 0), (2, 1)), pictures(KINDS)
    for classes, message in (
        (None, "references pictures: classes: not known; expected images with their classes"),
        (found.classes + 1, "classes: a class without an image; got 0; expected images of each from 0 to 6"),
        (found.classes + 10**12, "classes: a class without an image; got 0"),
        (np.minimum(found.classes, 4), "labels: not one label per class; got 6; expected 5"),
        (
            np.where(found.classes == 4, 3, found.classes),
            "classes: a class without an image; got 4; expected images of each from 0 to 5",
        ),
        (np.where(found.classes == 3, 2, found.classes), "classes: a class without an image; got 3"),
        (found.classes[:18], r"classes: not one class per image; got shape .18,.; expected .36,."),
        (found.classes - 1, "classes: not one class per image; got int64 .36,. from -1"),
        (found.classes.astype(float), "classes: not one class per image; got float64"),
    ):
        with pytest.raises(FFLabelsError, match=message):
            assign(labels, References(found.images, "pictures", classes))
    with pytest.raises(FFLabelsError, match="references photographs: classes: not known"):
        assign(labels, "photographs")
    with pytest.raises(FFLabelsError, match="seed: negative; got -1"):
        assign(labels, found, seed=-1)


def test_too_few_labels_are_named():
    labels, found = phases((0, 1), (1, 0), (2, 1)), pictures(KINDS)
    few = LabelSet(labels.recipes[:5], labels.labeler)
    with pytest.raises(FFLabelsError, match="labels: not one label per class; got 5; expected 6"):
        assign(few, found)


def test_the_hundred_lowest_labels_are_25_frequencies_at_four_phases():
    labels = named_set("fourier:low100")
    waves = [recipe.waves[0] for recipe in labels.recipes]
    lowest = sorted(fy * fy + fx * fx for fy in range(9) for fx in range(-8, 9) if fy > 0 or fx > 0)[:25]
    assert sorted({(w.fy, w.fx): w.fy**2 + w.fx**2 for w in waves}.values()) == lowest
    drawn = labels.imprints(np.zeros((1, 1, 32, 32), np.float32))[:, 0, 0]
    for quarters in drawn.reshape(25, 4, 32, 32):
        np.testing.assert_allclose(quarters[0] + quarters[2], 1, atol=1e-5)
        np.testing.assert_allclose(quarters[1] + quarters[3], 1, atol=1e-5)
        assert abs(np.corrcoef(quarters[0].ravel(), quarters[1].ravel())[0, 1]) < 1e-5


def test_another_seed_is_recorded():
    references, labels = pictures(KINDS), phases((0, 1), (1, 0), (2, 1))
    method = labels.provenance.method
    assert assign(labels, references).provenance.method == f"{method}, assigned by shift on pictures"
    assert assign(labels, references, seed=3).provenance.method == f"{method}, assigned by shift on pictures, seed 3"
