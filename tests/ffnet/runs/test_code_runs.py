"""Runs whose labels are codes: from training to the report, exact resume, and what they refuse."""

import json

import pytest
import torch
from reference import SMALL_TRAINED

import ffnet
from fflabels import References, class_likeness, codes_from_likeness, design, named_set
from fflabels.errors import FFLabelsError
from fflabels.images import to_shape
from ffnet.data.dataset import Data, Split
from ffnet.data.images import to_unit
from ffnet.labels.codes import Codes, choose_codes
from ffnet.model.goodness import CODE_POWER
from ffnet.prepare import MissingClassWarning
from ffnet.runs.session import Watcher

SMALL = {
    **SMALL_TRAINED, "net.widths": [6, 8, 12], "labels.goodness.set": "code:hadamard,code",
    "labels.goodness.learn": True, "net.kernel": 3, "train.epochs": 8,
}  # fmt: skip
CONFIG = ffnet.Config().replaced(SMALL)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return ffnet.train(CONFIG, out=tmp_path_factory.mktemp("codes") / "run")


@pytest.mark.slow
def test_a_run_is_trained_evaluated_and_loaded_again(run):
    assert list(run.results.test.accuracies) == ["goodness", "linear"]
    goodness = run.results.test.goodness
    assert goodness.accuracy > 0.3
    assert len(goodness.layers) == 3
    again = ffnet.load_run(run.folder)
    data = run.data()
    assert torch.equal(
        ffnet.goodness_scores(again.net, data.test.images), ffnet.goodness_scores(run.net, data.test.images)
    )
    assert torch.equal(again.predict(data.test.images), again.predict(data.test.images, inference="goodness"))
    assert again.evaluate(data, "validation", inference="goodness").goodness.accuracy == (
        run.results.validation.goodness.accuracy
    )


def test_labels_json_holds_one_set_per_width(run):
    codes = Codes.load(run.folder / "labels.json")
    assert list(codes.sets) == [6, 8, 12]
    assert [codes.origin(width) for width in codes.sets] == ["code, best of 16", "code, best of 16", "code:hadamard"]
    for width, labels in codes.sets.items():
        code = codes.matrix(width)
        assert code.shape == (10, width)
        torch.testing.assert_close(code.sum(1), torch.zeros(10), rtol=0, atol=1e-6)
        torch.testing.assert_close(code.clamp_min(0).sum(1), torch.ones(10))
        assert len(labels) == 10


def test_codes_for_the_classes_follow_the_training_images(tmp_path):
    config = CONFIG.replaced({
        "labels.goodness.set": "code:classes", "labels.goodness.learn": False, "train.epochs": 1, "seed": 3,
    })  # fmt: skip
    run = ffnet.train(config, out=tmp_path / "run")
    codes = Codes.load(run.folder / "labels.json")
    assert [codes.origin(width) for width in codes.sets] == ["code:classes"] * 3
    train = run.data().train
    likeness = class_likeness(References(to_unit(train.images).numpy(), "digits", train.classes.numpy()))
    for width, labels in codes.sets.items():
        assert labels == codes_from_likeness(likeness, width, seed=3)
    torch.testing.assert_close(run.net.layers[1].goodness_weight * 8**CODE_POWER, codes.matrix(8), rtol=1e-6, atol=1e-6)


def test_a_class_without_training_images_has_no_code():
    data = ffnet.load_data(CONFIG.data)
    few = data.train.classes < 9
    train = Split(data.train.images[few], data.train.classes[few])
    config = CONFIG.replaced({"labels.goodness.set": "code:classes"})
    with (
        pytest.warns(MissingClassWarning),
        pytest.raises(FFLabelsError, match="a class without a training image; got 9"),
    ):
        ffnet.label_set(config, Data("digits", train, data.validation, data.test, data.class_names))


def test_large_images_are_reduced_before_the_classes_are_compared():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(40, 1, 64, 48, generator=generator)
    split = Split(images, torch.arange(40) % 4)
    data = Data("large", split, split, split, tuple("abcd"))
    config = CONFIG.replaced({"labels.goodness.set": "code:classes"})
    small = References(to_shape(images.numpy(), (1, 32, 32)), "large", split.classes.numpy())
    expected = codes_from_likeness(class_likeness(small), 6, seed=CONFIG.seed)
    assert ffnet.label_set(config, data).sets[6] == expected


def test_codes_for_the_classes_need_images_with_classes(tmp_path):
    with pytest.raises(FFLabelsError, match="code:classes: needs images with their classes"):
        choose_codes(CONFIG.replaced({"labels.goodness.set": "code:classes"}), 10)


def test_settings_of_pairs_are_not_in_its_settings(run):
    text = (run.folder / "config.toml").read_text()
    assert "intensity" not in text
    assert "negatives" not in text
    assert ffnet.Config.from_toml(text.encode(), "config.toml") == run.config


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_with_the_same_bits(run, tmp_path):
    class StopError(Exception):
        pass

    def stop(metrics):
        raise StopError

    with pytest.raises(StopError):
        ffnet.train(CONFIG, out=tmp_path / "stopped", watcher=Watcher(report=stop))
    again = ffnet.resume(tmp_path / "stopped")
    for name, tensor in run.net.state_dict().items():
        assert torch.equal(again.net.state_dict()[name], tensor), name
    assert again.results == run.results


def test_the_codes_of_another_run_serve_the_same_widths(run, tmp_path):
    labels = str(run.folder / "labels.json")
    config = CONFIG.replaced({"labels.goodness.set": labels, "seed": 3})
    data = ffnet.load_data(config.data)
    assert ffnet.label_set(config, data) == Codes.load(run.folder / "labels.json")
    with pytest.raises(
        FFLabelsError, match=r"no codes for a layer of width 10: .*codes of other widths; got 10; exp.* 6, 8, 12"
    ):
        ffnet.label_set(config.replaced({"net.widths": [6, 8, 10]}), data)


def test_a_label_set_file_serves_the_layers_of_its_width(tmp_path):
    design("code", 10, shape=(8, 1, 1), candidates=16).save(tmp_path / "8.json")
    named_set("code:groups", 10, (12, 1, 1)).save(tmp_path / "12.json")
    config = CONFIG.replaced({"labels.goodness.set": f"{tmp_path / '8.json'}, {tmp_path / '12.json'}, code"})
    codes = ffnet.label_set(config, ffnet.load_data(config.data))
    assert [codes.origin(width) for width in (6, 8, 12)] == ["code, best of 16", "code, best of 16", "code:groups"]


def test_explanations_of_codes(run):
    data = run.data()
    images = data.test.images[:4]
    maps = ffnet.goodness_maps(run.net, images)
    assert sorted(maps.layers) == [2, 3]
    scores = ffnet.goodness_scores(run.net, images)
    assert torch.equal(maps.classes, scores.argmax(1))
    assert torch.equal(maps.rivals, scores.topk(2).indices[:, 1])
    swapped = ffnet.goodness_maps(run.net, images, maps.rivals, maps.classes)
    torch.testing.assert_close(swapped.total, -maps.total)
    for correlation in ffnet.code_correlations(run.net).values():
        assert correlation.shape == (10, 10)
        torch.testing.assert_close(correlation.diagonal(), torch.ones(10))
        assert correlation.abs().max() <= 1 + 1e-5
    diagnosis = ffnet.diagnose(run.net, data, count=50)
    assert set(diagnosis.rank_correlation) == {"layer 1", "layer 2", "layer 3"}


def test_a_map_is_what_its_pixels_add_to_the_goodness(run):
    net, images = run.net, run.data().test.images[:3]
    maps = ffnet.goodness_maps(net, images)
    for k, y in enumerate(net.activities(net.prepare(images))):
        if k + 1 not in maps.layers:
            continue
        layer = net.layers[k]
        pooled = layer.pooled(y).double()
        s = pooled.square().mean((2, 3))
        code = layer.goodness_weight.double() * layer.goodness_weight.shape[1] ** -0.25
        code = code - code.mean(1, keepdim=True)
        between = (code[maps.classes] - code[maps.rivals]) / (s + 0.01)
        expected = (between[:, :, None, None] * pooled.square()).sum(1) / pooled[0, 0].numel()
        torch.testing.assert_close(maps.layers[k + 1].double(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_the_report_shows_codes_correlations_and_maps(run):
    from ffnet.report.page import write_report

    page = write_report(run, run.data()).read_text()
    for title in ("Which classes each layer takes to be alike", "Goodness maps", "codes over its channels"):
        assert title in page


def test_pictures_have_no_goodness_maps(tmp_path):
    config = ffnet.Config().replaced(SMALL_TRAINED)
    data = ffnet.load_data(config.data)
    net = ffnet.FFNet(config, data.shape, named_set("fourier:paper10"))
    with pytest.raises(FFLabelsError, match="net: this net does not use codes"):
        ffnet.goodness_maps(net, data.test.images[:2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"labels.goodness.set": "fourier"},
            r"labels.goodness.set: fourier: draws no codes; expected a labeler",
        ),
        ({"labels.goodness.set": "cod"}, r"unknown labeler; got cod \(did you mean 'code'\?"),
        ({"labels.goodness.set": "code:hadmard,code"}, r"code: no such built-in set; got hadmard; expected hadamard"),
        ({"labels.goodness.set": "missing.json,code"}, r"no such codes; got missing.json"),
        (
            {"labels.goodness.set": "code:groups,code", "labels.params": {"weight": 3}, "net.widths": [10, 10, 10]},
            r"labels.params: without effect on a finished set; got .*weight.*; used: code:groups",
        ),
        (
            {"labels.goodness.set": "code:hadamard"},
            r"width 6: .*no Hadamard matrix is known for so many channels; got 6",
        ),
        ({"labels.goodness.set": "code:groups"}, r"width 6: .*not one group per label; got 10"),
        ({"net.widths": [1, 8, 8]}, r"net.widths: .*; got 1; expected 2 or more"),
        (
            {"train.goodness": "contrast"},
            r"train.goodness: not a sum over channels; got contrast; expected .*log-contrast",
        ),
        ({"labels.intensity": 0.2}, r"labels.intensity: only for labels in the image; got 0.2; expected 0.35, because"),
        ({"labels.layers.set": "waves"}, r"labels.layers.set: only for labels in the image; got waves; expected none"),
        ({"train.negatives_each": 3}, r"train.negatives_each: only for labels in the image; got 3"),
        ({"net.first_layer": "with_next"}, r"net.first_layer: not with codes; got with_next"),
        (
            {"labels.goodness.regions": [2, 1]},
            r"goodness.regions: needs one value per layer; got 2 values; expected 3, as net",
        ),
        ({"labels.goodness.regions": [2, 1, 9]}, r"layer 3: more regions than pixels; got 9; expected at most 4"),
        (
            {"labels.goodness.set": "code:hadamard", "labels.goodness.regions": [1, 1, 3]},
            r"no codes for a layer of width 6: .* \(each region of a channel counts\)",
        ),
        ({"labels.n": 7}, r"not one label per class; got 7; expected 10"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(changes, message):
    data = ffnet.load_data(CONFIG.data)
    with pytest.raises(FFLabelsError, match=message) as caught:
        ffnet.label_set(CONFIG.replaced(changes), data)
    assert "\n" not in str(caught.value)


def test_nets_without_codes_have_no_regions():
    regions = CONFIG.replaced({"labels.goodness.regions": [4, 2, 1]})
    assert regions.code_lengths == (96, 32, 12)
    for algorithm in ("bp", "local"):
        assert regions.replaced({"algorithm": algorithm}).code_lengths == (6, 8, 12)


def test_a_net_is_given_labels_of_its_own_kind():
    data = ffnet.load_data(CONFIG.data)
    codes, images = CONFIG, ffnet.Config().replaced(SMALL_TRAINED)
    for config, labels, found in (
        (codes, named_set("fourier:paper10"), "a LabelSet for images; expected Codes"),
        (codes, design("code", 10, shape=(16, 1, 1), candidates=20), "a LabelSet of codes; expected Codes"),
        (images, design("code", 10, shape=(16, 1, 1), candidates=20), "a LabelSet of codes; expected a LabelSet for"),
        (images, ffnet.label_set(CONFIG, data), "Codes; expected a LabelSet for images"),
    ):
        with pytest.raises(FFLabelsError, match=f"labels: not what labels.goodness asks for; got {found}"):
            ffnet.FFNet(config, data.shape, labels)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "ffnet codes", "version": 9, "sets": {}}', "\xff"])
def test_a_damaged_file_of_codes_is_named(tmp_path, content):
    path = tmp_path / "labels.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(FFLabelsError, match=r"labels\.json"):
        Codes.load(path)


def test_an_edited_set_in_a_file_of_codes_is_named(run, tmp_path):
    content = json.loads((run.folder / "labels.json").read_text())
    content["sets"]["8"]["recipes"].reverse()
    (tmp_path / "labels.json").write_text(json.dumps(content))
    with pytest.raises(FFLabelsError, match=r"sets\.8: damaged or edited"):
        Codes.load(tmp_path / "labels.json")


@pytest.mark.slow
def test_a_training_that_asks_for_other_codes_gets_them_whatever_it_starts_from(tmp_path):
    small = {"data.limit": 60, "net.widths": [8, 16], "net.pools": [2, 1], "inference.linear_epochs": 1}
    one_region = {**small, "labels.goodness.regions": [], "train.epochs": 1}
    first = ffnet.train(labels="code:groups", out=tmp_path / "a", **{**one_region, "net.widths": [16, 32]})
    fixed = {"labels.goodness.learn": False}
    other = ffnet.train(start=first, labels="code:hadamard", out=tmp_path / "b", **fixed)
    alone = ffnet.train(first.config, labels="code:hadamard", out=tmp_path / "c", **fixed)
    again = ffnet.train(start=first, out=tmp_path / "d", **{"train.lr": 1e-12})
    for k in range(2):
        codes = [run.net.layers[k].goodness_weight.detach() for run in (first, other, alone, again)]
        assert torch.equal(codes[1], codes[2])
        assert not torch.equal(codes[1], codes[0])
        torch.testing.assert_close(codes[3], codes[0], atol=1e-9, rtol=0)


def test_codes_are_made_with_the_seed_of_the_run():
    chosen = ffnet.Config().replaced({
        "net.widths": [6, 12, 12], "labels.goodness.set": "code:hadamard,code", "labels.candidates": 16, "seed": 3,
    })  # fmt: skip
    sets = choose_codes(chosen, 10).sets
    assert sets[12] == named_set("code:hadamard", 10, (12, 1, 1), 3)
    assert sets[6] == design("code", 10, candidates=16, shape=(6, 1, 1), seed=3)
