"""Accuracy by class, and the untrained control."""

import pytest
import torch
from reference import config, small_data

import ffnet
from fflabels import named_set
from ffnet.data.dataset import Split
from ffnet.evaluation.accuracy import accuracy_of, evaluate
from ffnet.fitting import untrained
from ffnet.inference.passes import layer_goodness


def test_the_untrained_control_has_the_statistics_of_the_images_however_few_there_are():
    chosen = config("net.norm=batch", "data.limit=40", "train.batch=40", "inference.linear_epochs=1")
    data = ffnet.load_data(chosen.data)
    control = untrained(ffnet.FFNet(chosen, data.shape, named_set("fourier:paper10")), data)
    labels = torch.arange(40) % 10
    y = control.embedder.embed(control.prepare(data.train.images), labels).images
    assert control.layers[0].running_var.item() == pytest.approx(y.var().item(), rel=0.2)


def test_accuracy_a_class_of_a_class_without_images_is_unknown():
    scores = torch.eye(3)[torch.tensor([0, 0, 1, 2])]
    found = accuracy_of(scores, Split(torch.zeros(4, 1, 1, 1), torch.tensor([0, 1, 1, 0])), 3)
    assert found.per_class == [0.5, 0.5, None]
    assert found.confusion == [[1, 0, 1], [1, 1, 0], [0, 0, 0]]


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


@pytest.mark.slow
def test_goodness_stands_beside_that_of_the_untrained_net_where_it_is_at_hand():
    chosen = config("train.epochs=1", "inference.linear_epochs=1", "data.limit=100")
    data = ffnet.load_data(chosen.data)
    net = ffnet.FFNet(chosen, data.shape, named_set("fourier:paper10"))
    ffnet.fit(net, data)
    control = untrained(net, data)
    predicted = ffnet.predict(control, data.validation.images, inference="goodness")
    expected = float((predicted == data.validation.classes).double().mean())
    assert ffnet.evaluate(net, data).goodness.untrained == expected
    assert ffnet.evaluate(net, data, inference="goodness", control=control).goodness.untrained == expected
    assert ffnet.evaluate(net, data, inference="goodness").goodness.untrained is None


def test_the_accuracy_of_each_layer_is_of_its_goodness_alone():
    chosen, data = small_data()
    ours = ffnet.FFNet(chosen, data.shape, named_set("fourier:paper10")).eval()
    found, goodness = evaluate(ours, data, inference="goodness").goodness, layer_goodness(ours, data.validation.images)
    alone_and_summed = (*goodness, goodness[1:].sum(0))
    right = [float((one.argmax(1) == data.validation.classes).double().mean()) for one in alone_and_summed]
    assert [*found.layers, found.accuracy] == right
    assert len(set(found.layers)) > 1


def test_the_linear_classifier_stands_beside_that_of_the_untrained_net():
    chosen, data = small_data()
    ours = ffnet.FFNet(chosen, data.shape, named_set("fourier:paper10"))
    ffnet.fit(ours, data)
    control = untrained(ours, data)
    control.linear.bias.data[3] = 99.0  # it says 3 to all
    found = evaluate(ours, data, inference="linear", control=control).linear
    assert found.untrained == float((data.validation.classes == 3).double().mean()) != found.accuracy
