"""Goodness corrected before layers are summed: offsets, weights, and every way to read a net with them."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax

torch = pytest.importorskip("torch")

import ffnet  # noqa: E402
from fflabels.errors import FFLabelsError  # noqa: E402
from ffnet.config import InferenceConfig  # noqa: E402
from ffnet.data.dataset import Split  # noqa: E402
from ffnet.inference.passes import combined, layer_goodness  # noqa: E402
from ffnet.inference.weights import Calibration, calibration_of, check_validation  # noqa: E402

SMALL = ["labels.set=fourier:paper10", "train.epochs=2", "net.widths=[8,12,12]", "inference.linear_epochs=2"]


def measured(seed=0, layers=4, images=300, labels=5):
    """Goodness of layers of which some know more than others, with offsets."""
    generator = torch.Generator().manual_seed(seed)
    classes = torch.randint(labels, (images,), generator=generator)
    right = torch.nn.functional.one_hot(classes, labels)
    noise = torch.randn(layers, images, labels, generator=generator)
    offset = torch.randn(layers, 1, labels, generator=generator)
    knows = torch.tensor([0.0, 0.2, 1.0, 0.5])[:layers, None, None]
    return noise + 2 * offset + 2 * knows * right, Split(torch.zeros(images, 1, 1, 1), classes)


@pytest.mark.parametrize("offsets", [False, True])
def test_weights_are_those_of_the_greatest_likelihood(offsets):
    goodness, part = measured()
    found = calibration_of(goodness, part, range(1, 4), InferenceConfig(layers="weighted", offsets=offsets))
    seen = goodness.double().numpy()
    seen = seen - seen.mean(1, keepdims=True) if offsets else seen

    def loss(weight):
        return -log_softmax(np.tensordot(weight, seen[1:], 1), 1)[np.arange(300), part.classes.numpy()].mean()

    expected = minimize(loss, np.ones(3), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12}).x
    np.testing.assert_allclose(found.weight_L[1:].numpy(), expected, atol=1e-4)
    assert found.weight_L[0] == 1
    np.testing.assert_allclose(found.offset_LC.numpy(), goodness.mean(1) if offsets else np.zeros((4, 5)), atol=1e-6)


@pytest.mark.parametrize("offsets", [False, True])
def test_a_dead_layer_changes_nothing(offsets):
    goodness, part = measured()
    config = InferenceConfig(layers="weighted", offsets=offsets)
    alive = calibration_of(goodness, part, range(1, 4), config)
    dead = torch.cat([goodness, torch.full_like(goodness[:1], -13.8)])
    found = calibration_of(dead, part, range(1, 5), config)
    assert found.weight_L[4] == 0
    expected, answers = alive(goodness[1:], range(1, 4)).sum(0), found(dead[1:], range(1, 5)).sum(0)
    torch.testing.assert_close(answers, expected, rtol=1e-4, atol=1e-4)


def test_offsets_need_no_classes():
    goodness, part = measured()
    other = Split(part.images, part.classes.flip(0))
    first, second = (calibration_of(goodness, p, range(1, 4), InferenceConfig(offsets=True)) for p in (part, other))
    assert torch.equal(first.offset_LC, second.offset_LC)
    assert torch.equal(first.weight_L, torch.ones(4))


@pytest.mark.parametrize("layers", ["sum", "last", "weighted"])
@pytest.mark.parametrize("offsets", [False, True])
def test_a_net_is_read_with_its_correction_and_keeps_it(layers, offsets, tmp_path):
    chosen = ffnet.Config().override([*SMALL, f"inference.layers={layers}", f"inference.offsets={offsets}".lower()])
    run = ffnet.train(chosen, out=tmp_path / "run")
    data, net = ffnet.load_data(chosen.data), run.net
    assert (net.calibration is not None) is (layers == "weighted" or offsets)
    images = data.test.images[:50]
    goodness = layer_goodness(net, images)
    expected = goodness.clone()
    if net.calibration is not None:
        expected = net.calibration.weight_L[:, None, None] * (goodness - net.calibration.offset_LC[:, None])
        validation = layer_goodness(net, data.validation.images).mean(1)
        torch.testing.assert_close(net.calibration.offset_LC, validation if offsets else torch.zeros_like(validation))
    expected = expected[-1] if layers == "last" else expected[1:].sum(0)
    torch.testing.assert_close(combined(net, goodness), expected)
    torch.testing.assert_close(ffnet.goodness_scores(net, images), expected)
    again = ffnet.load_run(tmp_path / "run").net
    assert torch.equal(ffnet.goodness_scores(again, images), ffnet.goodness_scores(net, images))
    net.forecast = ffnet.fit_forecast(net, data.train.images[:200])
    for method in ("halving", "cascade:3"):
        scores = ffnet.inference.predict.scores(net, images, method=method)
        there = scores.isfinite() & (scores.isfinite().sum(1, keepdim=True) > 1)
        assert there.any()
        torch.testing.assert_close(scores[there], expected[there], rtol=1e-4, atol=1e-5)
    assert run.results.test.goodness.accuracy > 0.5


def test_without_validation_images_nothing_can_be_fitted(tmp_path):
    for setting, name in (("inference.layers=weighted", "layers"), ("inference.offsets=true", "offsets")):
        chosen = ffnet.Config().override([*SMALL, setting, "data.validation=0"])
        with pytest.raises(FFLabelsError, match=f"inference.{name}: needs validation images; got none"):
            ffnet.train(chosen, out=tmp_path / "run")
        assert not (tmp_path / "run").exists()
    with pytest.raises(FFLabelsError, match=r"needs validation images; got none .*FFClassifier has none"):
        ffnet.FFClassifier(settings=["inference.offsets=true"]).fit(np.zeros((4, 8, 8)), [0, 1, 0, 1])
    baseline = ffnet.Config().override(["algorithm=bp", "inference.offsets=true", "data.validation=0"])
    check_validation(baseline, ffnet.load_data(baseline.data))


def test_a_correction_keeps_its_type_and_place():
    found = Calibration(torch.ones(2), torch.zeros(2, 3)).double()
    assert found(torch.zeros(1, 4, 3, dtype=torch.float64), range(1, 2)).dtype == torch.float64
