"""Initial weights, peer normalisation, relu's full gradient and weight decay, against brute force and autograd."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from test_learning import SHAPE, batch, config, net, normalized, reference_goodness, reference_loss  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import ffnet  # noqa: E402
from fflabels import named_set  # noqa: E402
from fflabels.errors import FFLabelsError  # noqa: E402
from ffnet.evaluation.accuracy import untrained  # noqa: E402
from ffnet.model.fast_cpu import spectral  # noqa: E402
from ffnet.model.initial import INITS, Filters, get_init  # noqa: E402
from ffnet.model.layer import LocalLayer  # noqa: E402
from ffnet.runs.checkpoint import restore_state, save_state  # noqa: E402
from ffnet.training.forward_forward import BPLearner, Draws, FFLearner, scale_weights  # noqa: E402


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
@pytest.mark.parametrize("labels", [[], ["net.label_every_layer=true", "net.offered_waves=2"]], ids=["image", "waves"])
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
            waves = ours.embedder.offered[right_wrong.T.reshape(-1)]
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
    for layer, still in zip(control.layers, nets[1].layers, strict=True):
        torch.testing.assert_close(layer.weight, still.weight, rtol=0, atol=1e-6)
        assert not torch.equal(layer.weight, nets[0].layers[0].weight)


def full_relu(x):
    return x + (x.relu() - x).detach()


@pytest.mark.parametrize("full", [False, True], ids=["true gradient", "full gradient"])
@pytest.mark.parametrize(
    ("settings", "joined"),
    [([], 0), (["net.first_layer=with_next"], 2), (["net.detach=false"], 3), (["net.first_layer=random"], 0)],
    ids=["local", "with_next", "joint", "random"],
)
@pytest.mark.parametrize("fourier", [False, True], ids=["direct", "spectral"])
def test_steps_with_peer_normalisation_equal_autograd(monkeypatch, full, settings, joined, fourier):
    monkeypatch.setattr(spectral, "pays", lambda *_: fourier)
    ours = net(
        "train.goodness=sum", "train.loss=bce", "dtype=float64", "train.peer=300", "train.lr=1e-3", "net.init=unit",
        f"train.relu_gradient={'full' if full else 'true'}", "train.weight_decay=0.01", *settings,
    )  # fmt: skip
    learner, relu = FFLearner(ours, 8), full_relu if full else torch.relu
    weights = [[p.detach().clone().requires_grad_() for p in (layer.weight, layer.bias)] for layer in ours.layers]
    moving = weights[1:] if ours.config.net.first_layer == "random" else weights
    adam = torch.optim.Adam([p for layer in moving for p in layer], lr=1e-3)
    means = [torch.full_like(bias.detach(), 0.5) for _, bias in weights]
    for step in range(5):
        images, labels = batch(seed=step)
        learner.learn(images, labels)
        x = torch.cat([ours.labels.embed(images, labels[:, k], 0.35) for k in (0, 1)])
        adam.zero_grad()
        total = 0
        for k, ((weight, bias), pool) in enumerate(zip(weights, (2, 1, 1), strict=True)):
            y = relu(F.conv2d(normalized(x, "layer"), weight, bias, padding=1))
            means[k] = 0.9 * means[k].detach() + 0.1 * y[:8].mean((0, 2, 3))
            peer = 300 * (means[k].mean() - means[k]).square().mean()
            g, theta = reference_goodness(y, "sum")
            if not (joined == 2 and k == 0):
                total = total + reference_loss(g[:8], g[8:], theta, ours.config.train) + peer
            x = F.max_pool2d(y, pool)
            x = x if k + 1 < joined else x.detach()
        total.backward()
        for weight, _ in moving:
            weight.grad += 0.01 * weight.detach()
        adam.step()
    for (weight, bias), layer in zip(weights, ours.layers, strict=True):
        torch.testing.assert_close(layer.weight, weight, rtol=0, atol=1e-8)
        torch.testing.assert_close(layer.bias, bias, rtol=0, atol=1e-8)
    for k in [k for k in learner.learning if not (joined == 2 and k == 0)]:
        torch.testing.assert_close(learner.peer.means[k], means[k].detach())


def steps_of(*settings, count=3):
    ours = net("train.goodness=sum", "train.loss=bce", "net.init=unit", "net.norm=batch", *settings)
    learner = FFLearner(ours, 8)
    for step in range(count):
        images, labels = batch(seed=step)
        learner.learn(images.float(), labels)
    return torch.cat([p.detach().flatten() for p in ours.parameters()])


def test_the_full_gradient_changes_no_bit_without_peer_normalisation_and_does_with_it():
    full = "train.relu_gradient=full"
    assert torch.equal(steps_of(), steps_of(full))
    assert not torch.equal(steps_of("train.peer=0.03"), steps_of("train.peer=0.03", full))
    assert not torch.equal(steps_of("net.detach=false"), steps_of("net.detach=false", full))


def test_peer_normalisation_lifts_a_dead_channel_with_the_full_gradient_alone():
    biases = {}
    for gradient in ("true", "full"):
        ours = net("train.peer=1", f"train.relu_gradient={gradient}", "train.lr=0.05")
        with torch.no_grad():
            ours.layers[0].bias[0] = -10.0
        learner = FFLearner(ours, 8)
        for step in range(20):
            images, labels = batch(seed=step)
            learner.learn(images.float(), labels)
        biases[gradient] = float(ours.layers[0].bias[0].detach())
    assert biases["true"] == -10
    assert biases["full"] > -9.7


def test_peer_normalisation_draws_mean_activities_together():
    spreads = []
    for strength in (0, 1000):
        ours = net(f"train.peer={strength}", "train.lr=3e-3")
        learner = FFLearner(ours, 8)
        for step in range(100):
            images, labels = batch(seed=step % 8)
            learner.learn(images.float(), labels)
        y = ours.eval()(ours.embedder.embed(images.float(), labels[:, 0]))[2]
        spreads.append(float(y.detach().mean((0, 2, 3)).std()))
    assert spreads[1] < 0.5 * spreads[0]


def test_weights_decay_and_biases_do_not():
    ours = net("train.weight_decay=1e6", "train.lr=1e-3", "algorithm=ff")
    before = [p.detach().clone() for p in ours.parameters()]
    learner = FFLearner(ours, 8)
    kinds = [group["weight_decay"] for group in learner.optimizer.param_groups]
    assert kinds == [1e6, 0.0] * 3
    images, labels = batch()
    learner.learn(images.float(), labels)
    for old, new in itertools.islice(zip(before, ours.parameters(), strict=True), 0, None, 2):
        # Adam's first step is the sign of the gradient: all decay here
        torch.testing.assert_close(new, old - 1e-3 * old.sign(), rtol=0, atol=1e-5)
    bp = ffnet.BPNet(config("algorithm=bp", "train.weight_decay=1e-4"), SHAPE, 10)
    decays = [group["weight_decay"] for group in BPLearner(bp).optimizer.param_groups]
    assert decays == [1e-4, 0.0] * 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["net.init=he"], r"he.*net.init.*base, measured, torch, unit"),
        (["net.init=unit", "net.norm=none"], "net.init: needs inputs of mean square 1; got unit with net.norm=none"),
        (["net.init=measured", "algorithm=bp"], "net.init: scales layers for their goodness; got measured"),
        (["train.peer=0.03", "algorithm=bp"], "train.peer: forward-forward layers only; got 0.03 with algorithm=bp"),
        (["train.peer=-1"], "train.peer"),
        (["train.weight_decay=-1"], "train.weight_decay"),
        (["train.relu_gradient=none"], "train.relu_gradient"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(FFLabelsError, match=message):
        config(*settings)


def test_a_checkpoint_from_before_peer_normalisation_is_refused_in_one_line():
    without, ours = net(), net("train.peer=0.03")
    state = save_state(without, FFLearner(without, 8))
    with pytest.raises(FFLabelsError, match=r"checkpoint: a checkpoint of other settings; got no learner.peer.0"):
        restore_state(ours, FFLearner(ours, 8), state)


def test_unknown_initial_weights_name_the_nearest():
    assert set(INITS) == {"torch", "base", "unit", "measured"}
    with pytest.raises(FFLabelsError, match=r"unknown initial weights; got measure.*measured"):
        get_init("measure")


def test_saturated_samples_keep_the_gradient_of_peer_normalisation():
    ours = net("train.goodness=sum", "train.loss=bce", "dtype=float64", "train.peer=0.03", "train.theta=1e9")
    learner = FFLearner(ours, 8)
    images, labels = batch()
    learner.learn(images, labels)
    x = torch.cat([ours.labels.embed(images, labels[:, k], 0.35) for k in (0, 1)])
    first = net("dtype=float64").layers[0]
    y = F.conv2d(normalized(x, "layer"), first.weight, first.bias, padding=1).relu()
    positives = torch.autograd.grad(
        0.03 * (lambda m: (m.mean() - m).square().mean())(0.45 + 0.1 * y[:8].mean((0, 2, 3)))
        - (y[:8].square().sum() / 16),
        first.weight,
    )[0]
    torch.testing.assert_close(ours.layers[0].weight.grad, positives, rtol=1e-9, atol=1e-14)
    assert math.isfinite(float(learner.tally.sums.sum()))
