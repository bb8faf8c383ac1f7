"""The closed-form step of every goodness, loss and normalisation against autograd."""

import pytest
import torch
from reference import batch, net, normalized, reference_goodness, reference_loss, region_squares, with_regions
from torch.nn import functional as F

from ffnet.inference.passes import layer_goodness
from ffnet.model.fast_cpu import spectral
from ffnet.model.goodness import GOODNESS
from ffnet.training.forward_forward import FFLearner
from ffnet.training.losses import LOSSES


# A norm is before the convolution and a layer's gradient ends there, so each norm needs one goodness only.
@pytest.mark.parametrize(
    ("kind", "loss", "norm"),
    [*((kind, loss, "layer") for kind in sorted(GOODNESS) for loss in sorted(LOSSES)),
     *(("sum", "bce", norm) for norm in ("batch", "rms", "none"))],
)  # fmt: skip
@pytest.mark.parametrize(
    ("dtype", "fourier", "tolerance"),
    [
        ("float64", False, 1e-9),
        pytest.param("float64", True, 1e-8, marks=pytest.mark.slow),
        pytest.param("float32", False, 1e-4, marks=pytest.mark.slow),
    ],
)
def test_ten_closed_form_steps_equal_autograd(monkeypatch, kind, loss, norm, dtype, fourier, tolerance):
    monkeypatch.setattr(spectral, "pays", lambda *_: fourier)
    ours = net(f"train.goodness={kind}", f"train.loss={loss}", f"net.norm={norm}", f"dtype={dtype}", "train.lr=1e-3")
    learner = FFLearner(ours, 8)
    wide = getattr(torch, dtype)
    weights = [{name: p.detach().clone().requires_grad_() for name, p in x.named_parameters()} for x in ours.layers]
    assert ("goodness_weight" in weights[0]) is (kind == "learned-contrast")
    adam = torch.optim.Adam([p for layer in weights for p in layer.values()], lr=1e-3)
    for step in range(10):
        images, labels = batch(seed=step)
        learner.learn(images.to(wide), labels)
        x = torch.cat([ours.labels.embed(images.to(wide), labels[:, k], 0.35) for k in (0, 1)])
        adam.zero_grad()
        for layer, pool in zip(weights, (2, 1, 1), strict=True):
            y = F.conv2d(normalized(x, norm), layer["weight"], layer["bias"], padding=1).relu()
            g, theta = reference_goodness(y, kind, layer.get("goodness_weight"))
            reference_loss(g[:8], g[8:], theta, ours.config.train).backward()
            x = F.max_pool2d(y, pool).detach()
        adam.step()
    for layer, expected in zip(ours.layers, weights, strict=True):
        for name, parameter in layer.named_parameters():
            if (
                name != "goodness_weight" or dtype == "float64"
            ):  # Adam makes a whole step of a gradient that is but rounding
                torch.testing.assert_close(parameter, expected[name], rtol=0, atol=tolerance)


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_threshold_and_temperature_have_the_gradient_of_autograd(temperature):
    loss = ("train.goodness=mean", "train.loss=bce", "train.theta=0.2", f"train.temperature={temperature}")
    ours = net(*loss, "net.norm=layer", "dtype=float64")
    weight, bias = (p.detach().clone().requires_grad_() for p in ours.layers[0].parameters())
    images, labels = batch()
    x = torch.cat([ours.labels.embed(images, labels[:, k], 0.35) for k in (0, 1)])
    FFLearner(ours, 8).learn(images, labels)
    g, _ = reference_goodness(F.conv2d(normalized(x, "layer"), weight, bias, padding=1).relu(), "mean")
    reference_loss(g[:8], g[8:], 0.2, ours.config.train).backward()
    torch.testing.assert_close(ours.layers[0].weight.grad, weight.grad, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(ours.layers[0].bias.grad, bias.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("pools", ["[2,2,1]", "[4,1,1]", "[7,1,2]"])
def test_small_maps_have_the_gradient_of_autograd(pools):
    ours = net(f"net.pools={pools}", "net.kernel=5", "dtype=float64")
    images, labels = batch()
    x = torch.cat([ours.labels.embed(images, labels[:, k], 0.35) for k in (0, 1)])
    weights = [[p.detach().clone().requires_grad_() for p in layer.parameters()] for layer in ours.layers]
    FFLearner(ours, 8).learn(images, labels)
    for (weight, bias), layer, pool in zip(weights, ours.layers, map(int, pools[1:-1].split(",")), strict=True):
        y = F.conv2d(normalized(x, "layer"), weight, bias, padding=2).relu()
        g, theta = reference_goodness(y, "log-contrast")
        reference_loss(g[:8], g[8:], theta, ours.config.train).backward()
        torch.testing.assert_close(layer.weight.grad, weight.grad, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(layer.bias.grad, bias.grad, rtol=1e-9, atol=1e-12)
        x = F.max_pool2d(y, pool).detach()
    assert y.shape[2] <= 4


@pytest.mark.parametrize("regions", [2, 5, 99])
@pytest.mark.parametrize("kind", ["log-contrast", "learned-contrast", "sum"])
def test_goodness_of_regions_has_the_gradient_of_autograd(kind, regions):
    ours = with_regions(net(f"train.goodness={kind}", "dtype=float64", "net.norm=batch"), regions)
    images, labels = batch()
    weights = [{name: p.detach().clone().requires_grad_() for name, p in x.named_parameters()} for x in ours.layers]
    before = layer_goodness(ours, images)
    x = torch.cat([ours.labels.embed(images, labels[:, k], 0.35) for k in (0, 1)])
    FFLearner(ours, 8).learn(images, labels)
    for k, (layer, learnt, pool) in enumerate(zip(weights, ours.layers, (2, 1, 1), strict=True)):
        y = F.conv2d(normalized(x, "batch"), layer["weight"], layer["bias"], padding=1).relu()
        side = min(regions, y.shape[2])
        s = region_squares(y, side)
        pixels = -(-(y.shape[2] ** 2) // side**2)
        if kind == "sum":
            g, theta = s.sum(1) * pixels, s.shape[1] * pixels
        else:
            g, theta = reference_goodness(s.sqrt()[:, :, None, None], kind, layer.get("goodness_weight"))
        reference_loss(g[:8], g[8:], theta, ours.config.train).backward()
        for name, parameter in learnt.named_parameters():
            torch.testing.assert_close(parameter.grad, layer[name].grad, rtol=1e-8, atol=1e-12)
        x = F.max_pool2d(y, pool).detach()
        assert before.shape == (3, 8, 10)
        assert learnt.regions == (side, side), k


@pytest.mark.usefixtures("convolution")
@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize(
    "settings",
    [["train.negatives_each=3"], ["net.first_layer=with_next"], ["net.detach=false"],
     ["net.detach=false", "net.first_layer=include"],
     ["net.first_layer=with_next", "train.goodness=learned-contrast"],
     ["labels.layers.set=waves:reed-solomon", "labels.layers.channels=2"]],
    ids=["three negatives", "with_next", "joint", "joint, all count", "with_next, learned", "waves in later layers"],
)  # fmt: skip
def test_every_way_of_learning_has_the_gradient_of_autograd(settings, loss):
    ours = net("dtype=float64", "net.norm=batch", f"train.loss={loss}", *settings)
    images, pair = batch()
    each = ours.config.train.negatives_each + 1
    labels = torch.stack([pair[:, 0], *((pair[:, 0] + k) % 10 for k in range(1, each))], 1)
    weights = [p.weight.detach().clone().requires_grad_() for p in ours.layers]
    joined = 2 if ours.config.net.first_layer == "with_next" else 0 if ours.config.net.detach else len(weights)
    x, total = torch.cat([ours.labels.embed(images, labels[:, k], 0.35) for k in range(each)]), 0
    offered = ours.embedder.label_patterns[labels.T.reshape(-1)] if ours.config.labels.layers.count else x[:, :0]
    for k, (layer, weight, pool) in enumerate(zip(ours.layers, weights, (2, 1, 1), strict=True)):
        y = F.conv2d(normalized(x, "batch"), weight, layer.bias.detach(), padding=1).relu()
        weighs = layer.goodness_weight
        g, theta = reference_goodness(y, ours.config.train.goodness, None if weighs is None else weighs.detach())
        positive, negatives_ = g[:8], g[8:].view(each - 1, 8)
        if loss == "softmax":
            logits = ours.config.train.alpha * torch.cat([positive[None], negatives_]).T
            value = -F.log_softmax(logits, 1)[:, 0].mean()
        else:
            value = sum(reference_loss(positive, n, theta, ours.config.train) for n in negatives_) / (each - 1)
        if not (ours.config.net.first_layer == "with_next" and k == 0):
            total = total + value
        x = F.max_pool2d(y, pool)
        x = torch.cat([x, F.adaptive_avg_pool2d(offered, x.shape[2:])], 1)
        if ours.config.net.detach and not (joined == 2 and k == 0):
            x = x.detach()
    total.backward()
    FFLearner(ours, 8).learn(images, labels)
    for layer, weight in zip(ours.layers, weights, strict=True):
        torch.testing.assert_close(layer.weight.grad, weight.grad, rtol=1e-8, atol=1e-12)


@pytest.mark.usefixtures("convolution")
def test_strides_and_pools_have_the_gradient_of_autograd():
    ours = net("net.strides=[2,1,2]", "net.pools=[1,2,1]", "net.kernel=5", "dtype=float64", "train.lr=1e-3")
    weights = [(p.weight.detach().clone().requires_grad_(), p.bias.detach().clone()) for p in ours.layers]
    images, labels = batch()
    x = torch.cat([ours.labels.embed(images, labels[:, k], 0.35) for k in (0, 1)])
    learner = FFLearner(ours, 8)
    learner.learn(images, labels)
    for layer, (weight, bias), stride, pool in zip(ours.layers, weights, (2, 1, 2), (1, 2, 1), strict=True):
        y = F.conv2d(normalized(x, "layer"), weight, bias, stride=stride, padding=2).relu()
        g, theta = reference_goodness(y, ours.config.train.goodness)
        reference_loss(g[:8], g[8:], theta, ours.config.train).backward()
        torch.testing.assert_close(layer.weight.grad, weight.grad, rtol=1e-9, atol=1e-12)
        x = F.max_pool2d(y, pool).detach()
    assert [y.shape[2] for y in ours.activities(images)] == [7, 7, 2]
