"""The yardstick of local training: a linear classifier at each layer, against autograd."""

import pytest
import torch
from reference import SHAPE, SMALL, SMALL_RUN, batch, normalized
from torch.nn import functional as F

import ffnet
from fflabels.errors import FFLabelsError
from ffnet.inference.predict import scores
from ffnet.training.baselines import LocalLearner


def local_net(*settings):
    chosen = ffnet.Config(algorithm="local").override([*SMALL, "net.norm=batch", "dtype=float64", *settings])
    return ffnet.LocalNet(chosen, SHAPE, 10)


def test_three_steps_equal_autograd():
    net = local_net("train.lr=1e-3")
    layers = [
        {name: p.detach().clone().requires_grad_() for name, p in layer.named_parameters()} for layer in net.layers
    ]
    heads = [[p.detach().clone().requires_grad_() for p in head.parameters()] for head in net.heads]
    adam = torch.optim.Adam(
        [p for part in (*layers, *[dict(enumerate(h)) for h in heads]) for p in part.values()], 1e-3
    )
    learner = LocalLearner(net)
    for step in range(3):
        images, labels = batch(seed=step)
        learner.learn(images, labels[:, 0])
        adam.zero_grad()
        x = images
        for layer, (weight, bias), pool in zip(layers, heads, (2, 1, 1), strict=True):
            y = F.conv2d(normalized(x, "batch"), layer["weight"], layer["bias"], padding=1).relu()
            x = F.max_pool2d(y, pool)
            F.cross_entropy(F.linear(F.adaptive_avg_pool2d(x, 2).flatten(1), weight, bias), labels[:, 0]).backward()
            x = x.detach()
        adam.step()
    for layer, expected in zip(net.layers, layers, strict=True):
        for name, parameter in layer.named_parameters():
            torch.testing.assert_close(parameter, expected[name], rtol=0, atol=1e-9)
    for head, expected in zip(net.heads, heads, strict=True):
        for parameter, wanted in zip(head.parameters(), expected, strict=True):
            torch.testing.assert_close(parameter, wanted, rtol=0, atol=1e-9)


def test_the_loss_of_a_layer_moves_that_layer_alone():
    images, labels = batch()
    first, other = local_net(), local_net()
    other.heads[2].weight.data.normal_()  # another last classifier changes nothing before it
    for net in (first, other):
        LocalLearner(net).learn(images, labels[:, 0])
    assert torch.equal(first.layers[1].weight.grad, other.layers[1].weight.grad)
    assert first.config.layer_local


def test_its_own_inference_method_can_be_named():
    ours, images = local_net().eval(), batch()[0]
    torch.testing.assert_close(scores(ours, images, inference="local"), scores(ours, images))
    with pytest.raises(FFLabelsError, match="inference: for another kind of net; got goodness; expected local"):
        scores(ours, images, inference="goodness")


def test_a_run_trains_predicts_maps_and_is_loaded_again(tmp_path):
    small = [s for s in SMALL_RUN if not s.startswith("labels")]
    small += ["train.epochs=12", "train.checkpoint_seconds=600"]  # a checkpoint a step would take most of the time
    run = ffnet.train(ffnet.Config(algorithm="local").override(small), out=tmp_path / "run")
    assert list(run.results.test.accuracies) == ["local"]
    assert run.results.test.accuracies["local"].accuracy > 0.15
    images = run.data().test.images[:5]
    again = ffnet.load_run(tmp_path / "run")
    assert torch.equal(again.predict(images), run.predict(images))
    assert ffnet.activation_maps(again.net, images).total.shape == (5, 16, 16)
    with pytest.raises(FFLabelsError):
        again.predict(images, inference="goodness")


@pytest.mark.parametrize("chunk", [-1, 0])
def test_a_chunk_of_no_image_is_refused(chunk):
    net = ffnet.LocalNet(ffnet.Config().override(["algorithm=local"]), (1, 16, 16), 10)
    with pytest.raises(FFLabelsError, match=f"chunk: out of range; got {chunk}|chunk: .*{chunk}"):
        ffnet.predict(net, torch.rand(2, 1, 16, 16), chunk=chunk)
