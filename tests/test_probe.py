"""The probe against a plain least-squares fit and hand-made sets; the page of a set; references with classes."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from fflabels import FFLabelsError, LabelSet, References, get_labeler, named_set, propose
from fflabels.images import load_classed, load_references
from fflabels.labeler import Labeler
from fflabels.labelers.fourier import Fourier
from fflabels.observer import Observer
from fflabels.page import write_page
from fflabels.probe import RIDGE, probe, ridge

SHAPE = (1, 16, 16)


def waves(*which):
    recipes = named_set("fourier:paper10").recipes
    return LabelSet([recipes[k] for k in which], "fourier")


def test_ridge_is_a_least_squares_fit():
    rng = np.random.default_rng(0)
    x, classes = rng.standard_normal((40, 7), dtype=np.float32) + 3, rng.integers(0, 3, 40)
    weights, mean = ridge(x, classes, 3)
    centred, target = x - x.mean(axis=0), np.eye(3)[classes]
    root = np.sqrt(RIDGE * np.square(centred).sum() / 7)
    a = np.block([[centred, np.ones((40, 1))], [root * np.eye(7), np.zeros((7, 1))]])
    plain, *_ = np.linalg.lstsq(a, np.vstack([target, np.zeros((7, 3))]), rcond=None)
    np.testing.assert_allclose(weights, plain, atol=1e-4)
    np.testing.assert_allclose(mean, x.mean(axis=0, dtype=np.float64))


def test_cells_are_means_of_what_each_filter_answers():
    references = load_references(None, SHAPE)
    eye = Observer(references, seed=3)
    images = references.images[:3]
    found = eye.cells(images, np.full((144, 1), 1 / 144, np.float32))
    np.testing.assert_allclose(np.hstack([found[..., 0], found[..., 1]]), eye.features(images), rtol=1e-4, atol=1e-6)
    assert not np.array_equal(eye.filters, Observer(references).filters)


def test_labels_that_differ_are_read_and_the_same_twice():
    references = load_references(None, SHAPE)
    found = probe(waves(0, 1, 2, 4), references, intensity=0.5)
    assert found.label_accuracy > 0.98
    assert (found.label_chance, found.images, found.classes) == (0.25, 64, None)
    assert found == probe(waves(0, 1, 2, 4), references, intensity=0.5)
    assert found != probe(waves(0, 1, 2, 4), references, intensity=0.01)


def test_two_labels_that_are_one_are_taken_for_each_other():
    found = probe(waves(0, 1, 2, 1), load_references(None, SHAPE), intensity=0.5)
    assert found.label_accuracy == pytest.approx(0.75, abs=0.03)
    i, j, share = found.confused[0]
    assert (i, j) == (1, 3)
    assert share == pytest.approx(0.5, abs=0.03)


def test_the_class_is_covered_where_nothing_of_the_image_is_left():
    references = load_classed("digits", SHAPE)
    assert np.bincount(references.classes).tolist() == [20] * 10
    seen = [probe(waves(0, 1, 2), references, intensity=k) for k in (0.1, 1)]
    assert seen[0].class_accuracy == pytest.approx(seen[0].plain_accuracy, abs=0.08)
    assert seen[0].plain_accuracy > 0.8
    assert seen[1].class_accuracy == pytest.approx(0.1, abs=0.05)
    assert (seen[1].classes, seen[1].class_chance) == (10, 0.1)


@pytest.mark.parametrize("kind", ["onehot", "morph"])
def test_other_kinds_and_a_set_of_one(kind):
    labeler, references = get_labeler(kind), load_references(None, SHAPE)
    recipes = labeler.complete(3, SHAPE) or propose(labeler, 3, shape=SHAPE).recipes[:3]
    assert probe(LabelSet(recipes, labeler), references).label_accuracy > 0.3
    one = probe(LabelSet(recipes[:1], labeler), references)
    assert (one.label_accuracy, one.confused) == (1, [])


@pytest.mark.parametrize(
    ("count", "classes", "message"),
    [
        (0, None, "given: too few reference images for the probe; got 0; expected at least 4"),
        (3, None, "given: too few reference images for the probe; got 3; expected at least 4"),
        (5, [0, 0, 1, 1, 2], "got 3 classes, 1 images of the smallest; expected at least 2 classes, and 2 images of"),
        (5, [0] * 5, "got 1 classes"),
    ],
)
def test_too_few_images(count, classes, message):
    images = load_references(None, SHAPE).images[:count]
    with pytest.raises(FFLabelsError, match=re.escape(message)):
        probe(waves(0, 1), References(images, classes=None if classes is None else np.array(classes)))


def test_too_many_labels(monkeypatch):
    monkeypatch.setattr("fflabels.probe.MAX_FEATURES", 3 * 64 * 64 * 17)
    with pytest.raises(FFLabelsError, match="too many labels for the probe; got 4; expected at most 3 on 64 images"):
        probe(waves(0, 1, 2, 3), load_references(None, SHAPE))


class Holes(Fourier):
    name = "holes"

    def imprint(self, images, recipe):
        return super().imprint(images, recipe) * np.float32(np.nan)


def test_a_labeler_that_draws_nan_is_named():
    assert issubclass(Holes, Labeler)
    with pytest.raises(FFLabelsError, match="NaN or infinite pixels"):
        probe(LabelSet(waves(0, 1).recipes, Holes()), load_references(None, SHAPE))


def pictures(folder, counts):
    rng = np.random.default_rng(0)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for k in range(count):
            Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(folder / name / f"{k:02}.png")


def test_class_folders(tmp_path):
    pictures(tmp_path, {"cats": 3, "dogs": 25, ".hidden": 1})
    found = load_classed(tmp_path, (1, 8, 8))
    assert np.bincount(found.classes).tolist() == [3, 20]
    assert load_references(tmp_path, (1, 8, 8)).images.shape == (28, 1, 8, 8)


def test_npz_with_classes(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8), np.uint8)
    np.savez(tmp_path / "some.npz", images=images, classes=np.array(["a", "b", "c"] * 10))
    found = load_classed(str(tmp_path / "some.npz"), (1, 8, 8))
    assert np.bincount(found.classes).tolist() == [10, 10, 10]
    np.testing.assert_allclose(found.images[:, 0], images / 255, atol=1e-6)
    np.savez(tmp_path / "plain.npz", images=images)
    assert load_classed(tmp_path / "plain.npz", (1, 8, 8)).classes is None
    np.savez(tmp_path / "short.npz", images=images, classes=np.arange(3))
    with pytest.raises(FFLabelsError, match=r"classes: not one class per image; got shape \(3,\); expected \(30,\)"):
        load_classed(tmp_path / "short.npz", (1, 8, 8))
    np.savez(tmp_path / "many.npz", images=np.repeat(images, 22, axis=0), classes=np.arange(660))
    with pytest.raises(FFLabelsError, match="too many classes; got 660; expected at most 320"):
        load_classed(tmp_path / "many.npz", (1, 8, 8))


def page_of(labels, folder, **probed):
    references = load_references(None, SHAPE)
    report = labels.score(SHAPE, references)
    write_page(labels, report, references, folder / "page.html", **probed)
    text = (folder / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|src=\"(?!data:image/png;base64,)", text)
    found = re.findall(r'src="data:image/png;base64,([^"]*)"', text)
    return text, [Image.open(io.BytesIO(base64.b64decode(png))) for png in found]


@pytest.mark.slow
def test_the_page_of_a_set(tmp_path):
    labels = waves(0, 1, 2, 1)
    text, found = page_of(labels, tmp_path, probe=probe(labels, load_references(None, SHAPE)))
    assert len(found) == 1 + 3 + 3 * 3 * 2
    assert "1 and 3: 1.000" in text
    assert "likely hard to learn: to an untrained observer labels 1 and 3" in text
    assert "label probe: 0.7" in text
    assert "class probe: no classes" in text
    page_of(labels, tmp_path)
    first = (tmp_path / "page.html").read_bytes()
    page_of(labels, tmp_path)
    assert (tmp_path / "page.html").read_bytes() == first


@pytest.mark.slow
def test_the_page_of_one_label_and_of_onehot(tmp_path):
    text, found = page_of(waves(3), tmp_path)
    assert len(found) == 1
    assert "One label: no pairs to compare." in text
    assert "linear classifier" not in text
    labeler = get_labeler("onehot")
    assert len(page_of(LabelSet(labeler.complete(2, SHAPE), labeler), tmp_path)[1]) == 1 + 3 + 3 * 1 * 2


@pytest.mark.slow
def test_the_page_of_many_labels_says_that_the_sheet_has_the_first(tmp_path, monkeypatch):
    monkeypatch.setattr("fflabels.page.SHEET", 2)
    assert "The first 2 of 4." in page_of(waves(0, 1, 2, 3), tmp_path)[0]
