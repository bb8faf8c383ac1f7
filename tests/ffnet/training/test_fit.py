"""Whole trainings: presets, digits, back-propagation, and what goes wrong."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from reference import SHAPE, batch, config, net, small_data

import ffnet
from fflabels import named_set
from fflabels.errors import FFLabelsError
from ffnet.data.dataset import Split
from ffnet.fitting import fit_layer_weights, fit_linear
from ffnet.training.baselines import BPLearner
from ffnet.training.draws import Draws
from ffnet.training.forward_forward import FFLearner
from ffnet.training.loop import make_learner
from ffnet.training.losses import LogitScale, discriminates


@pytest.mark.slow
@pytest.mark.parametrize("preset", [p.name for p in ffnet.list_presets()])
def test_every_preset_takes_its_steps(preset):
    chosen = ffnet.load_preset(preset).config.override(
        ["data.name=digits", "data.limit=40", "train.batch=10", "labels.candidates=16"]
    )
    if chosen.labels.set == "fourier:low100":  # for a hundred classes
        chosen = chosen.override(["labels.set=fourier", "labels.assign=order"])
    data = ffnet.load_data(chosen.data)
    if chosen.algorithm == "bp":
        net = ffnet.BPNet(chosen, data.shape, data.classes)
    else:
        net = ffnet.FFNet(chosen, data.shape, ffnet.label_set(chosen, data))
    learner = make_learner(net, 40)
    draws = Draws(chosen, data.train.classes, data.classes, 0)
    before = learner.net.layers[-1].weight.detach().clone()
    for k in range(2):
        learner.step(data.train, draws, k)
    assert learner.sums.first_bad_step() is None
    assert not torch.equal(before, learner.net.layers[-1].weight)
    metrics = learner.epoch_metrics()
    assert np.isfinite(metrics["loss"])
    assert not metrics.get("dead_layers")


def test_measured_weights_are_scaled_before_the_first_training_alone():
    data = ffnet.load_data(config("data.limit=64").data)
    chosen = config("net.init=measured", "train.epochs=1", "train.batch=16", "train.lr=1e-30")
    ours = ffnet.FFNet(chosen, data.shape, named_set("fourier:paper10"))
    initial = ours.layers[1].weight.detach().clone()
    ffnet.fit(ours, data)
    scaled = ours.layers[1].weight.detach().clone()
    assert not torch.equal(initial, scaled)
    ffnet.fit(ours, data)
    assert torch.equal(ours.layers[1].weight, scaled)


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


@pytest.mark.slow
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
    predicted = ffnet.predict(nets[0], data.validation.images, inference="goodness")
    assert found.goodness.accuracy == pytest.approx((predicted == data.validation.classes).double().mean().item())
    for right, guess in zip(data.validation.classes.tolist(), predicted.tolist(), strict=True):
        found.goodness.confusion[right][guess] -= 1
    assert not np.any(found.goodness.confusion)


@pytest.mark.slow
def test_back_propagation_learns_digits():
    chosen = config("algorithm=bp", "net.norm=batch", "train.epochs=8", "net.pools=[2,2,1]", "train.lr=1e-2")
    data = ffnet.load_data(chosen.data)
    baseline = ffnet.BPNet(chosen, data.shape, data.classes)
    assert isinstance(make_learner(baseline, len(data.train)), BPLearner)
    losses = [metrics["loss"] for metrics in ffnet.fit(baseline, data)]
    assert losses[-1] < losses[0]
    right = ffnet.predict(baseline, data.validation.images) == data.validation.classes
    assert right.float().mean() > 0.5


def test_the_linear_classifier_is_fitted_on_at_most_as_many_images_as_asked_for():
    chosen = config("data.limit=80", "data.size=14", "inference.linear_epochs=2", "net.norm=batch")
    data = ffnet.load_data(chosen.data)
    nets = [
        ffnet.FFNet(
            chosen.replaced({"inference.linear_images": count}), data.shape, named_set("fourier:paper10")
        ).eval()
        for count in (None, 30, 500)
    ]
    whole, few, more = (fit_linear(ours, data.train).weight for ours in nets)
    assert torch.equal(whole, more)
    assert torch.equal(few, fit_linear(nets[0], data.train[:30]).weight)
    assert not torch.equal(few, whole)


def test_discrimination_counts_positives_above_and_negatives_below():
    goodness, scale = torch.tensor([[3.0, 1.0, 5.0], [0.0, 1.0, 1.5]]), LogitScale(2.0, 1.0, 1.0)
    assert discriminates(goodness, "bce", scale).tolist() == [0.75, 0.5]
    for loss in ("softplus", "softmax"):
        assert discriminates(goodness, loss, scale).tolist() == [0.5, 0.0]


def test_metrics_of_an_epoch_are_means_over_steps_and_its_loss_is_of_the_layers_that_count():
    ours = net("dtype=float64")
    learner, alone = FFLearner(ours, 8), []
    for step in range(3):
        single = FFLearner(copy.deepcopy(ours), 8)
        for one in (single, learner):
            one.learn(*batch(seed=step))
        alone.append(single.epoch_metrics())
    found = learner.epoch_metrics()
    for name in ("layer_loss", "discrimination"):
        assert found[name] == pytest.approx(np.mean([metrics[name] for metrics in alone], 0))
    assert found["loss"] == pytest.approx(sum(found["layer_loss"][1:]))


def test_labels_and_nets_follow_from_the_training_images_alone():
    chosen, data = small_data("labels.set=morph", "labels.candidates=16", "inference.layers=sum")
    blind = replace(data, validation=data.validation[:0], test=data.test[:0])
    nets = []
    for one in (data, blind):
        nets.append(ffnet.FFNet(chosen, data.shape, ffnet.label_set(chosen, one)))
        ffnet.fit(nets[-1], one)
    assert nets[0].labels == nets[1].labels
    assert all(torch.equal(a, b) for a, b in zip(*(one.state_dict().values() for one in nets), strict=True))


def test_layer_weights_are_fitted_on_validation_images():
    chosen, data = small_data("inference.layers=weighted")
    ours = ffnet.FFNet(chosen, data.shape, named_set("fourier:paper10")).eval()
    alone = replace(data, train=data.train[:0], test=data.test[:0])
    assert torch.equal(fit_layer_weights(ours, data).weight_L, fit_layer_weights(ours, alone).weight_L)


def test_back_propagation_reaches_every_layer():
    chosen = config("algorithm=bp", "net.norm=layer", "dtype=float64")
    ours = ffnet.BPNet(chosen, SHAPE, 10)
    split = Split((255 * batch(8)[0]).byte(), torch.arange(8))
    BPLearner(ours).step(split, Draws(chosen, split.classes, 10, 0), 0)
    assert all(p.grad.abs().max() > 0 for p in ours.parameters())
