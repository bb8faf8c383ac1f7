"""A search: what it may try, that it looks at validation images alone, and that others can join in."""

import dataclasses
from functools import partial

import pytest
from reference import TWO_LAYERS

import ffnet
from fflabels import FFLabelsError
from ffnet.config import Config
from ffnet.experiments.search import Space
from ffnet.experiments.search import search as search_in

pytestmark = pytest.mark.slow

SMALL = Config().override(
    [*TWO_LAYERS, "net.pools=[2,1]", "labels.candidates=20", "data.limit=150", "train.epochs=1",
     "inference.linear_epochs=1"]
)  # fmt: skip


@pytest.fixture
def search(tmp_path):
    return partial(search_in, out=tmp_path / "runs")


@pytest.fixture(scope="module")
def data():
    return ffnet.load_data(SMALL.data)


def test_the_best_of_all_tries_comes_back_and_others_join_in(data, search, tmp_path):
    spaces = {
        "train.lr": Space.of("train.lr", "log 1e-4..1e-2"),
        "train.batch": Space.of("train.batch", "16..40"),
        "net.pools": Space.of("net.pools", "[2, 1]|[1, 1]"),
    }
    tries = []
    first = search(SMALL, spaces, trials=2, storage=tmp_path / "a.journal", data=data, report=tries.append)
    joined = search(SMALL, spaces, trials=2, storage=tmp_path / "a.journal", data=data, report=tries.append)
    assert [each.number for each in tries] == [0, 1, 2, 3]
    assert len({each.settings["train.lr"] for each in tries}) == 4
    assert first.accuracy == max(each.accuracy for each in tries[:2])
    assert joined == max(tries, key=lambda each: (each.accuracy, -each.number))
    run = ffnet.load_run(joined.folder)
    assert (run.results.test, run.test_reads) == (None, 0)
    assert run.results.validation.goodness.accuracy == joined.accuracy
    for each in tries:
        assert 1e-4 <= each.settings["train.lr"] <= 1e-2
        assert each.settings["train.batch"] in range(16, 41)
        assert each.settings["net.pools"] in ([2, 1], [1, 1])
        assert 0 <= each.accuracy <= 1


def test_back_propagation_and_the_linear_classifier_can_be_searched(data, search, tmp_path):
    space = {"train.lr": Space.of("train.lr", "0.001..0.002")}
    for config, reading in ((SMALL.replaced({"algorithm": "bp"}), "goodness"), (SMALL, "linear")):
        storage = tmp_path / f"{config.algorithm}.journal"
        assert 0 <= search(config, space, trials=1, storage=storage, reading=reading, data=data).accuracy <= 1


def test_a_journal_of_another_search_is_refused(data, search, tmp_path):
    space = {"train.lr": Space.of("train.lr", "0.001..0.002")}
    search(SMALL, space, trials=1, storage=tmp_path / "j", data=data)
    for config, spaces, reading in (
        (SMALL, space, "linear"), (SMALL.replaced({"train.batch": 9}), space, "goodness"),
        (SMALL, {"train.lr": Space.of("train.lr", "0.001..0.003")}, "goodness"),
    ):  # fmt: skip
        with pytest.raises(FFLabelsError, match="holds another search"):
            search(config, spaces, trials=1, storage=tmp_path / "j", reading=reading, data=data)


def test_a_try_that_diverges_does_not_end_the_search(data, search, tmp_path):
    config = SMALL.replaced({"net.norm": "none", "train.goodness": "mean"})
    space = {"train.lr": Space.of("train.lr", "1e30|0.001")}
    with pytest.raises(FFLabelsError, match="no try came to an end"):
        search(config, {"train.lr": Space.of("train.lr", "1e35..1e36")}, trials=2, storage=tmp_path / "j", data=data)
    best = search(config, space, trials=6, storage=tmp_path / "k", data=data)
    assert best.settings["train.lr"] == 0.001


@pytest.mark.parametrize("text", ["", "1", "2..1", "1..1", "a..b", "log 0..1", "log -1..1", "1..2..3", "log a"])
def test_what_is_no_space_is_refused(text):
    with pytest.raises(FFLabelsError, match=r"train.lr: no space; .*expected a\|b\|c, LOW..HIGH"):
        Space.of("train.lr", text)


def test_settings_that_do_not_fit_each_other_or_the_data_do_not_end_the_search(data, search, tmp_path):
    config = SMALL.override(["labels.layers.set=imprint"])
    spaces = {
        "labels.goodness.set": Space.of("labels.goodness.set", "code|none"),  # not with label channels
        "train.crop": Space.of("train.crop", "20|0"),  # not of 16 pixels
    }
    tries = []
    best = search(config, spaces, trials=12, storage=tmp_path / "j", data=data, report=tries.append)
    errors = {str(each.error) for each in tries if each.accuracy is None}
    assert any("only for labels in the image" in error for error in errors)
    assert any("train.crop: leaves nothing" in error for error in errors)
    assert best.accuracy == max(each.accuracy for each in tries if each.accuracy is not None)
    assert best.error is None
    with pytest.raises(FFLabelsError, match=r"no try came to an end: train\.crop: leaves nothing"):
        search(SMALL, {"train.crop": Space.of("", "20|30")}, trials=2, storage=tmp_path / "k", data=data)


def test_a_number_that_need_not_be_whole_is_tried_between_whole_ends(data, search, tmp_path):
    assert Space.of("labels.intensity", "0..1") == Space((), 0.0, 1.0)
    assert isinstance(Space.of("train.lr", "1..2").low, float)
    assert isinstance(Space.of("train.batch", "1..2").low, int)
    assert isinstance(Space.of("labels.params.waves", "1..2").low, int)
    best = search(
        SMALL.replaced({"seed": 2**32 + 5}), {"labels.intensity": Space.of("labels.intensity", "0..1")},
        trials=1, storage=tmp_path / "j", data=data,
    )  # fmt: skip
    assert 0 < best.settings["labels.intensity"] < 1


def test_a_value_is_told_as_it_is_typed():
    flips, pools = Space.of("train.flip", "true|false"), Space.of("net.pools", "[2, 1]|[1, 1]")
    assert (flips.typed(True), flips.typed(False), pools.typed([1, 1])) == ("true", "false", "[1, 1]")
    assert Space.of("train.lr", "1..2").typed(1.5) == "1.5"


def test_unknown_settings_and_data_without_validation_are_refused_before_the_work(data, search, tmp_path):
    with pytest.raises(FFLabelsError, match=r"--vary: no such setting; got train.lrr .did you mean 'lr'"):
        search(SMALL, {"train.lrr": Space.of("", "1..2")}, trials=1, storage=tmp_path / "j", data=data)
    with pytest.raises(FFLabelsError, match=r"data.limit: cannot be searched"):
        search(SMALL, {"data.limit": Space.of("", "50|90")}, trials=1, storage=tmp_path / "j", data=data)
    waves, either = (
        SMALL.override(["labels.layers.set=waves:reed-solomon", "labels.layers.channels=2"]),
        Space.of("", "code|code:groups"),
    )
    with pytest.raises(FFLabelsError, match=r"labels.layers.set: only for labels in the image; got waves"):
        search(waves, {"labels.goodness.set": either}, trials=1, storage=tmp_path / "j", data=data)
    for key, known in (("train.goodness", "log"), ("train.loss", "softmax")):
        with pytest.raises(FFLabelsError, match=rf"{key}: unknown .*; got none"):
            search(SMALL, {key: Space.of("", f"{known}|none")}, trials=1, storage=tmp_path / "j", data=data)
    bare = dataclasses.replace(data, validation=data.train[:0])
    with pytest.raises(FFLabelsError, match=r"data.validation: no images to choose by"):
        search(SMALL, {"train.lr": Space.of("", "1..2")}, trials=1, storage=tmp_path / "j", data=bare)
    assert not list(tmp_path.iterdir())
