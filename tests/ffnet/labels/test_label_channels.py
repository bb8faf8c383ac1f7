"""Labels for later layers, as extra channels: the label's image, or waves of its code."""

import pickle

import numpy as np
import pytest
import torch
from reference import SHAPE, batch, config, normalized
from torch.nn import functional as F

import fflabels
import ffnet
from fflabels import named_set
from fflabels.errors import FFLabelsError
from fflabels.labelers.waves import WAVES, reed_solomon_code
from ffnet.labels.layers import choose_layer_labels
from ffnet.model.layer import LocalLayer
from ffnet.training.forward_forward import FFLearner


@pytest.mark.parametrize(
    "settings", [[], ["net.first_layer=with_next"], ["net.detach=false"]], ids=["local", "with_next", "joint"]
)
@pytest.mark.parametrize("labels", ["fourier", "morph"])
def test_every_layer_receives_the_label(settings, labels):
    chosen = config("labels.layers.set=imprint", "dtype=float64", *settings)
    ours = ffnet.FFNet(chosen, SHAPE, fflabels.design(labels, 10, candidates=16, shape=SHAPE))
    assert [layer.weight.shape[1] for layer in ours.layers] == [1, 5, 7]
    images, pair = batch()
    before = [layer.weight.detach().clone() for layer in ours.layers]
    x = [ours.labels.embed(images, pair[:, k], 0.35) for k in (0, 1)]
    offered = torch.cat([(x[k] - 0.65 * images) / 0.35 for k in (0, 1)])  # the imprint, taken back out of the mixture
    found = ours.activities(ours.embedder.embed(images.repeat(2, 1, 1, 1), pair.T.reshape(-1)))
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
def test_later_layers_receive_waves_of_the_label(labels):
    chosen = config("labels.layers.set=waves:reed-solomon", "labels.layers.channels=3", "dtype=float64", "seed=5")
    ours = ffnet.FFNet(chosen, SHAPE, fflabels.design(labels, 10, candidates=16, shape=SHAPE))
    assert [layer.weight.shape[1] for layer in ours.layers] == [1, 7, 9]
    images, pair = batch()
    y, x = np.mgrid[:14, :14] / 14
    named = [[WAVES[k] for k in of] for of in reed_solomon_code(10, 3, seed=5).tolist()]
    waves = [[0.5 + 0.5 * np.cos(2 * np.pi * (w.fy * y + w.fx * x) + w.phase) for w in of] for of in named]
    drawn = torch.tensor(np.array(waves))
    for label in range(10):
        embedded = ours.embedder.embed_one(images, label)
        torch.testing.assert_close(embedded.images, ours.labels.embed(images, torch.full((8,), label), 0.35))
        expected = F.avg_pool2d(drawn[label], 2).expand(8, -1, -1, -1)
        torch.testing.assert_close(embedded.label_channels, expected, rtol=0, atol=0.02)  # waves are stretched
    both = ours.embedder.embed(images, pair[:, 1])
    for k in range(8):
        one = ours.embedder.embed_one(images, int(pair[k, 1]))
        torch.testing.assert_close(both.images[k], one.images[k])
        assert torch.equal(both.label_channels[k], one.label_channels[k])
    mean = ours.embedder.label_patterns.mean(0).expand(8, -1, -1, -1)
    torch.testing.assert_close(ours.embedder.neutral(images).label_channels, mean)
    first, second, *_ = ours.activities(both)
    expected = torch.cat([F.max_pool2d(first, 2), both.label_channels], 1)
    layer = ours.layers[1]
    expected = F.conv2d(normalized(expected, "layer"), layer.weight, layer.bias, padding=1).relu()
    torch.testing.assert_close(second, expected)
    with pytest.raises(FFLabelsError, match="embedded images: nothing for later layers; got Tensor"):
        list(ours.activities(both.images))
    again = pickle.loads(pickle.dumps(ours))
    assert torch.equal(ffnet.goodness_scores(again, images), ffnet.goodness_scores(ours, images))
    other = ffnet.FFNet(chosen.replaced({"seed": 6}), SHAPE, ours.labels)  # as where the seed drew another code
    assert not torch.equal(other.embedder.label_patterns, ours.embedder.label_patterns)


def test_too_few_channels_are_refused():
    with pytest.raises(
        FFLabelsError, match=r"too few channels to tell the labels apart; got 1 for 17 labels; expected 2"
    ):
        choose_layer_labels(config("labels.layers.set=waves:reed-solomon", "labels.layers.channels=1"), 17)
    with pytest.raises(FFLabelsError, match=r"no such setting; got net.offered_waves .*labels.layers.set"):
        config("net.offered_waves=2")


@pytest.mark.slow
def test_any_set_of_channels_serves_the_later_layers(tmp_path):
    fflabels.design("waves", 10, shape=(3, 32, 32), candidates=16).save(tmp_path / "set.json")
    for name, channels in (("waves", 4), (str(tmp_path / "set.json"), 3)):
        chosen = config(f"labels.layers.set={name}", f"labels.layers.channels={channels}")
        ours = ffnet.FFNet(chosen, SHAPE, named_set("fourier:paper10"))
        assert ours.embedder.label_patterns.shape == (10, channels, 7, 7)
        assert len({tuple(label.flatten().tolist()) for label in ours.embedder.label_patterns}) == 10
    with pytest.raises(FFLabelsError, match=r"labels.layers.channels: another number of channels; got 5; expected 3"):
        ffnet.FFNet(chosen.replaced({"labels.layers.channels": 5}), SHAPE, named_set("fourier:paper10"))


@pytest.mark.parametrize("pools", ["[2,2,1]", "[4,3,1]"])
def test_layers_that_learn_alone_behind_joined_ones_receive_the_label_that_inference_gives_them(monkeypatch, pools):
    chosen = config("net.first_layer=with_next", "labels.layers.set=imprint", f"net.pools={pools}", "dtype=float64")
    ours = ffnet.FFNet(chosen, SHAPE, named_set("fourier:paper10"))
    images, pair = batch()
    embedded = ours.embedder.embed(images.repeat(2, 1, 1, 1), pair.T.reshape(-1))
    seen = []
    normalize = LocalLayer.normalize
    monkeypatch.setattr(
        LocalLayer, "normalize", lambda self, x, *more: seen.append(x.clone()) or normalize(self, x, *more)
    )
    list(ours.eval().activities(embedded))
    in_inference, seen[:] = seen[2], []
    FFLearner(ours, 8).learn(images, pair)
    assert torch.equal(seen[2][:, -1], in_inference[:, -1])
