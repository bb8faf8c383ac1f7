"""Codes for given classes: likeness against scikit-learn, codes against the likeness that was asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fflabels import FFLabelsError, LabelSet, References, class_likeness, codes_from_likeness
from fflabels.assignment import look
from fflabels.class_codes import RIDGE, follows

KINDS = (2, 0, 1, 0, 2, 1)
"""Of which of three kinds each of six classes is."""


def pictures(each=12, seed=0, side=12):
    """Images whose class is a mild change of its kind's pattern, with their classes."""
    rng = np.random.default_rng(seed)
    of_kind, of_class = rng.random((3, 1, side, side)), rng.random((6, 1, side, side))
    classes = np.repeat(np.arange(6), each)
    noise = rng.random((len(classes), 1, side, side))
    images = 0.5 * of_kind[np.array(KINDS)[classes]] + 0.2 * of_class[classes] + 0.3 * noise
    return References(images.astype(np.float32), "pictures", classes)


def correlations(labels):
    return np.corrcoef(labels.codes())


@st.composite
def likenesses(draw):
    """Matrices of correlations of random vectors; of fewer dimensions than vectors, too."""
    n, dimensions = draw(st.integers(2, 12)), draw(st.integers(1, 12))
    vectors = np.random.default_rng(draw(st.integers(0, 99))).standard_normal((n, dimensions))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.clip(vectors @ vectors.T, -1, 1)


@settings(max_examples=40, deadline=None)
@given(likeness=likenesses(), extra=st.integers(1, 40), share=st.floats(0, 1), seed=st.integers(0, 9))
def test_with_more_channels_than_classes_codes_correlate_as_asked(likeness, extra, share, seed):
    labels = codes_from_likeness(likeness, len(likeness) + extra, share=share, seed=seed)
    expected = share * likeness + (1 - share) * np.eye(len(likeness))
    np.testing.assert_allclose(correlations(labels), expected, atol=2e-3)


def test_with_fewer_channels_than_classes_the_largest_differences_are_kept():
    # Three kinds of two classes each: two channels more than nothing tell the kinds apart, not the classes of a kind.
    likeness = np.where(np.equal.outer(KINDS, KINDS), 0.9, 0.0)
    np.fill_diagonal(likeness, 1)
    found = correlations(codes_from_likeness(likeness, 4, share=1))
    same = np.equal.outer(KINDS, KINDS)
    assert found[same].min() > 0.99
    assert found[~same].max() < 0.01


def test_the_truncation_is_the_best_of_its_rank():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((20, 30))
    likeness = vectors @ vectors.T
    likeness /= np.sqrt(np.outer(likeness.diagonal(), likeness.diagonal()))
    codes = codes_from_likeness(likeness, 8, share=1).codes()
    codes -= codes.mean(axis=1, keepdims=True)
    values, axes = np.linalg.eigh(likeness)
    best = (axes[:, -7:] * values[-7:]) @ axes[:, -7:].T  # Eckart and Young
    unit = np.sqrt(np.outer(best.diagonal(), best.diagonal()))
    np.testing.assert_allclose(np.corrcoef(codes), best / unit, atol=2e-3)


def test_share_0_gives_codes_without_correlation():
    likeness = np.where(np.eye(5) > 0, 1, 0.8)
    np.testing.assert_allclose(correlations(codes_from_likeness(likeness, 16, share=0)), np.eye(5), atol=1e-3)


def test_the_seed_chooses_the_channels_and_not_the_correlations():
    likeness = np.where(np.eye(5) > 0, 1, 0.3)
    one, same, other = (codes_from_likeness(likeness, 16, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert (one.codes() != other.codes()).any()
    np.testing.assert_allclose(correlations(one), correlations(other), atol=1e-3)


def test_the_file_keeps_the_codes(tmp_path):
    labels = codes_from_likeness(np.where(np.eye(4) > 0, 1, 0.3), 12, seed=5)
    labels.save(tmp_path / "codes.json")
    again = LabelSet.load(tmp_path / "codes.json")
    np.testing.assert_array_equal(again.codes(), labels.codes())
    assert again.provenance == labels.provenance
    assert (again.provenance.method, again.provenance.seed) == ("classes", 5)
    assert again.scores.similarity["pearson"].max == pytest.approx(0.27, abs=0.01)


def test_classes_of_a_kind_are_more_alike_than_others():
    likeness = class_likeness(pictures())
    same = np.equal.outer(KINDS, KINDS) & ~np.eye(6, dtype=bool)
    assert likeness[same].min() > likeness[~np.equal.outer(KINDS, KINDS)].max()
    np.testing.assert_array_equal(likeness.diagonal(), 1)
    np.testing.assert_array_equal(likeness, likeness.T)
    assert follows(codes_from_likeness(likeness, 64), likeness) > 0.999


def test_likeness_is_that_of_means_whitened_by_the_covariance_within_classes():
    covariance = pytest.importorskip("sklearn.covariance")
    references = pictures(each=30)
    seen, classes = look(references), references.classes
    means = np.stack([seen[classes == k].mean(axis=0) for k in range(6)])
    within = covariance.empirical_covariance(seen - means[classes], assume_centered=True)
    within += RIDGE * np.trace(within) / len(within) * np.eye(len(within))
    offset = means - means.mean(axis=0)
    inner = offset @ np.linalg.inv(within) @ offset.T
    expected = inner / np.sqrt(np.outer(inner.diagonal(), inner.diagonal()))
    np.testing.assert_allclose(class_likeness(references), expected, atol=1e-5)


def test_likeness_does_not_depend_on_the_order_of_the_images():
    references = pictures()
    order = np.random.default_rng(1).permutation(len(references.images))
    mixed = References(references.images[order], "mixed", references.classes[order])
    np.testing.assert_allclose(class_likeness(mixed), class_likeness(references), atol=2e-6)


def test_images_without_contrast_have_no_likeness_to_others():
    images = np.repeat(np.array([0.2, 0.5, 0.8], np.float32), 4)[:, None, None, None] * np.ones(
        (1, 1, 8, 8), np.float32
    )
    likeness = class_likeness(References(images, "flat", np.repeat(np.arange(3), 4)))
    np.testing.assert_array_equal(likeness, np.eye(3))
    assert len(codes_from_likeness(likeness, 3)) == 3


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (None, "references pictures: classes: not known"),
        (np.zeros(72, int), "references pictures: classes: a single class; expected two or more"),
        (np.repeat((0, 2), 36), "a class without an image; got 1"),
    ],
)
def test_images_without_their_classes_are_refused(classes, message):
    with pytest.raises(FFLabelsError, match=message):
        class_likeness(References(pictures().images, "pictures", classes))


EYE = np.eye(3)


@pytest.mark.parametrize(
    ("likeness", "arguments", "message"),
    [
        (EYE, {"width": 1}, "width: not a code's shape; got 1x1x1"),
        (EYE, {"width": 8.0}, "width: not a whole number; got 8.0"),
        (np.where(np.eye(10) > 0, 1, 0.5), {"width": 2}, "width: no code tells any two classes apart; got 2"),
        (
            np.ones((3, 3)),
            {"width": 8, "share": 1.0},
            "likeness: no code tells any two classes apart; got all alike, share 1",
        ),
        (EYE, {"width": 8, "share": 1.5}, "share: out of range; got 1.5; expected 0 to 1"),
        (EYE, {"width": 8, "share": float("nan")}, "share: out of range"),
        (EYE, {"width": 8, "seed": -1}, "seed"),
        (EYE[:2], {"width": 8}, r"likeness: not a square matrix; got \(2, 3\)"),
        (EYE[:1, :1], {"width": 8}, "likeness: not a square matrix"),
        ("digits", {"width": 8}, "likeness: not a matrix of numbers; got str"),
        (EYE * np.nan, {"width": 8}, "likeness: out of range; got nan; expected −1 to 1"),
        (EYE * 2, {"width": 8}, "likeness: out of range; got 2.0"),
        (EYE * 0.5, {"width": 8}, "likeness: a class that is not like itself; expected 1 on the diagonal"),
        (EYE + np.eye(3, k=1) * 0.5, {"width": 8}, "likeness: not symmetric"),
        (np.where(np.eye(3) > 0, 1, -0.9), {"width": 8}, "likeness: cannot be correlations; got an eigenvalue of -0.8"),
    ],
)
def test_what_is_no_likeness_is_refused(likeness, arguments, message):
    with pytest.raises(FFLabelsError, match=message):
        codes_from_likeness(likeness, **arguments)
