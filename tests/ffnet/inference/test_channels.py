"""Readings beside the plain ones: a fitted weight for every channel, and both sides of an image."""

import numpy as np
import pytest
import torch
from reference import SMALL_READ as SMALL
from scipy.optimize import minimize
from scipy.special import log_softmax

import ffnet
from fflabels.errors import FFLabelsError
from ffnet.inference.passes import channel_logs, channel_scores, goodness_scores
from ffnet.inference.predict import scores
from ffnet.inference.shortlist import cascade_scores, fit_forecast, halving_scores
from ffnet.inference.weights import DECAY, fit_channel_weights
from ffnet.model.goodness import _halves
from ffnet.training import loop as training


def trained(*more):
    config = ffnet.load_preset("quick-digits").config.override([*SMALL, *more])
    data = ffnet.load_data(config.data)
    net = ffnet.FFNet(config, data.shape, ffnet.label_set(config, data))
    ffnet.fit(net, data)
    return net, data


def test_weights_are_those_of_the_greatest_penalised_likelihood():
    rng = np.random.default_rng(0)
    classes = rng.integers(5, size=200)
    logs = rng.normal(size=(200, 5, 6)) * [1, 2, 0.5, 1, 3, 1]
    logs[np.arange(200), classes, :2] += 1

    def loss(weight):
        return -log_softmax(logs @ (weight / deviation), 1)[np.arange(200), classes].mean() + DECAY * weight @ weight

    deviation = logs.std((0, 1), ddof=1)
    expected = minimize(loss, np.zeros(6), method="BFGS", options={"gtol": 1e-10}).x / deviation
    found = fit_channel_weights(torch.from_numpy(logs), torch.from_numpy(classes)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_channel_that_never_fires_changes_nothing():
    logs, classes = torch.randn(50, 4, 3, generator=torch.Generator().manual_seed(0)), torch.arange(50) % 4
    dead = torch.cat([logs, torch.full_like(logs[..., :1], -4.6)], 2)
    found = fit_channel_weights(dead, classes)
    assert found[3] == 0
    torch.testing.assert_close(found[:3], fit_channel_weights(logs, classes), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("regions", [1, 2])
@pytest.mark.parametrize("first", ["local", "include"])
def test_with_the_weights_of_the_contrast_it_is_goodness(regions, first):
    net, data = trained(f"net.regions={regions}", f"net.first_layer={first}")
    images = data.validation.images
    expected = goodness_scores(net, images)
    sizes = [filters * regions**2 for filters in net.config.net.widths][net.counted.start :]
    net.channel_weight = torch.cat([2 * _halves(size) / size for size in sizes])
    torch.testing.assert_close(channel_scores(net, images), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(channel_logs(net, images) @ net.channel_weight, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_run_keeps_them_and_reads_them_beside_the_untrained_net(tmp_path):
    config = ffnet.load_preset("quick-digits").config.override([*SMALL, "inference.channel_images=300"])
    results = ffnet.train(config, out=tmp_path / "run").results
    run = ffnet.load_run(tmp_path / "run")
    data = run.data()
    assert run.results.test.channels.accuracy == results.test.channels.accuracy
    assert list(results.test.readings) == ["goodness", "channels", "linear"]
    again = run.evaluate(data, "validation", inference="channels")
    assert list(again.readings) == ["channels"]
    assert again.channels == results.validation.channels
    assert again.channels.untrained < again.channels.accuracy
    few = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(config.seed))[:300]
    expected = fit_channel_weights(channel_logs(run.net, data.train.images[few]), data.train.classes[few])
    torch.testing.assert_close(run.net.channel_weight, expected)
    predicted = ffnet.predict(run.net, data.test.images, method="channels")
    assert float((predicted == data.test.classes).double().mean()) == results.test.channels.accuracy
    assert list(run.evaluate(data, "validation", inference="goodness").readings) == ["goodness"]


def test_without_them_there_is_no_such_reading():
    net, data = trained()
    assert "channels" not in ffnet.evaluate(net, data).readings
    with pytest.raises(FFLabelsError, match="no weights of channels"):
        ffnet.predict(net, data.validation.images, method="channels")
    with pytest.raises(FFLabelsError, match="no weights of channels"):
        ffnet.evaluate(net, data, inference="channels")


def test_what_cannot_be_read_is_refused_before_any_training(tmp_path, monkeypatch):
    config = ffnet.load_preset("quick-digits").config.override([*SMALL, "inference.channel_images=300"])
    monkeypatch.setattr(training, "CHANNEL_BYTES", 4 * 10 * 24 * 200)
    with pytest.raises(FFLabelsError, match=r"channel_images: too many images; got 300; expected at most 200 with 10"):
        ffnet.train(config, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(FFLabelsError, match=r"inference: no weights of channels; got channels; expected settings with"):
        ffnet.FFClassifier(inference="channels", epochs=1).fit(np.zeros((4, 8, 8)), [0, 1, 0, 1])


@pytest.mark.slow
def test_a_look_at_the_test_images_that_fails_is_not_counted(tmp_path):
    run = ffnet.train(ffnet.load_preset("quick-digits").config.override(SMALL), out=tmp_path / "run")
    with pytest.raises(FFLabelsError, match="no weights of channels"):
        run.evaluate(run.data(), "test", inference="channels")
    assert run.test_reads == 1


def test_activation_maps_of_both_sides_add_up_to_the_logit(both_sides):
    net, one, data = both_sides
    images = data.validation.images[:6]
    maps = ffnet.activation_maps(net, images)
    assert maps.classes.tolist() == scores(net, images, method="linear").argmax(1).tolist()
    sides = [ffnet.activation_maps(one, side, maps.classes) for side in (images, images.flip(3))]
    for number, found in maps.layers.items():
        expected = (sides[0].layers[number] + sides[1].layers[number].flip(-1)) / 2
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_a_learned_goodness_leaves_no_graph():
    net, data = trained("train.goodness=learned-contrast", "inference.channel_images=50")
    assert not goodness_scores(net, data.validation.images).requires_grad
    assert not channel_scores(net, data.validation.images).requires_grad


@pytest.fixture(scope="module")
def both_sides():
    """A trained net that reads both sides, and the same net that reads one."""
    options = ["inference.mirror=true", "inference.channel_images=200", "train.flip=true", "inference.layers=weighted"]
    net, data = trained(*options)
    one = ffnet.FFNet(net.config.override(["inference.mirror=false"]), net.shape, net.labels)
    one.load_state_dict(net.state_dict())
    return net, one.eval(), data


@pytest.mark.parametrize("method", ["goodness", "channels", "linear"])
def test_both_sides_are_the_mean_of_an_image_and_its_mirror_image(both_sides, method):
    net, one, data = both_sides
    images = data.validation.images
    expected = (scores(one, images, method=method) + scores(one, images.flip(3), method=method)) / 2
    torch.testing.assert_close(scores(net, images, method=method), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(scores(net, images.flip(3), method=method), expected, rtol=1e-4, atol=1e-5)


def test_a_cascade_over_all_labels_is_goodness_of_both_sides(both_sides):
    net, _, data = both_sides
    images = data.validation.images[:50]
    found = cascade_scores(net, images, k=10, likely=0)
    torch.testing.assert_close(found.scores, goodness_scores(net, images), rtol=1e-4, atol=1e-5)
    assert found.passes == pytest.approx(11)


def test_a_halving_of_both_sides_ends_with_their_goodness(both_sides):
    net, _, data = both_sides
    images = data.validation.images[:100]
    net.forecast = fit_forecast(net, data.train.images[:300])
    found, expected = halving_scores(net, images), goodness_scores(net, images)
    left = found.scores.isfinite()
    measured = left & (left.sum(1, keepdim=True) > 1)  # of one alone the last layers are not looked at
    assert measured.any()
    torch.testing.assert_close(found.scores[measured], expected[measured], rtol=1e-4, atol=1e-5)
    assert (found.scores.argmax(1) == expected.argmax(1)).double().mean() > 0.9
    assert found.passes < 10


def test_back_propagation_reads_both_sides_too():
    config = ffnet.load_preset("quick-digits").config.override(["algorithm=bp", "net.widths=[4,6]", "net.pools=[2,1]"])
    data = ffnet.load_data(config.data)
    one = ffnet.BPNet(config, data.shape, 10)
    net = ffnet.BPNet(config.override(["inference.mirror=true"]), data.shape, 10)
    net.load_state_dict(one.state_dict())
    images = data.validation.images
    expected = (one.logits(images) + one.logits(images.flip(3))) / 2
    torch.testing.assert_close(net.logits(images), expected)
