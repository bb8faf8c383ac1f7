"""Codes as labels: compared by their signed correlation, without images, in every function."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fflabels import (
    FFLabelsError,
    LabelSet,
    compare,
    design,
    get_labeler,
    load_references,
    named_set,
    propose,
    similarity,
)
from fflabels.assignment import assign
from fflabels.effect import effect
from fflabels.images.references import no_images
from fflabels.labelers.code import CodeRecipe
from fflabels.metrics import METRICS, metrics_on
from fflabels.probe import probe
from fflabels.recipe import canonical_json, sha256

CODE = get_labeler("code")
WIDE = (32, 1, 1)


def codes(*rows):
    return [CodeRecipe(tuple(row)) for row in rows]


def test_opposites_are_the_least_alike():
    found = similarity(codes((1, 1, 0, 0), (0, 0, 1, 1), (1, 0, 1, 0)), CODE, shape=(4, 1, 1))
    np.testing.assert_array_equal(found, [[1, -1, 0], [-1, 1, 0], [0, 0, 1]])


@settings(max_examples=50, deadline=None)
@given(st.data(), st.integers(2, 6), st.integers(3, 9))
def test_similarity_is_the_correlation_that_numpy_computes(data, n, width):
    row = st.lists(st.floats(0, 1, width=16), min_size=width, max_size=width).filter(lambda v: np.std(v) > 0.01)
    rows = data.draw(st.lists(row, min_size=n, max_size=n))
    found = similarity(codes(*rows), CODE, shape=(width, 1, 1))
    np.testing.assert_allclose(found, np.corrcoef(np.array(rows)), atol=2e-6)
    np.testing.assert_array_equal(found, found.T)
    assert not np.signbit(found[found == 0]).any()


def test_a_code_and_its_opposite_are_both_candidates():
    pool = propose(CODE, 6, shape=(4, 1, 1))
    assert len({recipe.values for recipe in pool}) == 6
    assert (pool.invisible, pool.min_visibility) == (0, None)
    values = np.array([recipe.values for recipe in pool])
    assert {tuple(1 - v) for v in values} == {tuple(v) for v in values}


def test_candidates_that_are_nearly_the_same_are_one():
    class Near(type(CODE)):
        def propose(self, rng, shape):
            values = 0.001 * rng.random(shape[0])
            values[: shape[0] // 2] = 1 - values[: shape[0] // 2]
            return CodeRecipe(tuple((1 - values if rng.random() < 0.5 else values).tolist()))

    assert len(propose(Near(), 9, shape=(8, 1, 1), at_least=1)) == 2


def test_a_designed_set_beats_chance_and_equals_itself():
    labels = design("code", 20, candidates=200, shape=WIDE, iterations=500)
    assert labels == design("code", 20, candidates=200, shape=WIDE, iterations=500)
    assert labels.scores.similarity["pearson"].max < labels.scores.random["pearson"].max
    assert labels.scores.similarity["pearson"].max == pytest.approx(
        np.corrcoef(labels.codes())[~np.eye(20, dtype=bool)].max()
    )
    assert set(labels.scores.similarity) == set(labels.scores.random) == {"pearson"}
    assert (labels.scores.references, labels.scores.visibility, labels.scores.intensity) == (None, None, None)
    assert (labels.warning, labels.scores.least_dprime, labels.scores.readability) == (None, None, None)
    assert labels.scores.place == "32x1x1"
    assert labels.shape == WIDE


@pytest.mark.parametrize("weight", [1, 8, 31])
def test_constant_weight(weight):
    labels = design(get_labeler("code", weight=weight), 10, candidates=32, shape=WIDE, iterations=500)
    assert (labels.codes().sum(axis=1) == weight).all()
    if weight != 8:  # then all pairs are equally apart
        assert labels.scores.similarity["pearson"].max == pytest.approx(-1 / 31, abs=1e-6)


def test_two_labels_are_opposites():
    labels = design("code", 2, candidates=70, shape=(8, 1, 1))
    assert labels.selection.optimal or labels.selection.score == -1
    assert labels.scores.similarity["pearson"].max == -1


def test_the_file_holds_codes_as_numbers_and_nothing_of_images(tmp_path):
    labels = design("code", 5, candidates=50, shape=WIDE, iterations=500)
    labels.save(tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text())
    assert LabelSet.load(tmp_path / "a.json") == labels
    assert {type(v) for recipe in content["recipes"] for v in recipe["values"]} == {int}
    assert all(content["scores"][field] is None for field in ("references", "visibility", "intensity"))
    assert content["provenance"]["min_visibility"] is None


def edited(labels, change):
    content = json.loads(labels.to_json())
    del content["sha256"]
    change(content)
    content["sha256"] = sha256(canonical_json(content))
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["recipes"][1].update(values=[1, 1]), r"recipes\[1\]: values: a code needs two different values"),
        (lambda c: c["recipes"][1].update(values=[1, 2]), r"recipes\[1\]: Expected `int` <= 1"),
        (lambda c: c["scores"].update(visibility=[1.0]), "scores.visibility: not one per label; got 1; expected 5"),
        (
            lambda c: c["labeler"]["params"].update(weight=0),
            "bad parameter; got weight=0; expected whole number, 1 or more",
        ),
    ],
)
def test_damaged_files_are_refused(change, message):
    with pytest.raises(FFLabelsError, match=message):
        LabelSet.from_json(edited(named_scored(), change))


def named_scored():
    labels = named_set("code:groups", 5, (10, 1, 1))
    return LabelSet(labels.recipes, labels.labeler, labels.provenance, labels.score().scores)


def test_a_set_with_codes_of_two_lengths_cannot_be_scored():
    with pytest.raises(FFLabelsError, match="got 2 values for 3 channels"):
        LabelSet(codes((0, 1), (0, 1, 1)), CODE).score()


def test_another_order_keeps_the_scores():
    labels = named_scored()
    turned = labels.reordered([4, 3, 2, 1, 0])
    np.testing.assert_array_equal(turned.codes(), labels.codes()[::-1])
    assert turned.scores.visibility is None


def test_imprints_are_the_codes_on_every_pixel():
    labels = named_set("code:hadamard", 3, WIDE)
    drawn = labels.imprints(np.zeros((2, 32, 4, 5)))
    assert drawn.shape == (3, 2, 32, 4, 5)
    np.testing.assert_array_equal(drawn[:, 1, :, 3, 2], labels.codes())


@pytest.mark.slow
def test_compare_takes_codes_and_not_with_pictures():
    one, two = compare(["code", get_labeler("code", weight=4)], [6], candidates=60, shape=WIDE)
    assert one.metric == two.metric == "pearson"
    assert one.selected < one.random
    with pytest.raises(
        FFLabelsError, match="labelers: codes and pictures are not compared with each other; got code, m"
    ):
        compare(["code", "morph"], [6], shape=WIDE)


def test_only_metrics_for_codes_are_there_without_images():
    assert metrics_on(no_images(WIDE), 0.35) == ("pearson",)
    assert [name for name, metric in METRICS.items() if metric.codes] == ["pearson"]
    assert effect(CODE, codes((0, 1))[0], no_images((2, 1, 1))).visibility is None


REFERENCES = load_references("digits", (1, 8, 8))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: design("code", 3, shape=WIDE, metric="dprime"), "does not apply to codes; got dprime .pearson does"),
        (lambda: design("code", 3, shape=WIDE, metric="shift"), "metric: does not apply to codes; got shift"),
        (lambda: similarity([], CODE, shape=WIDE, metric="shift"), "metric: does not apply to codes; got shift"),
        (lambda: compare([CODE], [3], shape=WIDE, metrics=["dprime"]), "metric: does not apply to codes; got dprime"),
        (lambda: design("code", 3, shape=WIDE, references="digits"), r"references: codes are compared .*; got digits"),
        (lambda: design("code", 3, shape=WIDE, references=np.zeros((2, 32, 1, 1))), "without images; got an array"),
        (lambda: named_scored().score(references=REFERENCES), "without images; got digits"),
        (lambda: design("code", 3, shape=WIDE, min_visibility=1.0), r"min_visibility: codes have no .*; got 1.0"),
        (lambda: propose(CODE, 3, shape=WIDE, min_visibility=0.0), "codes have no visibility"),
        (lambda: compare([CODE], [3], shape=WIDE, min_visibility=0.0), "codes have no visibility"),
        (lambda: design("code", 3), "shape: not a code's shape; got 1x32x32; expected Wx1x1 with 2 or more channels"),
        (lambda: similarity([], CODE, shape=(8, 2, 1)), "shape: not a code's shape; got 8x2x1"),
        (lambda: design("code", 7, shape=(4, 1, 1)), r"got 6 in \d+ draws .*; expected 7 distinct recipes"),
        (lambda: design("code", 3, shape=WIDE, candidates=20_001), "candidates: too many codes .*; got 20001"),
        (lambda: design("code", 3, shape=WIDE, candidates=2), "candidates: fewer than n; got 2; expected at least 3"),
        (lambda: probe(named_scored(), REFERENCES), "probe: codes are not drawn in images"),
        (lambda: assign(named_scored(), REFERENCES), "labels: codes are not compared by images"),
    ],
)  # fmt: skip
def test_what_does_not_apply_to_codes_is_refused(call, message):
    with pytest.raises(FFLabelsError, match=message):
        call()
