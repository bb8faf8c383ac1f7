"""The step with label codes: its gradient against autograd, its locality, its inference in one pass."""

import pytest
import torch
from reference import batch, code_net, normalized, reference_code_goodness, region_squares
from torch.nn import functional as F

import ffnet
from fflabels.errors import FFLabelsError
from ffnet.inference.passes import layer_goodness
from ffnet.model.fast_cpu import spectral
from ffnet.model.regions import _pooled_by_matrices, region_means, times_slope
from ffnet.training.codes import CodeLearner

POOLS = (2, 1, 1)


def one_layer(x, layer, norm, pool, stride=1):
    """The pooled activity of a layer, written for autograd."""
    padding = layer["weight"].shape[-1] // 2
    return F.max_pool2d(F.conv2d(normalized(x, norm), layer["weight"], layer["bias"], stride, padding).relu(), pool)


def parameters_of(net):
    """Copies of each layer's parameters, and its codes, learned or fixed, as matrices that goodness is taken with."""
    layers = []
    for layer in net.layers:
        copies = {name: p.detach().clone().requires_grad_() for name, p in layer.named_parameters()}
        copies.setdefault("goodness_weight", layer.goodness_weight.clone())
        layers.append(copies)
    return layers


@pytest.mark.parametrize("norm", ["layer", "batch", "rms", "none"])
@pytest.mark.parametrize("learn", ["true", "false"])
@pytest.mark.parametrize(
    ("dtype", "fourier", "tolerance"), [("float64", False, 1e-9), ("float64", True, 1e-8), ("float32", False, 2e-4)]
)
def test_ten_closed_form_steps_equal_autograd(monkeypatch, norm, learn, dtype, fourier, tolerance):
    monkeypatch.setattr(spectral, "pays", lambda *_: fourier)
    settings = [f"labels.goodness.learn={learn}", f"net.norm={norm}", f"dtype={dtype}", "train.lr=1e-3"]
    net = code_net(*settings)
    learner, layers = CodeLearner(net), parameters_of(net)
    adam = torch.optim.Adam([p for layer in layers for p in layer.values() if p.requires_grad], lr=1e-3)
    for step in range(10):
        images, labels = batch(seed=step)
        images = images.to(getattr(torch, dtype))
        learner.learn(images, labels[:, 0])
        adam.zero_grad()
        x = images
        for layer, pool in zip(layers, POOLS, strict=True):
            pooled = one_layer(x, layer, norm, pool)
            code = layer["goodness_weight"] * layer["goodness_weight"].shape[1] ** -0.25
            F.cross_entropy(4 * reference_code_goodness(pooled, code), labels[:, 0]).backward()
            x = pooled.detach()
        adam.step()
    for layer, expected in zip(net.layers, layers, strict=True):
        for name, parameter in {**dict(layer.named_parameters()), "goodness_weight": layer.goodness_weight}.items():
            torch.testing.assert_close(parameter, expected[name], rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("pools", "strides"),
    [
        ([1, 1, 1], [1, 1, 1]),
        ([2, 2, 1], [1, 1, 1]),
        ([3, 1, 2], [1, 1, 1]),
        ([2, 7, 1], [1, 1, 1]),
        ([1, 2, 1], [2, 1, 2]),
    ],
    ids=str,
)
def test_every_pooling_and_stride_has_the_gradient_of_autograd(pools, strides):
    settings = (f"net.pools={pools}", f"net.strides={strides}", "labels.goodness.learn=true", "net.kernel=5")
    net = code_net(*settings, "dtype=float64")
    layers, (images, labels) = parameters_of(net), batch()
    CodeLearner(net).learn(images, labels[:, 0])
    x = images
    for layer, learnt, pool, stride in zip(layers, net.layers, pools, strides, strict=True):
        x = one_layer(x, layer, "batch", pool, stride)
        code = layer["goodness_weight"] * layer["goodness_weight"].shape[1] ** -0.25
        F.cross_entropy(4 * reference_code_goodness(x, code), labels[:, 0]).backward()
        x = x.detach()
        for name, parameter in learnt.named_parameters():
            torch.testing.assert_close(parameter.grad, layer[name].grad, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("sides", [(5, 7), (4, 6), (3, 9)])
def test_means_of_regions_by_matrices_are_adaptive_pooling(sides):
    y = torch.randn(2, 3, *sides, dtype=torch.float64, requires_grad=True)
    grad = torch.randn(2, 3, 2, 2, dtype=torch.float64)
    for pooled in (_pooled_by_matrices(y, (2, 2)), region_means(y, (2, 2))):
        torch.testing.assert_close(pooled, torch.nn.functional.adaptive_avg_pool2d(y, 2))
        (ours,) = torch.autograd.grad((pooled * grad).sum(), y)
        (theirs,) = torch.autograd.grad((torch.nn.functional.adaptive_avg_pool2d(y, 2) * grad).sum(), y)
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("regions", ["[7,1,1]", "[1,7,7]", "[2,3,1]", "[1,2,5]"])
def test_codes_over_regions_have_the_gradient_of_autograd(regions):
    net = code_net(f"labels.goodness.regions={regions}", "dtype=float64", "labels.goodness.learn=true")
    layers, (images, labels), sides = parameters_of(net), batch(), net.config.labels.goodness.regions
    CodeLearner(net).learn(images, labels[:, 0])
    goodness = layer_goodness(net.eval(), images)
    x = seen = images
    for k, (layer, learnt, pool, side) in enumerate(zip(layers, net.layers, POOLS, sides, strict=True)):
        assert learnt.goodness_weight.shape == (10, len(learnt.bias) * side**2)
        x = one_layer(x, layer, "batch", pool)
        code = layer["goodness_weight"] * layer["goodness_weight"].shape[1] ** -0.25
        regions = region_squares(x, side).sqrt()[:, :, None, None]  # each as the activity of a channel of one pixel
        F.cross_entropy(4 * reference_code_goodness(regions, code), labels[:, 0]).backward()
        x = x.detach()
        for name, parameter in learnt.named_parameters():
            torch.testing.assert_close(parameter.grad, layer[name].grad, rtol=1e-8, atol=1e-12)
        seen = F.max_pool2d(learnt(seen), pool)
        code = learnt.goodness_weight * learnt.goodness_weight.shape[1] ** -0.25  # after the step
        regions = region_squares(seen, side).sqrt()[:, :, None, None]
        torch.testing.assert_close(goodness[k], reference_code_goodness(regions, code))


def test_a_goodness_map_in_regions_is_what_its_pixels_add():
    net = code_net("labels.goodness.regions=[7,7,2]", "dtype=float64").eval()
    images = batch()[0][:3]
    maps = ffnet.goodness_maps(net, images)
    for k, y in enumerate(net.activities(net.prepare(images))):
        if k + 1 not in maps.layers:
            continue
        pooled, layer, side = F.max_pool2d(y, POOLS[k]), net.layers[k], net.config.labels.goodness.regions[k]
        code = layer.goodness_weight * layer.goodness_weight.shape[1] ** -0.25
        between = (code[maps.classes] - code[maps.rivals]) / (region_squares(pooled, side) + 0.01)
        share = times_slope(pooled.square(), layer.regions, between) / 2  # tested above
        expected = share.sum(1).float()
        torch.testing.assert_close(maps.layers[k + 1], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("layers", "shown"), [("sum", [2, 3]), ("last", [3])])
def test_goodness_maps_are_of_the_layers_that_decide(layers, shown):
    net = code_net(f"inference.layers={layers}").eval()
    assert sorted(ffnet.goodness_maps(net, batch()[0][:3]).layers) == shown


def test_the_loss_of_a_layer_moves_that_layer_alone():
    net = code_net("dtype=float64", "labels.goodness.learn=true")
    images, labels = batch()
    alone = []
    for k in range(3):
        ours = code_net("dtype=float64", "labels.goodness.learn=true")
        for later in range(k + 1, 3):
            ours.layers[later].weight.data.mul_(3)  # another later layer changes nothing before it
        CodeLearner(ours).learn(images, labels[:, 0])
        alone.append(ours.layers[k].weight.grad)
    CodeLearner(net).learn(images, labels[:, 0])
    for layer, gradient in zip(net.layers, alone, strict=True):
        assert torch.equal(layer.weight.grad, gradient)
    assert net.config.layer_local


def test_one_pass_gives_the_goodness_of_every_label():
    net = code_net("dtype=float64").eval()
    images, _ = batch()
    passes = []
    net.layers[0].register_forward_pre_hook(lambda *_: passes.append(1))
    goodness = layer_goodness(net, images)
    assert goodness.shape == (3, 8, 10)
    assert len(passes) == 1
    x = images
    for k, (layer, pool) in enumerate(zip(net.layers, POOLS, strict=True)):
        x = F.max_pool2d(layer(x), pool)
        code = layer.goodness_weight * layer.goodness_weight.shape[1] ** -0.25
        torch.testing.assert_close(goodness[k], reference_code_goodness(x, code))
        assert torch.allclose(code.sum(1), torch.zeros(10, dtype=code.dtype), atol=1e-6)
        torch.testing.assert_close(code.clamp_min(0).sum(1), torch.ones(10, dtype=code.dtype))
    torch.testing.assert_close(ffnet.goodness_scores(net, images), goodness[1:].sum(0))
    assert torch.equal(ffnet.predict(net, images, inference="goodness"), goodness[1:].sum(0).argmax(1))


def test_prediction_does_not_depend_on_the_other_images():
    net = code_net().eval()
    images = batch(size=20)[0].float()
    together = ffnet.goodness_scores(net, images)
    alone = torch.cat([ffnet.goodness_scores(net, image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("inference", ["cascade", "cascade:2", "halving"])
def test_methods_that_save_passes_are_refused(inference):
    with pytest.raises(FFLabelsError, match="not needed with codes: goodness takes a single pass"):
        ffnet.predict(code_net(), batch()[0], inference=inference)


def test_codes_that_are_fixed_stay_and_learned_ones_move():
    for learn in (False, True):
        net = code_net(f"labels.goodness.learn={str(learn).lower()}")
        before = [layer.goodness_weight.clone() for layer in net.layers]
        images, labels = batch()
        CodeLearner(net).learn(images.float(), labels[:, 0])
        moved = [not torch.equal(old, layer.goodness_weight) for old, layer in zip(before, net.layers, strict=True)]
        assert moved == [learn] * 3


def test_learned_codes_can_start_from_zero():
    net = code_net("labels.goodness.learn=true", "labels.goodness.scale=0", "train.lr=0.01")
    assert not any(layer.goodness_weight.any() for layer in net.layers)
    images, labels = batch()
    learner = CodeLearner(net)
    for _ in range(3):
        learner.learn(images.float(), labels[:, 0])
    assert all(layer.goodness_weight.abs().sum(1).gt(0).all() for layer in net.layers)
    before = net.layers[0].weight.clone()
    learner.learn(images.float(), labels[:, 0])
    assert not torch.equal(before, net.layers[0].weight)


def test_a_dead_channel_stays_finite():
    net = code_net("labels.goodness.learn=true", "dtype=bfloat16")
    net.layers[1].weight.data[0] = 0
    net.layers[1].bias.data[0] = -1
    images, labels = batch()
    learner = CodeLearner(net)
    for _ in range(3):
        learner.learn(images.float(), labels[:, 0])
    assert learner.sums.first_bad_step() is None
    assert all(p.isfinite().all() for p in net.parameters())


def test_goodness_is_float32_where_activities_are_bfloat16():
    net = code_net("dtype=bfloat16")
    assert layer_goodness(net, batch()[0].float()).dtype == torch.float32


def test_discrimination_is_the_share_of_wrong_labels_below_the_right_one():
    from ffnet.training.codes import told_apart

    goodness = torch.tensor([[3.0, 2, 1], [0.0, 2, 1]])
    assert float(told_apart(goodness, torch.tensor([0, 2]))) == pytest.approx(0.75)
