"""Prediction by goodness, without a look at the classes."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
import torch
from reference import SHAPE, batch, config, net, small_data

import ffnet
from fflabels import named_set
from fflabels.errors import FFLabelsError
from ffnet.inference.passes import features, layer_goodness
from ffnet.inference.shortlist import cascade_scores, halving_scores


def test_images_out_of_range_are_refused():
    with pytest.raises(FFLabelsError, match=r"images: out of range; got .* to 255; expected 0 to 1, or uint8"):
        ffnet.predict(net(), torch.full((1, *SHAPE), 255.0))
    with pytest.raises(FFLabelsError, match="split: unknown split; got val; expected validation or test"):
        ffnet.evaluate(net(), ffnet.load_data(config().data), "val")


def test_goodness_equals_a_loop_over_images_and_labels():
    ours = net("train.goodness=sum").eval()
    images, _ = batch(4)
    images = images.float()
    found = layer_goodness(ours, images, chunk=3)
    for i in range(4):
        for label in range(10):
            embedded = ours.labels.embed(images[i : i + 1], torch.tensor([label]), 0.35)
            for k, y in enumerate(ours.activities(embedded)):
                torch.testing.assert_close(found[k, i, label], y.square().sum(), rtol=1e-4, atol=1e-4)
    expected = found[1:].sum(0).argmax(1)
    assert torch.equal(ffnet.predict(ours, images, inference="goodness"), expected)


def test_prediction_has_no_place_for_classes_and_does_not_depend_on_them():
    methods = (layer_goodness, features, ffnet.goodness_scores, cascade_scores, halving_scores)
    for function in (ffnet.predict, ffnet.fit_forecast, *methods):
        assert not {"y", "labels", "classes", "targets"} & set(inspect.signature(function).parameters)
    _, data = small_data()
    ours = ffnet.FFNet(config(), data.shape, named_set("fourier:paper10")).eval()
    others = replace(data.validation, classes=(data.validation.classes + 3) % 10)
    confusions = [
        np.array(ffnet.evaluate(ours, one, inference="goodness").goodness.confusion)
        for one in (data, replace(data, validation=others))
    ]
    assert np.array_equal(*(confusion.sum(0) for confusion in confusions))  # how often each class is predicted
    assert not np.array_equal(*confusions)
