"""The step against autograd, locality, prediction without labels, goodness by brute force, learning digits."""

import inspect
import pickle
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

import fflabels  # noqa: E402
import ffnet  # noqa: E402
from fflabels import LabelSet, named_set  # noqa: E402
from fflabels.assignment import agreement  # noqa: E402
from fflabels.errors import FFLabelsError  # noqa: E402
from fflabels.labelers.fourier import FourierRecipe, Wave  # noqa: E402
from ffnet.data import augment as augmentation  # noqa: E402
from ffnet.data.dataset import Split  # noqa: E402
from ffnet.evaluation.accuracy import untrained  # noqa: E402
from ffnet.inference.linear import Readout  # noqa: E402
from ffnet.inference.passes import channel_logs, features, layer_goodness  # noqa: E402
from ffnet.inference.shortlist import cascade_scores, halving_scores  # noqa: E402
from ffnet.labels.embed import Imprints  # noqa: E402
from ffnet.labels.waves import WAVES, code  # noqa: E402
from ffnet.model.fast_cpu import spectral  # noqa: E402
from ffnet.model.goodness import GOODNESS  # noqa: E402
from ffnet.model.layer import mean_squares  # noqa: E402
from ffnet.training import negatives  # noqa: E402
from ffnet.training.forward_forward import BPLearner, Draws, FFLearner  # noqa: E402
from ffnet.training.loop import learning_rate  # noqa: E402
from ffnet.training.losses import LOSSES  # noqa: E402

SHAPE = (1, 14, 14)


def config(*settings):
    small = ["net.widths=[4,6,6]", "net.kernel=3", "net.pools=[2,1,1]", "net.norm=layer", "train.negatives=uniform"]
    return ffnet.Config().override([*small, *settings])


def net(*settings):
    return ffnet.FFNet(config(*settings), SHAPE, named_set("fourier:paper10"))


def batch(size=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(size, *SHAPE, generator=generator, dtype=torch.float64)
    right = torch.randint(10, (size,), generator=generator)
    return images, torch.stack([right, (right + 1 + torch.arange(size) % 9) % 10], 1)


def normalized(x, kind):
    if kind == "layer":
        return x / (x.square().mean((1, 2, 3), keepdim=True) + 1e-5).sqrt()
    if kind == "batch":
        return (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
    return x / (x.square().mean() + 1e-5).sqrt() if kind == "rms" else x


def reference_loss(g_pos, g_neg, theta, options):
    if options.loss == "bce":
        positive = F.binary_cross_entropy_with_logits((g_pos - theta) / options.temperature, torch.ones_like(g_pos))
        negative = F.binary_cross_entropy_with_logits((g_neg - theta) / options.temperature, torch.zeros_like(g_neg))
        return (positive + negative) / 2
    if options.loss == "softplus":
        return F.softplus(-options.alpha * (g_pos - g_neg)).mean()
    return -F.log_softmax(options.alpha * torch.stack([g_pos, g_neg], 1), 1)[:, 0].mean()


def reference_goodness(y, kind, contrast=None):
    if kind == "sum":
        return y.square().sum((1, 2, 3)), y[0].numel()
    if kind == "mean":
        return y.square().mean((1, 2, 3)), 1.0
    if kind == "log":
        return (y.square().mean((1, 2, 3)) + 1e-6).log(), 0.0
    half = y.shape[1] // 2
    if kind.endswith("-contrast"):
        logs = (y.square().mean((2, 3)) + 1e-2).log()
        if contrast is not None:
            return 2 / y.shape[1] * (logs @ contrast), 0.0
        return logs[:, :half].mean(1) - logs[:, half:].mean(1), 0.0
    first, second = y[:, :half].square().mean((1, 2, 3)), y[:, half:].square().mean((1, 2, 3))
    return (first + 1e-6).log() - (second + 1e-6).log(), 0.0


@pytest.fixture(params=[False, True], ids=["direct", "spectral"])
def convolution(request, monkeypatch):
    """Convolutions as they are in small nets, and as they are in large ones."""
    monkeypatch.setattr(spectral, "pays", lambda *_: request.param)


@pytest.mark.parametrize("norm", ["layer", "batch", "rms", "none"])
@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("kind", sorted(GOODNESS))
@pytest.mark.parametrize(
    ("dtype", "fourier", "tolerance"), [("float64", False, 1e-9), ("float64", True, 1e-8), ("float32", False, 1e-4)]
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
    ours = net(f"net.regions={regions}", f"train.goodness={kind}", "dtype=float64", "net.norm=batch")
    images, labels = batch()
    weights = [{name: p.detach().clone().requires_grad_() for name, p in x.named_parameters()} for x in ours.layers]
    before = layer_goodness(ours, images)
    x = torch.cat([ours.labels.embed(images, labels[:, k], 0.35) for k in (0, 1)])
    FFLearner(ours, 8).learn(images, labels)
    for k, (layer, learnt, pool) in enumerate(zip(weights, ours.layers, (2, 1, 1), strict=True)):
        y = F.conv2d(normalized(x, "batch"), layer["weight"], layer["bias"], padding=1).relu()
        side = min(regions, y.shape[2])
        edges = [(i * y.shape[2] // side, -(-(i + 1) * y.shape[2] // side)) for i in range(side)]  # they may overlap
        cells = [y[:, :, a:b, c:d].square().mean((2, 3)) for a, b in edges for c, d in edges]
        s = torch.stack(cells, 2).flatten(1)
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
     ["net.label_every_layer=true", "net.offered_waves=2"]],
    ids=["three negatives", "with_next", "joint", "joint, all count", "with_next, learned", "waves offered"],
)  # fmt: skip
def test_every_way_of_learning_has_the_gradient_of_autograd(settings, loss):
    ours = net("dtype=float64", "net.norm=batch", f"train.loss={loss}", *settings)
    images, pair = batch()
    each = ours.config.train.negatives_each + 1
    labels = torch.stack([pair[:, 0], *((pair[:, 0] + k) % 10 for k in range(1, each))], 1)
    weights = [p.weight.detach().clone().requires_grad_() for p in ours.layers]
    joined = 2 if ours.config.net.first_layer == "with_next" else 0 if ours.config.net.detach else len(weights)
    x, total = torch.cat([ours.labels.embed(images, labels[:, k], 0.35) for k in range(each)]), 0
    offered = ours.embedder.offered[labels.T.reshape(-1)] if ours.config.net.offered_waves else x[:, :0]
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


def test_hard_negatives_stay_many_whatever_the_goodness():
    for goodness in ("sum", "mean", "log", "log-contrast", "learned-contrast"):
        ours = net("train.negatives=hard", f"train.goodness={goodness}", "train.lr=3e-3")
        learner, (images, pair) = FFLearner(ours, 8), batch()
        seen = [set() for _ in range(8)]
        generator = torch.Generator().manual_seed(0)
        for _ in range(20):
            noise = torch.rand(8, 1, generator=generator)
            wrong = negatives.hard(pair[:, 0], noise, learner.table)
            learner.learn(images, torch.cat([pair[:, :1], wrong], 1), torch.arange(8))
            for row, label in zip(seen, wrong[:, 0].tolist(), strict=True):
                row.add(label)
        assert np.mean([len(row) for row in seen]) > 3, (goodness, seen)


def test_nets_and_their_parts_can_be_pickled():
    for ours in (net(), net("train.goodness=sum")):
        again = pickle.loads(pickle.dumps(ours))
        images, _ = batch(2)
        assert torch.equal(ffnet.goodness_scores(again, images), ffnet.goodness_scores(ours, images))


def test_the_untrained_control_has_the_statistics_of_the_images_however_few_there_are():
    chosen = config("net.norm=batch", "data.limit=40", "train.batch=40", "inference.linear_epochs=1")
    data = ffnet.load_data(chosen.data)
    control = untrained(ffnet.FFNet(chosen, data.shape, named_set("fourier:paper10")), data)
    labels = torch.arange(40) % 10
    y = control.embedder.embed(control.prepare(data.train.images), labels).images
    assert control.layers[0].running_var.item() == pytest.approx(y.var().item(), rel=0.2)


def test_images_out_of_range_are_refused():
    with pytest.raises(FFLabelsError, match=r"images: out of range; got .* to 255; expected 0 to 1, or uint8"):
        ffnet.predict(net(), torch.full((1, *SHAPE), 255.0))
    with pytest.raises(FFLabelsError, match="split: unknown split; got val; expected validation or test"):
        ffnet.evaluate(net(), ffnet.load_data(config().data), "val")


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
    assert [y.shape[2] for y in ours(images)] == [7, 7, 2]


def test_goodness_is_summed_in_float32_whatever_the_compute_type():
    y = torch.full((1, 2, 64, 64), 1.0, dtype=torch.bfloat16)
    y[0, 0, 0, 0] = 3.0  # 4096 + 8 is not a bfloat16
    assert mean_squares(y).dtype == torch.float32
    assert mean_squares(y)[0].tolist() == [4104 / 4096, 1.0]
    ours = net("dtype=bfloat16", "train.goodness=sum").eval()
    images, _ = batch(3)
    embedded = ours.embedder.embed_one(ours.prepare(images), 4)
    for k, y in enumerate(ours(embedded)):
        assert y.dtype == torch.bfloat16
        torch.testing.assert_close(layer_goodness(ours, images)[k, :, 4], y.float().square().sum((1, 2, 3)))


@pytest.mark.parametrize("preset", [p.name for p in ffnet.list_presets()])
def test_every_preset_takes_its_steps(preset):
    chosen = ffnet.load_preset(preset).config.override(
        ["data.name=digits", "data.limit=40", "train.batch=10", "labels.candidates=60"]
    )
    if chosen.labels.set == "fourier:low100":  # for a hundred classes
        chosen = chosen.override(["labels.set=fourier", "labels.assign=order"])
    data = ffnet.load_data(chosen.data)
    if chosen.algorithm == "bp":
        learner = BPLearner(ffnet.BPNet(chosen, data.shape, data.classes))
    else:
        learner = FFLearner(ffnet.FFNet(chosen, data.shape, ffnet.label_set(chosen, data)), 40)
    draws = Draws(chosen, data.train.classes, data.classes, 0)
    before = learner.net.layers[-1].weight.detach().clone()
    for k in range(2):
        learner.step(data.train, draws, k)
    assert learner.first_bad_step() is None
    assert not torch.equal(before, learner.net.layers[-1].weight)
    metrics = learner.epoch_metrics()
    assert np.isfinite(metrics["loss"])
    assert not metrics.get("dead_layers")


@pytest.mark.parametrize(
    "settings", [[], ["net.first_layer=with_next"], ["net.detach=false"]], ids=["local", "with_next", "joint"]
)
@pytest.mark.parametrize("labels", ["fourier", "morph"])
def test_every_layer_is_offered_the_label(settings, labels):
    chosen = config("net.label_every_layer=true", "dtype=float64", *settings)
    ours = ffnet.FFNet(chosen, SHAPE, fflabels.design(labels, 10, candidates=40, shape=SHAPE))
    assert [layer.weight.shape[1] for layer in ours.layers] == [1, 5, 7]
    images, pair = batch()
    before = [layer.weight.detach().clone() for layer in ours.layers]
    x = [ours.labels.embed(images, pair[:, k], 0.35) for k in (0, 1)]
    offered = torch.cat([(x[k] - 0.65 * images) / 0.35 for k in (0, 1)])  # the imprint, taken back out of the mixture
    found = ours(ours.embedder.embed(images.repeat(2, 1, 1, 1), pair.T.reshape(-1)))
    x = torch.cat(x)
    for weight, layer, pool, y in zip(before, ours.layers, (2, 1, 1), found, strict=True):
        if weight.shape[1] > 1:
            x = torch.cat([x, F.adaptive_avg_pool2d(offered, x.shape[2:])], 1)
        expected = F.conv2d(normalized(x, "layer"), weight, layer.bias, padding=1).relu()
        torch.testing.assert_close(y, expected)
        x = F.max_pool2d(expected, pool)
    FFLearner(ours, 8).learn(images, pair)
    assert all(not torch.equal(layer.weight, weight) for layer, weight in zip(ours.layers, before, strict=True))
    assert ffnet.goodness_scores(ours, images).shape == (8, 10)


@pytest.mark.usefixtures("convolution")
@pytest.mark.parametrize("labels", ["fourier", "morph"])
def test_later_layers_are_offered_waves_of_the_label(labels):
    chosen = config("net.label_every_layer=true", "net.offered_waves=3", "dtype=float64", "seed=5")
    ours = ffnet.FFNet(chosen, SHAPE, fflabels.design(labels, 10, candidates=40, shape=SHAPE))
    assert [layer.weight.shape[1] for layer in ours.layers] == [1, 7, 9]
    images, pair = batch()
    y, x = np.mgrid[:14, :14] / 14
    named = [[WAVES[k] for k in of] for of in code(10, 3, seed=5).tolist()]
    waves = [[0.5 + 0.5 * np.cos(2 * np.pi * (w.fy * y + w.fx * x) + w.phase) for w in of] for of in named]
    drawn = torch.tensor(np.array(waves))
    for label in range(10):
        embedded = ours.embedder.embed_one(images, label)
        torch.testing.assert_close(embedded.images, ours.labels.embed(images, torch.full((8,), label), 0.35))
        expected = F.avg_pool2d(drawn[label], 2).expand(8, -1, -1, -1)
        torch.testing.assert_close(embedded.offered, expected, rtol=0, atol=0.02)  # waves are stretched
    both = ours.embedder.embed(images, pair[:, 1])
    for k in range(8):
        one = ours.embedder.embed_one(images, int(pair[k, 1]))
        torch.testing.assert_close(both.images[k], one.images[k])
        assert torch.equal(both.offered[k], one.offered[k])
    mean = ours.embedder.offered.mean(0).expand(8, -1, -1, -1)
    torch.testing.assert_close(ours.embedder.neutral(images).offered, mean)
    first, second, *_ = ours(both)
    expected = torch.cat([F.max_pool2d(first, 2), both.offered], 1)
    layer = ours.layers[1]
    expected = F.conv2d(normalized(expected, "layer"), layer.weight, layer.bias, padding=1).relu()
    torch.testing.assert_close(second, expected)
    with pytest.raises(FFLabelsError, match="embedded images: nothing for later layers; got Tensor"):
        ours(both.images)
    again = pickle.loads(pickle.dumps(ours))
    assert torch.equal(ffnet.goodness_scores(again, images), ffnet.goodness_scores(ours, images))
    other = ffnet.FFNet(chosen.replaced({"seed": 6}), SHAPE, ours.labels)  # as where the seed drew another code
    assert not torch.equal(other.embedder.offered, ours.embedder.offered)
    other.load_state_dict(ours.state_dict())
    assert torch.equal(other.embedder.offered, ours.embedder.offered)


@pytest.mark.parametrize(
    ("labels", "channels"), [(2, 1), (10, 3), (16, 1), (100, 2), (256, 8), (256, 16), (257, 3), (1000, 8)]
)
def test_a_code_tells_all_labels_apart_and_uses_all_waves_alike(labels, channels):
    found = code(labels, channels, seed=3).tolist()
    assert len({tuple(of) for of in found}) == labels
    assert found == code(labels, channels, seed=3).tolist()
    assert found != code(labels, channels, seed=4).tolist()
    codes = np.array(found)
    shared = max((codes[a] == codes[a + 1 :]).sum(1).max() for a in range(labels - 1))
    assert shared == (0 if labels <= 16 else 1 if labels <= 256 else 2)
    for k in range(channels):
        often = Counter(of[k] for of in found)
        assert max(often.values()) - (min(often.values()) if len(often) == len(WAVES) else 0) <= 1


def test_a_code_of_too_few_channels_is_refused():
    with pytest.raises(
        FFLabelsError, match=r"waves: does not tell .* apart; got 1 for 17 labels; expected 2 or more, or 0"
    ):
        code(17, 1, seed=0)
    with pytest.raises(FFLabelsError, match=r"got 2 for 257 labels; expected 3 or more, or 0"):
        code(257, 2, seed=0)
    with pytest.raises(FFLabelsError, match=r"net.offered_waves: nothing is offered; got 2; expected 0, or net.label"):
        config("net.offered_waves=2")


@pytest.mark.parametrize(("drawn", "same"), [("uniform", True), ("balanced", True), ("hard", False)])
def test_layers_behind_reach_a_layer_by_the_choice_of_hard_negatives_alone(drawn, same):
    short, long = (net(*widths, f"train.negatives={drawn}") for widths in (["net.widths=[4,6]", "net.pools=[2,1]"], []))
    split = Split((255 * batch(32)[0]).byte(), torch.arange(32) % 10)
    for one in (short, long):
        learner = FFLearner(one, 32)
        for epoch in range(4):
            draws = Draws(one.config, split.classes, 10, epoch)
            for k in range(len(draws)):
                learner.step(split, draws, k)
    assert torch.equal(short.layers[0].weight, long.layers[0].weight) == same


@pytest.mark.parametrize("kind", ["log-contrast", "learned-contrast"])
def test_a_layer_learns_the_same_whatever_layers_come_behind_it(kind):
    short, long = net("net.widths=[4,6]", "net.pools=[2,1]", f"train.goodness={kind}"), net(f"train.goodness={kind}")
    for step in range(3):
        for one in (short, long):
            FFLearner.learn(one.__dict__.setdefault("learner", FFLearner(one, 8)), *batch(seed=step))
    for a, b in zip(short.layers, long.layers, strict=False):
        assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_the_learned_contrast_begins_as_the_contrast_and_leaves_it():
    fixed, learned = (
        net(f"train.goodness={kind}", "net.widths=[4,7,6]") for kind in ("log-contrast", "learned-contrast")
    )
    images, _ = batch()
    torch.testing.assert_close(layer_goodness(learned, images), layer_goodness(fixed, images))
    before = [layer.goodness_weight.detach().clone() for layer in learned.layers]
    FFLearner(learned, 8).learn(*batch())
    assert all(not torch.equal(layer.goodness_weight, old) for layer, old in zip(learned.layers, before, strict=True))
    assert all(layer.goodness_weight is None for layer in fixed.layers)
    assert (
        ffnet.BPNet(config("algorithm=bp", "train.goodness=learned-contrast"), SHAPE, 10).layers[0].goodness_weight
        is None
    )


@pytest.mark.parametrize(
    ("first", "moves"), [("local", True), ("random", False), ("include", True), ("with_next", True)]
)
def test_what_trains_the_first_layer(first, moves):
    ours = net(f"net.first_layer={first}")
    before = ours.layers[0].weight.detach().clone()
    FFLearner(ours, 8).learn(*batch())
    assert torch.equal(before, ours.layers[0].weight) is not moves
    assert ours.counted.start == (0 if first == "include" else 1)
    assert ours.config.layer_local is (first != "with_next")


def test_without_detach_the_loss_of_the_last_layer_reaches_the_first():
    apart, joined = net(), net("net.detach=false")
    for one in (apart, joined):
        FFLearner(one, 8).learn(*batch())
    assert not joined.config.layer_local
    assert not torch.equal(apart.layers[0].weight, joined.layers[0].weight)


def test_goodness_equals_a_loop_over_images_and_labels():
    ours = net("train.goodness=sum").eval()
    images, _ = batch(4)
    images = images.float()
    found = layer_goodness(ours, images, chunk=3)
    for i in range(4):
        for label in range(10):
            embedded = ours.labels.embed(images[i : i + 1], torch.tensor([label]), 0.35)
            for k, y in enumerate(ours(embedded)):
                torch.testing.assert_close(found[k, i, label], y.square().sum(), rtol=1e-4, atol=1e-4)
    expected = found[1:].sum(0).argmax(1)
    assert torch.equal(ffnet.predict(ours, images, method="goodness"), expected)


def test_prediction_has_no_place_for_classes_and_does_not_depend_on_them():
    readings = (layer_goodness, features, ffnet.goodness_scores, cascade_scores, halving_scores)
    for function in (ffnet.predict, ffnet.fit_forecast, *readings):
        assert not {"y", "labels", "classes", "targets"} & set(inspect.signature(function).parameters)
    data = ffnet.load_data(ffnet.Config().data)
    ours = ffnet.FFNet(config("net.pools=[2,2,1]"), data.shape, named_set("fourier:paper10"))
    before = ffnet.predict(ours, data.test.images[:20])
    data.test.classes[:] = data.test.classes[torch.randperm(len(data.test))]
    assert torch.equal(before, ffnet.predict(ours, data.test.images[:20]))


def test_the_net_embeds_as_the_label_set_does():
    labels = named_set("fourier:paper10")
    images, pair = batch(5)
    ours = net("dtype=float64")
    embedded = ours.embedder.embed(images, pair[:, 0])
    assert embedded.offered is None
    assert torch.equal(embedded.images, labels.embed(images, pair[:, 0], 0.35))
    torch.testing.assert_close(
        ours.embedder.neutral(images).images, sum(0.65 * images + 0.35 * i for i in labels.imprints(images)) / 10
    )


@pytest.mark.parametrize("draw", [negatives.uniform, negatives.balanced])
def test_negatives_are_wrong_and_balanced_ones_as_frequent_as_the_right(draw):
    rng = np.random.default_rng(0)
    right = rng.integers(0, 10, (20, 64))
    wrong = draw(right, 2, 10, rng)
    assert wrong.shape == (20, 64, 2)
    assert (wrong != right[..., None]).all()
    assert ((wrong >= 0) & (wrong < 10)).all()
    if draw is negatives.balanced:
        same = [
            np.array_equal(np.bincount(r, minlength=10), np.bincount(w[:, 0], minlength=10))
            for r, w in zip(right, wrong, strict=True)
        ]
        assert np.mean(same) > 0.8


def test_uniform_negatives_are_uniform():
    wrong = negatives.uniform(np.zeros(90_000, np.int64), 1, 10, np.random.default_rng(0))
    assert np.abs(np.bincount(wrong[:, 0], minlength=10)[1:] - 10_000).max() < 500


def test_hard_negatives_follow_the_logits_and_are_never_right():
    classes = torch.arange(3).repeat(20_000)
    logits = torch.tensor([[9.0, 0.0, 1.0]]).expand(60_000, 3)
    noise = torch.rand(60_000, 1, generator=torch.Generator().manual_seed(0))
    wrong = negatives.hard(classes, noise, logits)[:, 0]
    assert (wrong != classes).all()
    share = (wrong[classes == 0] == 2).float().mean()
    assert abs(share - np.e / (1 + np.e)) < 0.02


@given(seed=st.integers(0, 999), size=st.integers(2, 64), count=st.integers(2, 12), spread=st.floats(0, 8))
@settings(max_examples=60, deadline=None)
def test_even_hard_negatives_are_wrong_whatever_the_logits(seed, size, count, spread):
    generator = torch.Generator().manual_seed(seed)
    classes = torch.randint(count, (size,), generator=generator)
    noise, logits = torch.rand(size, 3, generator=generator), spread * torch.randn(size, count, generator=generator)
    wrong = negatives.hard(classes, noise, logits, even=True)
    assert (wrong != classes[:, None]).all()
    assert ((wrong >= 0) & (wrong < count)).all()


def test_even_hard_negatives_are_even_though_one_label_is_far_ahead():
    classes = torch.arange(10).repeat(8)
    logits = torch.zeros(80, 10)
    logits[:, 3] = 120.0  # the others' probabilities are 0 in float32
    wrong = negatives.hard(classes, torch.rand(80, 500, generator=torch.Generator().manual_seed(0)), logits, even=True)
    assert (torch.bincount(wrong.flatten(), minlength=10) / wrong.numel() - 0.1).abs().max() < 0.01


def test_even_hard_negatives_come_as_often_as_they_are_right_and_still_follow_the_logits():
    generator = torch.Generator().manual_seed(0)
    classes = torch.arange(10).repeat(8)
    logits = torch.randn(80, 10, generator=generator) + 3 * torch.arange(10) / 10  # the last labels would be drawn most
    drawn = {}
    for even in (False, True):
        noise = torch.rand(80, 4000, generator=generator)
        wrong = negatives.hard(classes, noise, logits, even=even)
        drawn[even] = torch.stack([(wrong == c).float().mean(1) for c in range(10)], 1)
    frequency = {even: share.sum(0) / share.sum() for even, share in drawn.items()}
    assert (frequency[False] - 0.1).abs().max() > 0.05
    assert (frequency[True] - 0.1).abs().max() < 0.002
    # For one image, two labels' odds are the logits' times what holds for every image.
    odds = (drawn[True][:, 3] / drawn[True][:, 7]).log() - (logits[:, 3] - logits[:, 7])
    there = (classes != 3) & (classes != 7) & (drawn[True][:, [3, 7]] > 0.02).all(1)
    assert there.sum() > 20
    assert odds[there].std() < 0.15


@pytest.mark.parametrize(("crop", "flip"), [(0, True), (2, False), (3, True)])
def test_moved_images_are_those_of_a_loop(crop, flip):
    rng = np.random.default_rng(0)
    images = torch.randint(0, 256, (40, 2, 9, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    moves = augmentation.draw_moves((40,), crop, flip, rng)
    assert np.abs(moves[:, :2]).max() == crop
    assert set(moves[:, 2]) == ({0, 1} if flip else {0})
    found = augmentation.moved(images, torch.from_numpy(moves), crop)
    assert found.dtype == torch.uint8
    for image, (down, right, mirrored), one in zip(images.numpy(), moves, found.numpy(), strict=True):
        expected = ndimage.shift(image, (0, down, right), order=0, cval=0)
        np.testing.assert_array_equal(one, expected[..., ::-1] if mirrored else expected)


@pytest.mark.parametrize("algorithm", ["ff", "bp"])
def test_training_sees_moved_images_the_same_every_time_and_the_label_stays_where_it_is(algorithm):
    settings = [f"algorithm={algorithm}", "train.crop=2", "train.flip=true", "train.batch=20"]
    chosen, plain = config(*settings), config(*settings[:1], "train.batch=20")
    classes, images = torch.arange(40) % 10, torch.randint(0, 256, (40, *SHAPE), dtype=torch.uint8)
    split = Split(images, classes)
    first, again, other = (Draws(chosen, classes, 10, epoch) for epoch in (0, 0, 1))
    assert torch.equal(first.images(split, 1), again.images(split, 1))
    assert torch.equal(first.order_SB, Draws(plain, classes, 10, 0).order_SB)  # the other draws are as they were
    assert not torch.equal(first.moves_SB3, other.moves_SB3)
    assert torch.equal(first.images(split, 1)[5:9], first.images(split, 1, slice(5, 9)))
    seen = []
    if algorithm == "bp":
        learner = BPLearner(ffnet.BPNet(chosen, SHAPE, 10))
        learner.net.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        learner.step(split, first, 0)
        assert torch.equal(seen[0], first.images(split, 0))
        return
    learner = FFLearner(net(*settings), 40)
    embed = learner.net.embedder.embed
    learner.net.embedder.embed = lambda *given: seen.append((given, embed(*given))) or seen[0][1]
    learner.step(split, first, 0)
    (given, labels, _), embedded = seen[0]
    torch.testing.assert_close(given[:20], first.images(split, 0) / 255)
    assert torch.equal(embedded.images, learner.net.labels.embed(given, labels, 0.35))


def test_the_untrained_control_sees_moved_images_as_training_does():
    chosen = config("train.crop=4", "net.norm=batch", "data.limit=40", "train.batch=40", "inference.linear_epochs=1")
    data, labels = ffnet.load_data(chosen.data), named_set("fourier:paper10")
    control = untrained(ffnet.FFNet(chosen, data.shape, labels), data)
    still = untrained(ffnet.FFNet(chosen.replaced({"train.crop": 0}), data.shape, labels), data)
    assert control.layers[0].running_mean < still.layers[0].running_mean - 0.01  # black came in


def test_a_crop_that_leaves_nothing_is_refused():
    with pytest.raises(FFLabelsError, match=r"train.crop: leaves nothing of an image; got 14; expected below 14"):
        net("train.crop=14")


def test_imprints_are_not_kept_of_images_that_move():
    with pytest.raises(FFLabelsError, match=r"labels.cache: keeps imprints .* got 64; expected 0 with train.crop"):
        config("labels.cache=64", "train.crop=2")


def test_draws_depend_on_seed_and_epoch_alone():
    classes = torch.arange(100) % 10
    first, again, other = (Draws(config(), classes, 10, epoch) for epoch in (0, 0, 1))
    assert torch.equal(first.order_SB, again.order_SB)
    assert torch.equal(first.labels_SBK, again.labels_SBK)
    assert not torch.equal(first.order_SB, other.order_SB)


def test_the_papers_cooldown():
    train = config("train.schedule=cooldown", "train.epochs=200", "train.lr=5e-5").train
    assert learning_rate(train, 99, 0.5) == 5e-5
    assert learning_rate(train, 100, 0.5) == pytest.approx(2 * 5e-5 / 200 * 100)
    assert learning_rate(train, 199, 1.0) == pytest.approx(2 * 5e-5 / 200)


def test_a_dead_layer_is_reported():
    ours = net()
    with torch.no_grad():
        ours.layers[1].weight.zero_()
        ours.layers[1].bias.fill_(-1)
    learner = FFLearner(ours, 8)
    learner.learn(*batch())
    assert 2 in learner.epoch_metrics()["dead_layers"]


def test_a_loss_that_is_not_finite_is_named():
    data = ffnet.load_data(config("data.limit=64").data)
    ours = ffnet.FFNet(config("train.epochs=1", "train.batch=16"), data.shape, named_set("fourier:paper10"))
    with torch.no_grad():
        ours.layers[2].weight.fill_(torch.nan)
    with pytest.raises(FFLabelsError, match="epoch 1, step 1: the loss is not finite"):
        ffnet.fit(ours, data)


def test_the_step_runs_on_cuda_without_a_stray_tensor_or_a_hidden_wait(monkeypatch):
    from torch._subclasses.fake_tensor import FakeTensorMode

    # The engine wants a driver even for fake tensors; what it is given, the loss and s, is checked all the same.
    monkeypatch.setattr(torch.autograd, "grad", lambda loss, of: [torch.zeros_like(s) + 0 * loss for s in of])

    for changes in (
        [],
        ["train.negatives=hard", "dtype=bfloat16", "net.norm=batch"],
        ["train.negatives=hard-balanced", "train.goodness=learned-contrast", "net.regions=3"],
        ["train.goodness=sum", "train.loss=bce", "net.label_every_layer=true", "inference.mirror=true"],
        ["net.label_every_layer=true", "net.offered_waves=3"],
        ["train.peer=0.03", "train.relu_gradient=full", "net.init=unit", "train.weight_decay=3e-4"],
    ):
        with FakeTensorMode(allow_non_fake_inputs=True):
            ours = net(*changes)
            for module in ours.modules():
                for name, parameter in module._parameters.items():
                    if parameter is not None:
                        module._parameters[name] = torch.nn.Parameter(parameter.to("cuda"))
                for name, buffer in module._buffers.items():
                    module._buffers[name] = None if buffer is None else buffer.to("cuda")
            learner = FFLearner(ours, 8)
            images = torch.zeros(8, *SHAPE, dtype=torch.uint8, device="cuda")
            labels = torch.zeros(8, 2, dtype=torch.int64, device="cuda")
            learner.learn(images, labels, torch.zeros(8, dtype=torch.int64, device="cuda"))
            assert ffnet.predict(ours, images, method="goodness").device.type == "cuda"
            logs = channel_logs(ours, images)
            assert logs.device.type == "cuda"
            ours.channel_weight = torch.zeros(logs.shape[2], device="cuda")
            assert ffnet.predict(ours, images, method="channels").device.type == "cuda"
            with torch.device("cuda"):
                ours.readout = Readout(features(ours, images).shape[1], 10)
            assert ffnet.predict(ours, images, method="linear").device.type == "cuda"


def test_morphology_labels_of_an_epoch_wait_on_the_host():
    labels = fflabels.design("morph", 10, candidates=40, shape=SHAPE)
    for draw, where in (("uniform", "cpu"), ("balanced", "cpu"), ("hard", "meta")):
        learner = FFLearner(ffnet.FFNet(config(f"train.negatives={draw}"), SHAPE, labels), 8)
        classes = torch.arange(40) % 10
        draws = Draws(learner.config, classes, 10, 0, labels_on=learner.labels_on or torch.device("meta"))
        assert draws.labels_SBK.device.type == where


def test_kept_imprints_are_those_drawn_to_the_nearest_byte_and_a_training_with_them_can_be_repeated():
    labels = fflabels.design("morph", 10, candidates=20, shape=SHAPE)
    images = torch.randint(0, 256, (30, *SHAPE), dtype=torch.uint8)
    weights = []
    for _ in range(2):
        ours = ffnet.FFNet(config("labels.cache=1"), SHAPE, labels)
        learner, split = FFLearner(ours, 30), Split(images, torch.arange(30) % 10)
        learner.step(split, Draws(ours.config, split.classes, 10, 0, labels_on=learner.labels_on), 0)
        weights.append(ours.layers[1].weight.detach())
    assert torch.equal(*weights)
    index, which = torch.tensor([3, 0, 29, 3]), torch.tensor([9, 0, 4, 1])
    kept = learner.imprints.take(index, which)
    drawn = labels.labeler.imprint_each(images[index] / 255, labels.recipes, which)
    assert torch.equal(kept, (drawn * 255).round() / 255)
    embedded = ours.embedder.embed(images[index] / 255, which, kept)
    torch.testing.assert_close(
        embedded.images, ours.embedder.embed(images[index] / 255, which).images, rtol=0, atol=0.35 / 510 + 1e-6
    )
    with pytest.raises(FFLabelsError, match=r"labels.cache: .*got 0.01 MiB; expected 1 or more"):
        Imprints(ours.embedder, images, limit=0.01)


def test_settings_are_checked_by_name():
    for setting, message in [
        ("train.epohcs=3", "no such setting; got train.epohcs .did you mean 'epochs'"),
        ("trian.epochs=3", "no such section; got trian.epochs .did you mean 'train'"),
        ("train.epochs=0", "Expected `int` >= 1"),
        ("net.kernel=4", "net.kernel: even"),
        ("net.pools=[2]", "net.pools: one a layer"),
        ("inference.layers=weigthed", r"inference.layers. \(did you mean 'weighted'\? known: last, sum, weighted\)"),
        ("algorithm=fff", r"'fff' - at .*did you mean 'ff'\? known: bp, ff"),
    ]:
        with pytest.raises(FFLabelsError, match=message):
            ffnet.Config().override([setting])
    with pytest.raises(FFLabelsError, match=r"unknown goodness.*did you mean 'contrast'"):
        net("train.goodness=contrats")


def test_a_set_of_another_size_is_refused(tmp_path):
    few = LabelSet(named_set("fourier:paper10").recipes[:3], "fourier")
    few.save(tmp_path / "few.json")
    chosen = ffnet.Config().override([f"labels.set={tmp_path / 'few.json'}"])
    with pytest.raises(FFLabelsError, match="not one label a class; got 3; expected 10 for digits"):
        ffnet.label_set(chosen, ffnet.load_data(chosen.data))


def test_labels_that_are_alike_go_to_classes_that_look_alike(tmp_path):
    waves = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2))
    recipes = [FourierRecipe((Wave(*wave, phase),)) for phase in (0.0, np.pi / 2) for wave in waves]
    LabelSet(recipes, "fourier").save(tmp_path / "set.json")
    chosen = ffnet.Config().override([f"labels.set={tmp_path / 'set.json'}", "labels.assign=alike"])
    data = ffnet.load_data(chosen.data)
    found = ffnet.label_set(chosen, data)
    images, classes = data.train.images.numpy().astype(np.float32) / 255, data.train.classes.numpy()
    seen = fflabels.References(images, "digits", classes)
    assert set(found.recipes) == set(recipes)
    assert agreement(found, seen) > 0.3 > agreement(LabelSet(recipes, "fourier"), seen)
    blind = replace(data, validation=data.validation[:0], test=data.test[:0])
    assert ffnet.label_set(chosen, blind) == found
    few = replace(data, train=data.train[data.train.classes != 3])
    with pytest.raises(FFLabelsError, match=r"labels\.assign: a class without a training image; got class 3 of digits"):
        ffnet.label_set(chosen, few)


def test_transform_and_pairs_for_other_loops():
    labels = named_set("fourier:paper10")
    images, pair = batch(6)
    pairs = ffnet.LabelledPairs([(x, int(c)) for x, c in zip(images, pair[:, 0], strict=True)], labels, seed=3)
    positive, negative, label = pairs[2]
    assert torch.equal(positive, labels.embed(images[2:3], torch.tensor([label]), 0.35)[0])
    assert torch.equal(negative, pairs[2][1])
    assert not torch.equal(positive, negative)


def test_digits_are_learnt_and_the_same_twice():
    settings = ["train.epochs=6", "net.widths=[16,32,32]", "net.pools=[2,2,1]", "net.norm=rms", "train.batch=32"]
    chosen = ffnet.Config().override([*settings, "labels.set=fourier:paper10", "inference.linear_epochs=5"])
    data = ffnet.load_data(chosen.data)
    nets = [ffnet.FFNet(chosen, data.shape, ffnet.label_set(chosen, data)) for _ in range(2)]
    histories = [ffnet.fit(one, data) for one in nets]
    assert histories[0] == histories[1]
    assert all(
        torch.equal(a, b) for a, b in zip(nets[0].state_dict().values(), nets[1].state_dict().values(), strict=True)
    )
    found = ffnet.evaluate(nets[0], data)
    assert found.goodness.accuracy > 0.85
    assert found.linear.accuracy > 0.9
    assert 0.5 < found.linear.untrained <= 1
    predicted = ffnet.predict(nets[0], data.validation.images, method="goodness")
    assert found.goodness.accuracy == pytest.approx((predicted == data.validation.classes).double().mean().item())
    for right, guess in zip(data.validation.classes.tolist(), predicted.tolist(), strict=True):
        found.goodness.confusion[right][guess] -= 1
    assert not np.any(found.goodness.confusion)


def test_accuracy_a_class_of_a_class_without_images_is_unknown():
    from ffnet.data.dataset import Split
    from ffnet.evaluation.accuracy import reading_of

    scores = torch.eye(3)[torch.tensor([0, 0, 1, 2])]
    found = reading_of(scores, Split(torch.zeros(4, 1, 1, 1), torch.tensor([0, 1, 1, 0])), 3)
    assert found.per_class == [0.5, 0.5, None]
    assert found.confusion == [[1, 0, 1], [1, 1, 0], [0, 0, 0]]


def test_back_propagation_learns_digits():
    chosen = config("algorithm=bp", "net.norm=batch", "train.epochs=8", "net.pools=[2,2,1]", "train.lr=1e-2")
    data = ffnet.load_data(chosen.data)
    baseline = ffnet.BPNet(chosen, data.shape, data.classes)
    assert isinstance(BPLearner(baseline), BPLearner)
    losses = [metrics["loss"] for metrics in ffnet.fit(baseline, data)]
    assert losses[-1] < losses[0]
    right = ffnet.predict(baseline, data.validation.images) == data.validation.classes
    assert right.float().mean() > 0.5


def test_the_untrained_control_has_the_first_weights_and_its_own_statistics():
    chosen = config("net.norm=batch", "net.pools=[2,2,1]", "train.epochs=1", "inference.linear_epochs=1")
    data = ffnet.load_data(chosen.data)
    trained = ffnet.FFNet(chosen, data.shape, named_set("fourier:paper10"))
    first = trained.layers[1].weight.detach().clone()
    ffnet.fit(trained, data)
    control = untrained(trained, data)
    assert torch.equal(control.layers[1].weight, first)
    assert not torch.equal(trained.layers[1].weight, first)
    assert not torch.equal(control.layers[0].running_var, torch.ones(1))
