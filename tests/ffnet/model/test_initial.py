"""Initial weights: their mean squares, and the scale that a batch gives them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference import SHAPE, config, net, normalized
from torch.nn import functional as F

import ffnet
from fflabels import named_set
from fflabels.errors import FFLabelsError
from ffnet.fitting import untrained
from ffnet.model.initial import INITS, Filters, get_init
from ffnet.model.layer import LocalLayer
from ffnet.training.draws import Draws
from ffnet.training.forward_forward import FFLearner
from ffnet.training.layer_learner import scale_weights


@given(
    st.integers(1, 5),
    st.sampled_from([1, 3, 5, 7]),
    st.integers(1, 3),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
)
def test_mean_taps_are_those_that_a_convolution_of_ones_counts(channels, kernel, stride, size):
    ones = torch.ones(1, channels, kernel, kernel, dtype=torch.float64)
    counts = F.conv2d(torch.ones(1, channels, *size, dtype=torch.float64), ones, stride=stride, padding=kernel // 2)
    assert Filters(4, channels, kernel, stride, size).mean_taps == pytest.approx(float(counts.mean()))


def test_the_default_draws_what_pytorch_does():
    layer = LocalLayer(3, 8, kernel=5, generator=torch.Generator().manual_seed(7))
    generator = torch.Generator().manual_seed(7)
    for tensor in (layer.weight, layer.bias):
        assert torch.equal(tensor, torch.empty(tensor.shape).uniform_(-(75**-0.5), 75**-0.5, generator=generator))


@pytest.mark.parametrize(
    ("init", "square", "bias"),
    [("torch", 1 / 6, True), ("base", 3 * 25 / (2 * 64), False), ("unit", 1.0, False), ("measured", 1.0, False)],
)
def test_mean_squares_start_where_the_initial_weights_say(init, square, bias):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 3, 28, 28, generator=generator)
    inside = Filters(64, 3, 5, 1, (28, 28)).mean_taps / 75  # zero padding is seen by all but `unit`
    found = []
    for _ in range(20):
        weight, b = get_init(init)(Filters(64, 3, 5, 1, (28, 28)), generator)
        found.append(float(F.conv2d(x, weight, b, padding=2).relu().square().mean()))
        assert bool(b.any()) is bias
    expected = square if init in ("unit", "measured") else square * inside
    assert sum(found) / len(found) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("norm", ["layer", "batch", "rms", "none"])
@pytest.mark.parametrize(
    "labels", [[], ["labels.layers.set=waves:reed-solomon", "labels.layers.channels=2"]], ids=["image", "waves"]
)
def test_measured_weights_give_the_first_batch_a_mean_square_of_one(norm, labels):
    data = ffnet.load_data(config("data.size=14").data)
    chosen = config("net.init=measured", f"net.norm={norm}", "dtype=float64", *labels)
    ours = ffnet.FFNet(chosen, SHAPE, named_set("fourier:paper10"))
    draws = Draws(chosen, data.train.classes, 10, 0)
    scale_weights(ours, data.train, draws)
    images, right_wrong = data.train.images[draws.order_SB[0]].double() / 255, draws.labels_SBK[0]
    x = torch.cat([ours.labels.embed(images, right_wrong[:, k], 0.35) for k in (0, 1)])
    for k, (layer, pool) in enumerate(zip(ours.layers, (2, 1, 1), strict=True)):
        if k and labels:
            waves = ours.embedder.label_patterns[right_wrong.T.reshape(-1)]
            x = torch.cat([x, F.adaptive_avg_pool2d(waves, x.shape[2:])], 1)
        y = F.conv2d(normalized(x, norm), layer.weight.detach(), padding=1).relu()
        assert float(y.square().mean()) == pytest.approx(1, rel=1e-9)
        x = F.max_pool2d(y, pool)


def test_measured_weights_follow_from_the_seed_and_the_control_starts_with_them():
    chosen = config("net.init=measured", "data.limit=40", "data.size=14", "inference.linear_epochs=1")
    data = ffnet.load_data(chosen.data)
    nets = []
    for lr in (1e-3, 1e-9):  # with hardly a rate the first step leaves the weights where they start
        ours = ffnet.FFNet(chosen.override([f"train.lr={lr}"]), data.shape, named_set("fourier:paper10"))
        learner = FFLearner(ours, 40)
        learner.step(data.train, Draws(ours.config, data.train.classes, 10, 0), 0)
        nets.append(ours)
    control = untrained(nets[0], data)
    for layer, still, moved in zip(control.layers, nets[1].layers, nets[0].layers, strict=True):
        torch.testing.assert_close(layer.weight, still.weight, rtol=0, atol=1e-6)
        assert not torch.equal(layer.weight, moved.weight)


def test_unknown_initial_weights_name_the_nearest():
    assert set(INITS) == {"torch", "base", "unit", "measured"}
    with pytest.raises(FFLabelsError, match=r"unknown initial weights; got measure.*measured"):
        get_init("measure")


def test_initial_weights_follow_from_the_seed():
    one, again, other = (net(f"seed={seed}").layers for seed in (0, 0, 1))
    for layer in range(3):
        assert torch.equal(one[layer].weight, again[layer].weight)
        assert not torch.equal(one[layer].weight, other[layer].weight)
