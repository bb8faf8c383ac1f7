"""The fast paths of a step against the plain ones: convolution by Fourier transforms, samples without a gradient."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

import ffnet
from fflabels import named_set
from ffnet.model.fast_cpu import spectral
from ffnet.model.fast_cpu.maps import mean_squares
from ffnet.model.fast_cpu.scratch import Scratch
from ffnet.model.gradients import without_negligible
from ffnet.model.layer import LocalLayer, pixels_first
from ffnet.training.forward_forward import FFLearner

TOLERANCE = {torch.float32: 3e-6, torch.float64: 1e-13}
"""Largest error, as a share of the largest value."""

sizes = st.integers(1, 12)
kernels = st.sampled_from([1, 3, 5, 7, 9])
seeds = st.integers(0, 2**32)


def assert_close(found, expected, tolerance, floor=1e-30):
    assert (found - expected).abs().max() <= tolerance * expected.abs().max().clamp_min(floor)


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(sizes, sizes, kernels, sizes, sizes, sizes, st.sampled_from(list(TOLERANCE)), seeds)
def test_convolution_and_gradients_equal_the_direct_ones(
    height, width, kernel, samples, channels, filters, dtype, seed
):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, channels, height, width, generator=generator, dtype=torch.float64)
    weight = torch.randn(filters, channels, kernel, kernel, generator=generator, dtype=torch.float64).requires_grad_()
    factor = torch.randn(samples, filters, generator=generator, dtype=torch.float64)
    chosen = torch.randperm(samples, generator=generator)[: max(1, samples // 2)].sort().values
    bias = torch.zeros(filters, dtype=torch.float64, requires_grad=True)
    y = F.conv2d(x, weight, bias, padding=kernel // 2)
    kept = torch.zeros(samples, 1, 1, 1, dtype=torch.float64)
    kept[chosen] = 1
    by_weight, by_bias = torch.autograd.grad(y, [weight, bias], (y * factor[:, :, None, None] * kept).detach())
    scratch, x, weight = Scratch(), x.to(dtype), weight.detach().to(dtype)
    spectral.convolve(torch.full_like(x, torch.nan), weight, scratch)  # what lay in the scratch memory does not matter
    found = spectral.convolve(x, weight, scratch)
    assert_close(found, y, TOLERANCE[dtype] * 2)
    gradients = spectral.weight_gradient(x, found, lambda row: row * factor.to(dtype)[chosen], chosen, kernel, scratch)
    assert_close(gradients[0], by_weight, TOLERANCE[dtype] * 4)
    assert_close(gradients[1], by_bias, TOLERANCE[dtype] * 20)  # a sum over all pixels that may cancel


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(2, 9), min_size=2, max_size=4),
    st.sampled_from([3, 5]),
    st.lists(st.sampled_from([1, 1, 2]), min_size=4, max_size=4),
    st.sampled_from(["layer", "batch", "rms", "none"]),
    st.sampled_from(["sum", "mean", "log-contrast"]),
    st.sampled_from(["bce", "softplus", "softmax"]),
    st.sampled_from([1e-3, 1.0]),
    st.integers(1, 3),
    seeds,
)
def test_a_step_of_a_net_equals_the_direct_one(widths, kernel, pools, norm, goodness, loss, t, each, seed):
    config = ffnet.Config().override(
        [f"net.widths={widths}", f"net.kernel={kernel}", f"net.pools={pools[: len(widths)]}", f"net.norm={norm}",
         f"train.goodness={goodness}", f"train.loss={loss}", f"train.temperature={t}", f"train.negatives_each={each}",
         f"seed={seed}", "train.negatives=uniform", "dtype=float64"]
    )  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(5, 1, 17, 16, generator=generator, dtype=torch.float64)
    labels = torch.stack([torch.randperm(10, generator=generator)[: each + 1] for _ in range(5)])
    learners = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spectral, "pays", lambda *_: True)
        for convolution in ("auto", "direct"):
            chosen = config.override([f"convolution={convolution}"])
            learners.append(FFLearner(ffnet.FFNet(chosen, (1, 17, 16), named_set("fourier:paper10")), 5))
            learners[-1].learn(images, labels)
    ours, direct = learners
    assert ours.epoch_metrics()["layer_loss"] == pytest.approx(direct.epoch_metrics()["layer_loss"], rel=1e-10)
    for parameter, other in zip(ours.parameters, direct.parameters, strict=True):
        # A filter that is dead has activities of rounding's size in the spectral step: a gradient near 0 instead of 0.
        assert_close(parameter.grad, other.grad, 1e-10, floor=1e-2)
    for buffer, other in zip(ours.net.buffers(), direct.net.buffers(), strict=True):
        torch.testing.assert_close(buffer, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("forced", [True, False], ids=["spectral", "direct"])
@pytest.mark.parametrize("near_zero", [0.0, 1e-305])
@pytest.mark.parametrize("silent", [0, 3, 8])
def test_samples_without_a_gradient_are_left_out_and_nothing_changes(monkeypatch, forced, silent, near_zero):
    monkeypatch.setattr(spectral, "pays", lambda *_: forced)
    generator = torch.Generator().manual_seed(0)
    layer = LocalLayer(3, 5, kernel=3, norm="none", generator=generator).double()
    x = torch.randn(8, 3, 9, 9, generator=generator, dtype=torch.float64)
    slope = torch.randn(8, 5, generator=generator, dtype=torch.float64)
    slope[torch.randperm(8, generator=generator)[:silent]] = near_zero
    y = layer(x)
    expected = torch.autograd.grad(y, [layer.weight, layer.bias], y.detach() * slope[:, :, None, None] * 2 / 81)
    with torch.no_grad():
        found = layer.gradient(x, layer.activity(x), slope)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-13)
        assert bool(one.any()) == (silent < 8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_slopes_whose_gradient_would_be_subnormal_count_as_zero(dtype):
    tiny = torch.finfo(dtype).tiny
    slope = torch.tensor([1.0, -1e-20, 1e9 * tiny, -1e9 * tiny, 1e7 * tiny, -tiny, tiny / 2, 0, math.nan], dtype=dtype)
    kept = without_negligible(slope)
    torch.testing.assert_close(kept[:4], slope[:4], rtol=0, atol=0)
    assert not kept[4:-1].any()
    assert kept[-1].isnan()  # a training that fails is not hidden


@pytest.mark.parametrize("pool", [1, 2])
def test_code_gradients_have_no_subnormal_part(pool):
    generator = torch.Generator().manual_seed(0)
    layer = LocalLayer(3, 5, kernel=3, pool=pool, norm="none", generator=generator)
    x, slope = torch.randn(4, 3, 8, 8, generator=generator), torch.full((4, 5), 1e-38)
    with torch.no_grad():
        of_weight, of_bias = layer.gradient_after_pooling(x, *layer.pooled_activity(x), slope)
    assert not of_weight.any()
    assert not of_bias.any()


def test_the_nets_of_the_paper_take_the_fast_path_and_small_ones_do_not():
    assert spectral.pays(100, 128, 128, 28, 28, 7)
    assert all(spectral.pays(64, i, o, s, s, 3) for i, o, s in [(128, 128, 16), (128, 256, 16), (256, 512, 8)])
    assert not spectral.pays(100, 1, 128, 28, 28, 7)  # one channel: all transforms, no products
    assert not spectral.pays(1, 128, 128, 28, 28, 3)  # one image: the filters' transforms


def test_squares_do_not_depend_on_how_maps_lie():
    y = torch.randn(11, 3, 6, 5)
    lying = y.permute(2, 3, 0, 1).contiguous().permute(2, 3, 0, 1)
    assert pixels_first(lying)
    assert not pixels_first(y)
    for other in (lying, y.contiguous(memory_format=torch.channels_last)):
        with torch.no_grad():
            torch.testing.assert_close(mean_squares(other), y.square().mean((2, 3)))
