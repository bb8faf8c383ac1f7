"""LabelSet: embedding, the file there and back, rescoring, built-in sets."""

import json
import re

import numpy as np
import pytest

from fflabels import FFLabelsError, Labeler, LabelSet, Recipe, design, get_labeler, named_set
from fflabels.guard import draw
from fflabels.label_set_file import Contents
from fflabels.labelers.fourier import FourierRecipe, Wave
from fflabels.labelset import open_set
from fflabels.scores import Provenance

SHAPE = (1, 16, 16)
IMAGES = np.random.default_rng(0).random((7, 1, 16, 16), dtype=np.float32)
LABELS = np.array([0, 3, 2, 2, 1, 0, 3])


@pytest.fixture(scope="module", params=["morph", "fourier", "onehot"])
def labels(request):
    return design(request.param, 4, candidates=40, shape=SHAPE)


def test_embed_mixes_each_image_with_its_own_label(labels):
    found = labels.embed(IMAGES, LABELS, 0.3)
    for image, label, result in zip(IMAGES, LABELS, found, strict=True):
        imprint = labels.labeler.imprint(image[None], labels.recipes[label])[0]
        expected = imprint if labels.labeler.overwrites else 0.7 * image + 0.3 * imprint
        np.testing.assert_allclose(result, expected, atol=1e-6)
    assert found.dtype == np.float32
    assert 0 <= found.min() <= found.max() <= 1


def test_no_intensity_leaves_the_image_and_full_intensity_the_imprint(labels):
    if labels.labeler.overwrites:
        np.testing.assert_array_equal(labels.embed(IMAGES, LABELS, 0), labels.embed(IMAGES, LABELS, 1))
        return
    np.testing.assert_array_equal(labels.embed(IMAGES, LABELS, 0), IMAGES)
    imprints = labels.imprints(IMAGES)
    assert imprints.shape == (4, *IMAGES.shape)
    np.testing.assert_allclose(labels.embed(IMAGES, LABELS, 1), imprints[LABELS, np.arange(7)], atol=1e-6)


def test_torch_tensors_go_through_too(labels):
    torch = pytest.importorskip("torch")
    found = labels.embed(torch.from_numpy(IMAGES), torch.from_numpy(LABELS), 0.3)
    assert isinstance(found, torch.Tensor)
    np.testing.assert_allclose(found.numpy(), labels.embed(IMAGES, LABELS, 0.3), atol=1e-5)
    assert labels.imprints(torch.from_numpy(IMAGES)).shape == (4, *IMAGES.shape)


def test_one_intensity_per_image_and_the_default(labels):
    torch = pytest.importorskip("torch")
    each = np.linspace(0, 1, 7, dtype=np.float32)
    expected = np.concatenate(
        [labels.embed(IMAGES[i : i + 1], LABELS[i : i + 1], float(k)) for i, k in enumerate(each)]
    )
    found = labels.embed(IMAGES, LABELS, each)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.dtype == np.float32
    tensors = labels.embed(torch.from_numpy(IMAGES), torch.from_numpy(LABELS), torch.from_numpy(each))
    np.testing.assert_allclose(tensors.numpy(), expected, atol=1e-5)
    np.testing.assert_array_equal(labels.embed(IMAGES, LABELS), labels.embed(IMAGES, LABELS, 0.35))


def test_embedding_keeps_gradients(labels):
    torch = pytest.importorskip("torch")
    images = torch.from_numpy(IMAGES).requires_grad_()
    assert labels.embed(images, torch.from_numpy(LABELS), 0.3).requires_grad


@pytest.mark.parametrize(
    ("images", "index", "intensity", "message"),
    [
        (IMAGES, LABELS, 1.5, "intensity: out of range; got 1.5"),
        (IMAGES, LABELS, float("nan"), "intensity: out of range"),
        (
            IMAGES,
            LABELS + 1,
            0.3,
            "labels: labels do not fit; got 7 from 1 to 4; expected 7, one per image, from 0 to 3",
        ),
        (IMAGES, LABELS[:3], 0.3, "labels: labels do not fit; got 3"),
        (IMAGES, LABELS.astype(float), 0.3, "labels must be a vector of integers"),
        (IMAGES[0], LABELS, 0.3, r"images: not a batch of images; got shape \(1, 16, 16\)"),
        ((IMAGES * 255).astype(np.uint8), LABELS, 0.3, "images: not floating point; got uint8"),
        (IMAGES * 255, LABELS, 0.3, r"images: out of range; got 0\.\d+ to 25\d\.?\d*; expected 0 to 1 .divide by 255"),
        (IMAGES - 0.5, LABELS, 0.3, r"images: out of range; got -0\.\d+ to 0\.\d+; expected 0 to 1$"),
        (np.where(IMAGES > 0.9, np.nan, IMAGES), LABELS, 0.3, "images: out of range; got nan to nan"),
        (IMAGES, LABELS, np.full(3, 0.3), r"intensity: does not fit; got shape \(3,\); expected .*\(7,\)"),
        (IMAGES, LABELS, np.linspace(0, 1.5, 7), "intensity: out of range; got 0 to 1.5; expected 0 to 1"),
    ],
)
def test_what_cannot_be_embedded_is_named(images, index, intensity, message):
    with pytest.raises(FFLabelsError, match=message):
        LabelSet(named_set("fourier:paper10").recipes[:4], "fourier").embed(images, index, intensity)


def test_the_file_there_and_back(labels, tmp_path):
    labels.save(tmp_path / "labels.json")
    assert LabelSet.load(tmp_path / "labels.json") == labels
    assert LabelSet.load(tmp_path / "labels.json").to_json() == labels.to_json()
    content = json.loads((tmp_path / "labels.json").read_text())
    assert list(content) == sorted(content)
    assert content["labeler"]["distribution"] == "fflabels"
    assert [p.name for p in tmp_path.iterdir()] == ["labels.json"]


def test_labels_by_hand(tmp_path):
    labels = LabelSet([FourierRecipe((Wave(0, 3),)), FourierRecipe((Wave(3, 0), Wave(1, 1)))], "fourier")
    assert labels.provenance == Provenance("by hand")
    labels.save(tmp_path / "mine.json")
    assert LabelSet.load(tmp_path / "mine.json") == labels
    assert labels.shape == (1, 32, 32)


def test_whole_numbers_are_floats_where_those_belong():
    ints, floats = (LabelSet([FourierRecipe((Wave(zero, three),))], "fourier") for zero, three in ((0, 3), (0.0, 3.0)))
    assert ints.to_json() == floats.to_json() == LabelSet.from_json(ints.to_json()).to_json()
    assert ints.recipes[0].digest == floats.recipes[0].digest


def test_numbers_of_numpy_become_plain_ones():
    recipe = FourierRecipe((Wave(np.float64(1), np.int64(2), np.float32(0.5)),))
    assert LabelSet([recipe], "fourier").recipes == (FourierRecipe((Wave(1.0, 2.0, 0.5),)),)
    assert recipe.digest == FourierRecipe((Wave(1.0, 2.0, 0.5),)).digest


def test_recipes_by_hand_are_held_against_their_types():
    with pytest.raises(FFLabelsError, match=r"recipes\[0\]: bad recipe: Expected `array` of length >= 1"):
        LabelSet([FourierRecipe(())], "fourier")


def test_recipes_of_another_labeler_are_refused():
    with pytest.raises(FFLabelsError, match=r"recipes\[0\]: not a recipe of the labeler.*expected MorphRecipe"):
        LabelSet([FourierRecipe((Wave(0, 3),))], "morph")
    with pytest.raises(FFLabelsError, match="recipes: bad number of recipes; got 0"):
        LabelSet([], "morph")


def test_parameters_survive_the_file():
    labeler = get_labeler("morph", families=("morphology",), max_length=2)
    labels = design(labeler, 3, candidates=20, shape=SHAPE)
    assert LabelSet.from_json(labels.to_json()).labeler == labeler


def test_a_set_is_rescored_at_another_shape():
    labels = design("fourier", 6, candidates=50, shape=SHAPE)
    report = labels.score((1, 28, 28))
    assert report.scores.shape == (1, 28, 28)
    assert labels.score().scores.shape == SHAPE
    assert report.scores.similarity.keys() == {"pearson", "shift", "dprime"}


def test_scoring_finds_duplicates_and_the_worst_pair():
    wave, other = FourierRecipe((Wave(2, 1),)), FourierRecipe((Wave(0, 5),))
    report = LabelSet([wave, other, wave], "fourier").score(SHAPE)
    assert [(i, j) for i, j, _ in report.duplicates] == [(0, 2)]
    assert report.worst("pearson", 1)[0][:2] == (0, 2)
    assert report.scores.similarity["pearson"].max == 1


@pytest.mark.parametrize("size", [5, 8, 13])
def test_the_lowest_waves_are_orthogonal_whatever_their_shifts(size):
    labels = named_set("fourier:low10")
    waves = labels.imprints(np.zeros((1, 1, size, size), np.float32))[:, 0, 0].astype(np.float64)
    waves -= waves.mean((1, 2), keepdims=True)
    waves /= np.sqrt((waves**2).sum((1, 2), keepdims=True))
    shifts = [np.roll(waves, shift, (1, 2)) for shift in np.ndindex(size, size)]
    alike = np.max([abs(np.einsum("ihw,jhw->ij", waves, shifted)) for shifted in shifts], axis=0)
    assert len(labels) == 10
    assert alike[~np.eye(10, dtype=bool)].max() < 1e-6


def test_built_in_sets(tmp_path):
    labels = named_set("fourier:paper10")
    assert len(labels) == 10
    assert open_set("fourier:paper10") == labels
    labels.save(tmp_path / "a.json")
    assert open_set(tmp_path / "a.json") == labels
    with pytest.raises(FFLabelsError, match="fourier: no such built-in set; got paper11; expected paper10"):
        named_set("fourier:paper11")
    with pytest.raises(FFLabelsError, match="morph: no such built-in set; got x; expected it has none"):
        open_set("morph:x")


class Sized(Recipe, frozen=True):
    size: float


class Dotted(Sized, frozen=True):
    weights: dict[str, float] = {}  # noqa: RUF012 - copied for each


class Dots(Labeler):
    """Draws nothing that is looked at."""

    name = "dots"
    recipe_type = Recipe

    def propose(self, rng, shape):
        return Sized(float("inf"))

    def imprint(self, images, recipe):
        return 0 * images


@pytest.mark.parametrize(
    ("recipe", "field"),
    [
        (Dotted(float("nan")), "Expected a finite number, got `nan` - at `$.size`"),
        (Dotted(np.float32("inf")), "Expected a finite number, got `inf` - at `$.size`"),
        (Dotted(1, {"a": 1j}), "1j, of type complex, is no number, text or collection of them - at `$.weights`"),
        (Dotted(1, {"a": 2, "b": float("-inf")}), "Expected a finite number, got `-inf` - at `$.weights.b`"),
    ],
)
def test_a_recipe_of_what_is_no_finite_number_is_refused_by_field(recipe, field):
    with pytest.raises(FFLabelsError, match=re.escape(f"recipes[1]: bad recipe: {field}")):
        LabelSet([Dotted(1), recipe], Dots())
    with pytest.raises(ValueError, match=re.escape(field)):
        recipe.to_json()


def test_a_draw_that_is_not_finite_is_refused_by_field_and_labeler():
    with pytest.raises(FFLabelsError, match=r"labeler dots.*Expected a finite number, got `inf` - at `\$.size`"):
        draw(Dots(), np.random.default_rng(0), SHAPE)


@pytest.mark.parametrize(("kind", "warned"), [("fourier", True), ("onehot", False)])
def test_a_file_tells_that_its_labels_are_likely_hard_to_learn_without_drawing_any(kind, warned):
    labels = design(kind, 3, candidates=10, shape=SHAPE, intensity=0.01)
    assert Contents.from_json(labels.to_json()).warning == labels.warning
    assert bool(labels.warning) == warned


def test_labels_of_any_byte_order_are_taken_on_images_of_any_library(labels):
    torch = pytest.importorskip("torch")
    expected = labels.embed(IMAGES, LABELS, 0.3)
    for index in (LABELS.astype(">i8"), LABELS.astype("<u2"), torch.from_numpy(LABELS)):
        np.testing.assert_array_equal(labels.embed(IMAGES, index, 0.3), expected)
        np.testing.assert_allclose(labels.embed(torch.from_numpy(IMAGES), index, 0.3), expected, atol=1e-6)


def test_equal_sets_have_equal_hashes_whether_scored_or_not(labels):
    unscored = LabelSet(labels.recipes, labels.labeler)
    assert hash(labels) == hash(unscored) == hash(LabelSet.from_json(labels.to_json()))
    assert len({labels, unscored, LabelSet.from_json(labels.to_json())}) == 2  # equal ones are one


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fourier",), "name: no built-in set; got fourier; expected KIND:SET, such as fourier:paper10"),
        (("waves:reed-solomon", 2 * 10**9, (8, 16, 16)), "n: too many; got 2000000000; expected 1 to 100000"),
        (("code:hadamard", 10.0, (16, 1, 1)), "n: not a whole number; got 10.0"),
        (("code:hadamard", "10", (16, 1, 1)), "n: not a whole number; got '10'"),
    ],
)  # fmt: skip
def test_a_built_in_set_that_cannot_be_made_is_refused_at_once(arguments, message):
    with pytest.raises(FFLabelsError, match=re.escape(message)):
        named_set(*arguments)


def test_what_is_no_shape_is_refused_when_scoring(labels):
    with pytest.raises(FFLabelsError, match="shape"):
        labels.score((1, 6))


def test_a_labeler_that_takes_numpy_arrays_embeds_bfloat16_images():
    torch = pytest.importorskip("torch")

    class OnNumPy(type(get_labeler("fourier"))):
        numpy_only = True

    labels = LabelSet(named_set("fourier:paper10").recipes, OnNumPy())
    images = torch.rand(3, 1, 16, 16, dtype=torch.bfloat16)
    embedded = labels.embed(images, [0, 1, 2])
    assert embedded.dtype == torch.bfloat16
    torch.testing.assert_close(embedded.float(), labels.embed(images.float(), [0, 1, 2]), atol=0.01, rtol=0)
