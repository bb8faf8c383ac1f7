"""Peer normalisation, relu's full gradient and weight decay, against autograd."""

import itertools
import math

import pytest
import torch
from reference import SHAPE, batch, config, net, normalized, reference_goodness, reference_loss
from torch.nn import functional as F

import ffnet
from fflabels.errors import FFLabelsError
from ffnet.model.fast_cpu import spectral
from ffnet.model.gradients import Offset, constant_gradient
from ffnet.runs.checkpoint import restore_state, save_state
from ffnet.training.baselines import BPLearner
from ffnet.training.forward_forward import FFLearner


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


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (5, 1), (5, 3)])
def test_the_gradient_of_an_offset_equals_autograd(kernel, stride, dtype):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 3, 9, 11, generator=generator).to(dtype)
    slope = torch.randn(4, generator=generator, dtype=torch.float64)
    weight = torch.zeros(4, 3, kernel, kernel, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    y = F.conv2d(x.double(), weight, bias, stride, kernel // 2)
    (y[:2] * slope[:, None, None]).sum().backward()
    of_weight, of_bias = constant_gradient(x, Offset(slope, 2), kernel, stride)
    torch.testing.assert_close(of_weight, weight.grad, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(of_bias, bias.grad)


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


@pytest.mark.slow
def test_peer_normalisation_draws_mean_activities_together():
    spreads = []
    for strength in (0, 1000):
        ours = net(f"train.peer={strength}", "train.lr=3e-3")
        learner = FFLearner(ours, 8)
        for step in range(100):
            images, labels = batch(seed=step % 8)
            learner.learn(images.float(), labels)
        y = list(ours.eval().activities(ours.embedder.embed(images.float(), labels[:, 0])))[2]
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
        (["net.init=he"], r"net.init: unknown initial weights; got he.*base, measured, torch, unit"),
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
        net(*settings)


def test_a_checkpoint_from_before_peer_normalisation_is_refused_in_one_line():
    without, ours = net(), net("train.peer=0.03")
    state = save_state(without, FFLearner(without, 8))
    with pytest.raises(FFLabelsError, match=r"checkpoint: a checkpoint of other settings; got no learner.peer.0"):
        restore_state(ours, FFLearner(ours, 8), state)


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
    assert math.isfinite(float(learner.metrics.sums.totals.sum()))
