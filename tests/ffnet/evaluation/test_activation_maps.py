"""Class activation maps against the logits that they explain."""

import pytest
import torch
from reference import SMALL_TRAINED as SMALL

import ffnet
from fflabels import FFLabelsError
from ffnet.config import Config
from ffnet.inference.passes import features, linear_scores


@pytest.mark.slow
@pytest.mark.parametrize("pool", [0, 3, 4])
def test_the_maps_of_a_class_add_up_to_its_logit_but_for_a_constant(runs, data, pool):
    config = Config().replaced({**SMALL, "inference.linear_pool": pool, "net.pools": [2, 1, 1]})
    net = ffnet.FFNet(config, data.shape, runs["ff0"].net.labels)
    net.linear = ffnet.fitting.fit_linear(net, data.train[:64])
    images, logits = data.test.images[:6], linear_scores(net, data.test.images[:6])
    for k in range(10):
        maps = ffnet.activation_maps(net, images, torch.full((6,), k))
        evidence = sum(layer.sum((1, 2)) for layer in maps.layers.values())
        rest = logits[:, k] - evidence
        torch.testing.assert_close(rest, rest[:1].expand(6), atol=2e-4, rtol=0)
        torch.testing.assert_close(maps.total.sum((1, 2)), evidence, atol=1e-3, rtol=1e-4)
    assert list(maps.layers) == [2, 3]
    assert all(p.grad is None for p in net.layers.parameters())


def test_they_are_weight_times_activity_channel_by_channel(runs, data):
    net, images = runs["ff0"].net, data.test.images[:4]
    net.eval()
    with torch.no_grad():
        last = list(net.activities(net.embedder.neutral(net.prepare(images))))[-1]
    weights = (net.linear.weight * net.linear.scale)[:, -last[0].numel() :].view(10, *last.shape[1:])
    maps = ffnet.activation_maps(net, images)
    assert features(net, images).shape[1] > last[0].numel()
    torch.testing.assert_close(maps.classes, ffnet.predict(net, images))
    torch.testing.assert_close(maps.layers[3], torch.einsum("nchw,nchw->nhw", weights[maps.classes].detach(), last))


def test_those_of_back_propagation_are_the_heads_weights_on_the_last_maps(runs, data):
    net, images = runs["bp"].net, data.test.images[:4]
    maps = ffnet.activation_maps(net, images, torch.tensor([0, 1, 2, 9]))
    rest = net.logits(images)[torch.arange(4), maps.classes] - maps.layers[3].sum((1, 2))
    torch.testing.assert_close(rest, net.head.bias[maps.classes].detach(), atol=1e-4, rtol=0)
    assert maps.total.shape == (4, 16, 16)


@pytest.mark.parametrize("classes", [[0, 10], [0], [0.5, 1.0], [-1, 2]])
def test_classes_that_do_not_exist_are_refused(runs, data, classes):
    with pytest.raises(FFLabelsError, match=r"classes: bad classes; .*expected 2 integers from 0 to 9"):
        ffnet.activation_maps(runs["ff0"].net, data.test.images[:2], torch.tensor(classes))


def test_a_net_without_a_classifier_has_no_maps(runs, data):
    net = ffnet.FFNet(runs["ff0"].config, data.shape, runs["ff0"].net.labels)
    with pytest.raises(FFLabelsError, match="no linear classifier"):
        ffnet.activation_maps(net, data.test.images[:2])
