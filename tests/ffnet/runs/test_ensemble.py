"""Several runs as an ensemble."""

import dataclasses
import shutil

import msgspec
import numpy as np
import pytest
import torch
from reference import TWO_LAYERS
from scipy.optimize import minimize
from scipy.special import log_softmax

import ffnet
from fflabels.errors import FFLabelsError
from ffnet.fitting import fit_score_weights
from ffnet.inference.passes import goodness_scores, linear_scores
from ffnet.runs.ensemble import DECAY
from ffnet.runs.settings import StartMark

pytestmark = pytest.mark.slow

SMALL = [*TWO_LAYERS, "data.limit=300", "train.epochs=2"]


def trained(folder, *more):
    return ffnet.train(ffnet.load_preset("pairs-digits").config.override([*SMALL, *more]), out=folder)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs with the same labels, and one with other labels and filters."""
    folder = tmp_path_factory.mktemp("runs")
    return [
        trained(folder / "a", "labels.set=fourier:paper10"),
        trained(folder / "b", "labels.set=fourier:paper10", "seed=1"),
        trained(folder / "c", "labels.set=onehot", "net.widths=[6,8]"),
    ]


@pytest.mark.parametrize("decay", [0.0, DECAY])
def test_weights_are_those_of_the_greatest_likelihood(decay):
    rng = np.random.default_rng(0)
    classes = rng.integers(5, size=300)
    scores = rng.normal(size=(3, 300, 5)) * [[[1]], [[20]], [[0.1]]]
    scores[0, np.arange(300), classes] += 1
    scores[1, np.arange(300), classes] += 30
    spread = (scores - scores.mean(2, keepdims=True)).std((1, 2), ddof=1)

    def loss(weight):
        whole = np.einsum("k,knc->nc", weight / spread, scores)
        return -log_softmax(whole, 1)[np.arange(300), classes].mean() + decay * weight @ weight

    expected = minimize(loss, np.ones(3), method="BFGS", options={"gtol": 1e-10}).x / spread
    found = fit_score_weights(torch.from_numpy(scores), torch.from_numpy(classes), decay=decay).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_what_is_said_of_all_classes_alike_changes_no_weight():
    generator = torch.Generator().manual_seed(0)
    scores, classes = torch.randn(3, 200, 4, generator=generator), torch.arange(200) % 4
    scores[:, torch.arange(200), classes] += torch.tensor([[1.0], [0.5], [2.0]])
    expected = fit_score_weights(scores, classes, decay=DECAY)
    moved = torch.cat([scores, torch.zeros(1, 200, 4)]) + 9 * torch.randn(4, 200, 1, generator=generator)
    found = fit_score_weights(moved, classes, decay=DECAY)
    torch.testing.assert_close(found[:3], expected, rtol=1e-4, atol=1e-5)
    assert found[3] == 0


def test_images_that_are_all_told_apart_leave_the_weights_finite_and_alike():
    classes = torch.arange(40) % 4
    one = 9.0 * torch.nn.functional.one_hot(classes, 4)
    found = fit_score_weights(torch.stack([one, one, torch.ones_like(one)]), classes, decay=DECAY)
    assert found[2] == 0
    assert 0 < found[0] < 5
    torch.testing.assert_close(found[0], found[1])


def test_what_the_nets_say_is_summed_with_these_weights(runs):
    data = runs[0].data()
    together = ffnet.Ensemble(runs).fit(data)
    images = data.test.images[:40]
    of = {"goodness": (goodness_scores,), "linear": (linear_scores,), "both": (goodness_scores, linear_scores)}
    for method, kinds in of.items():
        said = [(kind, run.net) for kind in kinds for run in runs]
        on_validation = torch.stack([kind(net, data.validation.images) for kind, net in said])
        weights = fit_score_weights(on_validation, data.validation.classes, decay=DECAY)
        expected = sum(weight * kind(net, images).double() for weight, (kind, net) in zip(weights, said, strict=True))
        torch.testing.assert_close(together.scores(images, inference=method), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(together.predict(images), expected.argmax(1))


def test_one_net_alone_answers_as_it_does(runs):
    data = runs[0].data()
    found = ffnet.Ensemble(runs[:1]).evaluate(data)
    alone = runs[0].results.validation
    assert found.goodness.confusion == alone.goodness.confusion
    assert found.linear == alone.linear


def test_accuracies_are_those_of_its_predictions_and_looks_are_counted(runs):
    data = runs[0].data()
    before = [run.test_reads for run in runs]
    together = ffnet.Ensemble(runs).fit(data)
    found = together.evaluate(data, "test")
    assert [run.test_reads for run in runs] == [count + 1 for count in before]
    assert (found.split, found.images, list(found.accuracies)) == ("test", 360, ["goodness", "linear", "both"])
    for name, accuracy in found.accuracies.items():
        right = together.predict(data.test.images, inference=name) == data.test.classes
        assert accuracy.accuracy == float(right.double().mean())
    assert found.goodness.untrained is None
    assert 0 < found.linear.untrained < 1
    assert list(together.evaluate(data, inference="both").accuracies) == ["both"]
    assert [run.test_reads for run in runs] == [count + 1 for count in before]


def test_validation_images_are_read_half_by_half_with_the_weights_of_the_other_half(runs):
    data = runs[0].data()
    said = torch.stack(
        [kind(run.net, data.validation.images) for kind in (goodness_scores, linear_scores) for run in runs]
    )
    classes, right = data.validation.classes, 0
    for begin in (0, 1):
        weights = fit_score_weights(said[:, 1 - begin :: 2], classes[1 - begin :: 2], decay=DECAY)
        predicted = torch.einsum("k,knc->nc", weights, said[:, begin::2].double()).argmax(1)
        right += int((predicted == classes[begin::2]).sum())
    together = ffnet.Ensemble(runs)
    assert together.evaluate(data, inference="both").both.accuracy == right / len(classes)
    assert together.weights == {}


def test_the_untrained_nets_stand_beside_with_weights_of_their_own(runs):
    data = runs[0].data()
    found = ffnet.Ensemble(runs).evaluate(data, "test", inference="linear")
    controls = [run.control(data) for run in runs]
    chosen_by = torch.stack([linear_scores(net, data.validation.images) for net in controls])
    weights = fit_score_weights(chosen_by, data.validation.classes, decay=DECAY)
    seen = torch.stack([linear_scores(net, data.test.images) for net in controls]).double()
    predicted = torch.einsum("k,knc->nc", weights, seen).argmax(1)
    assert found.linear.untrained == float((predicted == data.test.classes).double().mean())


def test_some_of_its_runs_are_not_read_again(runs, monkeypatch):
    data = runs[0].data()
    whole = ffnet.Ensemble(runs)
    whole.evaluate(data, "test")
    expected = ffnet.Ensemble(runs[1:]).evaluate(data, "test")
    before = [run.test_reads for run in runs]
    monkeypatch.setattr(
        "ffnet.runs.ensemble.SCORES", dict.fromkeys(("goodness", "linear"), lambda *_: pytest.fail("read again"))
    )
    assert whole.some(runs[1:]).evaluate(data, "test") == expected
    assert [run.test_reads for run in runs] == [before[0], before[1] + 1, before[2] + 1]


def test_the_order_of_the_runs_changes_nothing(runs):
    data = runs[0].data()
    images = data.test.images[:60]
    one, other = (ffnet.Ensemble(order).fit(data).scores(images) for order in (runs, runs[::-1]))
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_what_cannot_answer_together_is_refused_by_name_and_no_look_is_counted(runs, tmp_path):
    data = runs[0].data()
    before = [run.test_reads for run in runs]
    with pytest.raises(FFLabelsError, match=r"Ensemble: no run; expected one or more"):
        ffnet.Ensemble([])
    with pytest.raises(FFLabelsError, match=r"runs: the same run twice"):
        ffnet.Ensemble([runs[0], ffnet.load_run(runs[0].folder)])
    shutil.copytree(runs[0].folder, tmp_path / "copy")
    copy = ffnet.load_run(tmp_path / "copy")
    with pytest.raises(FFLabelsError, match=r"copy: the same settings and seed twice; got seed 0"):
        ffnet.Ensemble([runs[0], copy])
    mark = msgspec.structs.replace(copy.about, started=StartMark("first", 1, "0" * 64))
    continued = dataclasses.replace(copy, about=mark)  # another training, though its settings are the same
    assert len(ffnet.Ensemble([runs[0], continued]).nets) == 2
    with pytest.raises(FFLabelsError, match=r"bp: not forward-forward; got algorithm bp"):
        ffnet.Ensemble([runs[0], trained(tmp_path / "bp", "algorithm=bp")])
    other = trained(tmp_path / "fewer", "labels.set=onehot", "data.validation=100")
    with pytest.raises(
        FFLabelsError, match=r"fewer: another data set; got digits, .*100.*expected digits, 1x16x16, .*180"
    ):
        ffnet.Ensemble([runs[0], other])
    bare = trained(tmp_path / "bare", "labels.set=onehot", "data.validation=0")
    with pytest.raises(FFLabelsError, match=r"split validation: no images .data.validation sets some apart"):
        ffnet.Ensemble([bare]).evaluate(bare.data(), "test")
    assert bare.test_reads == 1
    together = ffnet.Ensemble(runs)
    with pytest.raises(FFLabelsError, match=r"Ensemble: not fitted .call fit first"):
        together.predict(data.test.images)
    with pytest.raises(
        FFLabelsError, match=r"inference: unknown inference of an ensemble; got halving; expected goodn"
    ):
        together.evaluate(data, "test", inference="halving")
    with pytest.raises(FFLabelsError, match=r"split: unknown split; got val"):
        together.evaluate(data, "val")
    copy.results = None
    with pytest.raises(FFLabelsError, match=r"copy: not finished .ffnet resume finishes it"):
        ffnet.Ensemble([copy])
    assert [run.test_reads for run in runs] == before
