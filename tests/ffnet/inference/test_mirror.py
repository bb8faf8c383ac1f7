"""Both views of an image: itself and its mirror image."""

import pytest
import torch
from reference import SMALL_READ as SMALL

import fflabels
import ffnet
from ffnet.fitting import fit_forecast
from ffnet.inference.passes import goodness_scores
from ffnet.inference.predict import scores
from ffnet.inference.shortlist import cascade_scores, halving_scores


def trained(*more):
    config = ffnet.load_preset("pairs-digits").config.override([*SMALL, *more])
    data = ffnet.load_data(config.data)
    net = ffnet.FFNet(config, data.shape, ffnet.label_set(config, data))
    ffnet.fit(net, data)
    return net, data


@pytest.mark.slow
def test_activation_maps_of_both_sides_add_up_to_the_logit(both_sides):
    net, one, data = both_sides
    images = data.validation.images[:6]
    maps = ffnet.activation_maps(net, images)
    assert maps.classes.tolist() == scores(net, images, inference="linear").argmax(1).tolist()
    sides = [ffnet.activation_maps(one, side, maps.classes) for side in (images, images.flip(3))]
    for number, found in maps.layers.items():
        expected = (sides[0].layers[number] + sides[1].layers[number].flip(-1)) / 2
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_learned_goodness_leaves_no_graph():
    config = ffnet.load_preset("pairs-digits").config.override([*SMALL, "train.goodness=learned-contrast"])
    net = ffnet.FFNet(config, (1, 16, 16), fflabels.named_set("fourier:paper10"))
    assert not goodness_scores(net, torch.rand(4, 1, 16, 16)).requires_grad


@pytest.fixture(scope="module")
def both_sides():
    """A trained net that reads both sides, and the same net that reads one."""
    options = ["inference.mirror=true", "train.flip=true", "inference.layers=weighted"]
    net, data = trained(*options)
    one = ffnet.FFNet(net.config.override(["inference.mirror=false"]), net.shape, net.labels)
    one.load_state_dict(net.state_dict())
    return net, one.eval(), data


@pytest.mark.parametrize("kind", [ffnet.BPNet, ffnet.LocalNet])
def test_a_baseline_reads_both_sides_and_learns_from_one(kind):
    config = ffnet.Config().override([f"algorithm={kind.inference}", "net.widths=[4,6]", "net.pools=[2,2]"])
    both, one = (kind(config.override([f"inference.mirror={m}"]), (1, 16, 16), 10) for m in ("true", "false"))
    for parameter in one.parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(0))
    both.load_state_dict(one.state_dict())
    images = torch.rand(4, 1, 16, 16)
    with torch.no_grad():
        mean = (one.eval()(images) + one(images.flip(3))) / 2
        torch.testing.assert_close(both.eval()(images), mean)
        torch.testing.assert_close(both.logits(images), mean)
        torch.testing.assert_close(both.train()(images), one.train()(images))


@pytest.mark.parametrize("method", ["goodness", "linear"])
def test_both_sides_are_the_mean_of_an_image_and_its_mirror_image(both_sides, method):
    net, one, data = both_sides
    images = data.validation.images
    expected = (scores(one, images, inference=method) + scores(one, images.flip(3), inference=method)) / 2
    torch.testing.assert_close(scores(net, images, inference=method), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(scores(net, images.flip(3), inference=method), expected, rtol=1e-4, atol=1e-5)


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
