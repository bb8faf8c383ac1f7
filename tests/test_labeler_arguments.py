"""Labelers are given as an instance, a class or a name; what is no labeler, or not its recipe, is refused."""

import numpy as np
import pytest

from fflabels import (
    FFLabelsError,
    Labeler,
    LabelSet,
    Params,
    Recipe,
    References,
    compare,
    design,
    get_labeler,
    named_set,
    propose,
    select,
    select_vectors,
    similarity,
)
from fflabels.arrays import constant_like
from fflabels.labeler import convert_params
from fflabels.registry import offer

FOURIER = get_labeler("fourier")
SMALL = {"shape": (1, 8, 8), "references": "digits"}


@pytest.mark.parametrize("labeler", ["fourier", type(FOURIER)], ids=["name", "class"])
def test_a_name_and_a_class_stand_for_the_labeler(labeler):
    recipes = propose(FOURIER, 3, **SMALL)[:3]
    assert propose(labeler, 3, **SMALL)[:3] == recipes
    assert np.array_equal(similarity(recipes, labeler, **SMALL), similarity(recipes, FOURIER, **SMALL))
    assert design(labeler, 3, candidates=5, **SMALL) == design(FOURIER, 3, candidates=5, **SMALL)
    assert LabelSet(recipes, labeler) == LabelSet(recipes, FOURIER)
    assert compare(labeler, 3, candidates=5, metrics="pearson", **SMALL) == compare(
        [FOURIER], [3], candidates=5, metrics=["pearson"], **SMALL
    )


@pytest.mark.parametrize("work", [design, propose], ids=lambda work: work.__name__)
def test_what_is_no_labeler_is_refused(work):
    with pytest.raises(FFLabelsError, match="labeler: not a labeler; got 3; expected a labeler, its class or its name"):
        work(3, 3, **SMALL)


def test_similarity_refuses_recipes_of_another_labeler():
    morph = propose("morph", 2, **SMALL)[:2]
    with pytest.raises(
        FFLabelsError, match=r"recipes\[0\]: not a recipe of the labeler; got MorphRecipe.*FourierRecipe"
    ):
        similarity(morph, "fourier", **SMALL)


def test_no_more_candidates_are_required_than_asked_for():
    with pytest.raises(FFLabelsError, match="at_least: more than are asked for; got 5; expected up to 3"):
        propose("fourier", 3, at_least=5, **SMALL)


def test_a_labeler_that_no_distribution_has_is_given_to_load(tmp_path):
    class Wave(type(FOURIER)):
        """Not registered."""

        name = "wave-of-a-notebook"

    labels = LabelSet(named_set("fourier:paper10").recipes[:3], Wave)
    labels.save(tmp_path / "set.json")
    with pytest.raises(FFLabelsError, match=r"no distribution has .*LabelSet.load\(path, labeler=CLASS\)"):
        LabelSet.load(tmp_path / "set.json")
    for given in (Wave, Wave()):
        assert LabelSet.load(tmp_path / "set.json", labeler=given).recipes == labels.recipes


def test_masked_matrices_and_what_is_no_matrix_are_refused():
    with pytest.raises(FFLabelsError, match="similarity: a masked array"):
        select(np.ma.masked_array(np.eye(3), mask=np.eye(3)), 2)
    with pytest.raises(FFLabelsError, match="similarity: not a matrix: "):
        select([[1.0, 0.0], [0.0]], 2)


def test_float64_vectors_far_from_zero_are_not_constant():
    y = np.random.default_rng(0).standard_normal((40, 8))
    assert select_vectors(y + 2e6, 4).score == pytest.approx(select_vectors(y, 4).score, abs=1e-6)


def test_classes_of_references_are_arrays_of_one_per_image():
    images = np.random.default_rng(0).random((3, 1, 4, 4), np.float32)
    assert References(images, classes=[0, 1, 2]).classes.tolist() == [0, 1, 2]
    with pytest.raises(
        FFLabelsError, match=r"given: classes: not one class per image; got shape \(2,\); expected \(3,\)"
    ):
        References(images, classes=[0, 1])
    assert References(images) != References(images)
    assert len({References(images), References(images)}) == 2


def test_images_of_another_byte_order_are_refused_as_such():
    labels, other = named_set("fourier:paper10"), np.dtype(np.float32).newbyteorder()
    images = np.zeros((2, 1, 8, 8), other)
    with pytest.raises(FFLabelsError, match="images: bytes in another order than this machine's"):
        labels.embed(images, np.zeros(2, np.int64), 0.5)


class Optional(Params, frozen=True):
    bands: tuple[int, ...] | None = (1, 2)
    title: str | None = "a"
    text: str = "b"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ({"bands": "null", "title": "null", "text": "null"}, Optional(bands=None, title=None, text="null")),
        ({"bands": "3,4", "title": "nul"}, Optional(bands=(3, 4), title="nul")),
    ],
)
def test_null_unsets_what_may_be_unset(typed, expected):
    assert convert_params("mine", Optional, typed, typed=False) == expected


@pytest.mark.parametrize("dtype", [">f4", "<f4"])
@pytest.mark.parametrize("turn", [np.flipud, np.rot90, np.asarray])
def test_patterns_lie_in_memory_as_they_may(turn, dtype):
    torch = pytest.importorskip("torch")
    pattern = turn(np.arange(12, dtype=dtype).reshape(3, 4))
    found = constant_like(pattern, torch.zeros(1, 1, 3, 4))
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.numpy(), pattern)


def test_a_class_of_parameters_is_required():
    class Bad(Labeler):
        name, recipe_type, params_type = "bad", Recipe, dict

    with pytest.raises(FFLabelsError, match=r"params_type is not a class of parameters; got <class 'dict'>"):
        offer(Bad)
