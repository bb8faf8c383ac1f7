"""Goodness with a weight for every layer, and every inference method of a net that has them."""

import numpy as np
import pytest
import torch
from reference import SMALL_READ as SMALL
from scipy.optimize import minimize
from scipy.special import log_softmax

import ffnet
from fflabels.errors import FFLabelsError
from ffnet.data.dataset import Split
from ffnet.fitting import layer_weights_of
from ffnet.inference.passes import decision_scores, layer_goodness
from ffnet.model.heads import LayerWeights
from ffnet.prepare import check_run


def measured(seed=0, layers=4, images=300, labels=5):
    """Goodness of layers of which some know more than others, with offsets."""
    generator = torch.Generator().manual_seed(seed)
    classes = torch.randint(labels, (images,), generator=generator)
    right = torch.nn.functional.one_hot(classes, labels)
    noise = torch.randn(layers, images, labels, generator=generator)
    offset = torch.randn(layers, 1, labels, generator=generator)
    knows = torch.tensor([0.0, 0.2, 1.0, 0.5])[:layers, None, None]
    return noise + 2 * offset + 2 * knows * right, Split(torch.zeros(images, 1, 1, 1), classes)


def test_weights_are_those_of_the_greatest_likelihood():
    goodness, part = measured()
    found = layer_weights_of(goodness, part.classes, range(1, 4))
    seen = goodness.double().numpy()

    def loss(weight):
        return -log_softmax(np.tensordot(weight, seen[1:], 1), 1)[np.arange(300), part.classes.numpy()].mean()

    expected = minimize(loss, np.ones(3), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12}).x
    np.testing.assert_allclose(found.weight_L[1:].numpy(), expected, atol=1e-4)
    assert found.weight_L[0] == 1


def test_a_dead_layer_changes_nothing():
    goodness, part = measured()
    alive = layer_weights_of(goodness, part.classes, range(1, 4))
    dead = torch.cat([goodness, torch.full_like(goodness[:1], -13.8)])
    found = layer_weights_of(dead, part.classes, range(1, 5))
    assert found.weight_L[4] == 0
    expected, answers = alive(goodness[1:], range(1, 4)).sum(0), found(dead[1:], range(1, 5)).sum(0)
    torch.testing.assert_close(answers, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("layers", ["sum", "last", "weighted"])
def test_a_net_is_read_with_its_correction_and_keeps_it(layers, tmp_path):
    chosen = ffnet.Config().override([*SMALL, f"inference.layers={layers}"])
    run = ffnet.train(chosen, out=tmp_path / "run")
    data, net = ffnet.load_data(chosen.data), run.net
    assert (net.layer_weights is not None) is (layers == "weighted")
    images = data.test.images[:50]
    goodness = layer_goodness(net, images)
    expected = goodness.clone()
    if net.layer_weights is not None:
        expected = net.layer_weights.weight_L[:, None, None] * goodness
    expected = expected[-1] if layers == "last" else expected[1:].sum(0)
    torch.testing.assert_close(decision_scores(net, goodness), expected)
    torch.testing.assert_close(ffnet.goodness_scores(net, images), expected)
    again = ffnet.load_run(tmp_path / "run").net
    assert torch.equal(ffnet.goodness_scores(again, images), ffnet.goodness_scores(net, images))
    net.forecast = ffnet.fit_forecast(net, data.train.images[:200])
    for method in ("halving", "cascade:3"):
        scores = ffnet.inference.predict.scores(net, images, inference=method)
        there = scores.isfinite() & (scores.isfinite().sum(1, keepdim=True) > 1)
        assert there.any()
        torch.testing.assert_close(scores[there], expected[there], rtol=1e-4, atol=1e-5)
    assert run.results.test.goodness.accuracy > 0.5


def test_without_validation_images_nothing_can_be_fitted(tmp_path):
    chosen = ffnet.Config().override([*SMALL, "inference.layers=weighted", "data.validation=0"])
    with pytest.raises(FFLabelsError, match=r"inference.layers: needs validation images; got none"):
        ffnet.train(chosen, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(FFLabelsError, match=r"needs validation images; got none .*FFClassifier has none"):
        ffnet.FFClassifier(settings=["inference.layers=weighted"]).fit(np.zeros((4, 8, 8)), [0, 1, 0, 1])
    baseline = ffnet.Config().override(["algorithm=bp", "inference.layers=weighted", "data.validation=0"])
    check_run(baseline, ffnet.load_data(baseline.data))


def test_a_correction_keeps_its_type_and_place():
    found = LayerWeights(torch.ones(2)).double()
    assert found(torch.zeros(1, 4, 3, dtype=torch.float64), range(1, 2)).dtype == torch.float64
