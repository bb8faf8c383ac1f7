"""A norm, an inference method and a goodness of one's own: one function and one line, used end to end."""

import json

import pytest
import torch
from click.testing import CliRunner
from fflabels_cli.app import ffnet_group
from reference import SMALL_RUN, net

import ffnet
from fflabels.errors import FFLabelsError
from ffnet.inference.passes import layer_goodness
from ffnet.inference.registry import INFERENCES, Answer, InferenceMethod
from ffnet.model.norms import NORMS, Norm


def command(*arguments):
    done = CliRunner().invoke(ffnet_group, arguments, catch_exceptions=False, standalone_mode=False)
    return done.stdout


def train_by_command(folder, *settings):
    given = [part for setting in (*SMALL_RUN, *settings) for part in ("--set", setting)]
    return command("train", *given, "--out", str(folder), "--json")


@pytest.fixture
def largest_norm(monkeypatch):
    """x over its largest absolute value per sample."""
    norm = Norm(lambda x, running, training, ranks: x / x.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-9))
    monkeypatch.setitem(NORMS, "largest", norm)


@pytest.mark.slow
def test_a_norm_of_ones_own_is_trained_and_used(largest_norm, tmp_path):
    train_by_command(tmp_path / "run", "net.norm=largest")
    run = ffnet.load_run(tmp_path / "run")
    assert run.config.net.norm == "largest"
    x = torch.rand(2, 1, 16, 16) * 0.5
    torch.testing.assert_close(run.net.layers[0].normalize(x).amax((1, 2, 3)), torch.ones(2))
    assert run.results.test.linear.accuracy > 0.5


def test_an_unknown_norm_names_the_nearest_and_leaves_no_folder(tmp_path):
    with pytest.raises(FFLabelsError, match=r"net.norm: unknown norm; got bach.*batch"):
        ffnet.train(ffnet.Config().override([*SMALL_RUN, "net.norm=bach"]), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def least_inference(monkeypatch):
    """The label with the least goodness in the last layer; a number behind the name takes another layer."""

    def score(net, images, k, chunk):
        return Answer(-layer_goodness(net, images, chunk=chunk)[-(k or 1)])

    monkeypatch.setitem(INFERENCES, "least", InferenceMethod(score, number=1, control=True))


@pytest.mark.slow
def test_an_inference_method_of_ones_own_predicts_and_is_evaluated(least_inference, tmp_path):
    train_by_command(tmp_path / "run")
    told = json.loads(command("eval", str(tmp_path / "run"), "--inference", "least:2", "--json"))
    run = ffnet.load_run(tmp_path / "run")
    data = run.data()
    goodness = layer_goodness(run.net, data.validation.images)
    right = (goodness[-2].argmin(1) == data.validation.classes).double().mean()
    assert told["least"]["accuracy"] == pytest.approx(float(right))
    assert 0 <= told["least"]["untrained"] <= 1
    predicted = run.predict(data.test.images[:5], inference="least")
    assert torch.equal(predicted, layer_goodness(run.net, data.test.images[:5])[-1].argmin(1))
    assert run.evaluate(data, "validation", inference="least").least.untrained is not None


def test_an_unknown_inference_method_names_the_nearest():
    ours = net()
    with pytest.raises(FFLabelsError, match=r"unknown inference; got gooodness; .*did you mean 'goodness'"):
        ffnet.predict(ours, torch.zeros(1, *ours.shape), inference="gooodness")
    with pytest.raises(FFLabelsError, match="inference: for another kind of net; got bp"):
        ffnet.predict(ours, torch.zeros(1, *ours.shape), inference="bp")


def test_the_old_name_of_inference_still_works_and_says_so():
    ours, images = net(), torch.rand(3, 1, 14, 14)
    with pytest.warns(DeprecationWarning, match="method= is now inference="):
        old = ffnet.predict(ours, images, method="goodness")
    assert torch.equal(old, ffnet.predict(ours, images, inference="goodness"))
