"""Diagnoses: mistakes between pairs of classes, and nets rigged to take a shortcut."""

import dataclasses

import pytest
from reference import SMALL_TRAINED as SMALL
from scipy import stats

import ffnet
from fflabels.errors import FFLabelsError
from ffnet.config import Config


def test_pairs_count_the_mistakes_between_two_classes(runs, data):
    found = ffnet.diagnose(runs["ff0"].net, data, count=150)
    images, classes = data.validation.images[:150], data.validation.classes[:150]
    predicted = ffnet.predict(runs["ff0"].net, images, inference="goodness")
    assert (found.split, found.count, len(found.pairs)) == ("validation", 150, 45)
    for pair in found.pairs:
        either = (classes == pair.a) | (classes == pair.b)
        mistaken = ((classes == pair.a) & (predicted == pair.b)) | ((classes == pair.b) & (predicted == pair.a))
        assert pair.mistaken == pytest.approx(float(mistaken.sum() / either.sum()))
    for metric, value in found.rank_correlation.items():
        alike = [p.similarity[metric] for p in found.pairs]
        expected = stats.spearmanr(alike, [p.mistaken for p in found.pairs]).statistic if len(set(alike)) > 1 else None
        assert value == pytest.approx(expected)


def test_what_cannot_be_diagnosed_is_refused(runs, data):
    for arguments, message in (
        ({"count": 0}, "count: out of range; got 0; expected 1 or more"),
        ({"count": -5}, "count: out of range; got -5"),
        ({"seed": -1}, "seed: .*-1"),
    ):
        with pytest.raises(FFLabelsError, match=message):
            ffnet.diagnose(runs["ff0"].net, data, **arguments)
    with pytest.raises(FFLabelsError, match="net: has no labels; got BPNet; expected an FFNet"):
        ffnet.diagnose(runs["bp"].net, data)
    for chunk in (0, -1):
        with pytest.raises(FFLabelsError, match=f"chunk: out of range; got {chunk}; expected 1 or more"):
            ffnet.predict(runs["ff0"].net, data.validation.images[:3], chunk=chunk)


def test_a_net_that_sees_the_label_alone_is_found_out(data):
    config = Config().replaced({**SMALL, "labels.intensity": 1.0})
    net = ffnet.FFNet(config, data.shape, ffnet.label_set(config, data)).eval()
    for line in ffnet.diagnose(net, data).shortcuts:
        assert line.images == line.noise == line.other
        assert line.favourite == 1


@pytest.mark.slow
def test_a_net_that_sees_the_image_is_at_one_half_without_it():
    data = ffnet.load_data(Config().data)
    config = Config().replaced({"labels.candidates": 16, "train.epochs": 3})
    net = ffnet.FFNet(config, data.shape, ffnet.label_set(config, data))
    ffnet.fit(net, data)
    *layers, decides = ffnet.diagnose(net, data).shortcuts
    assert [line.layer for line in layers] == [1, 2, 3]
    assert decides.layer == 0
    assert decides.images > 0.8
    assert abs(decides.noise - 0.5) < 0.2
    assert abs(decides.other - 0.5) < 0.2


def test_two_classes_have_no_third(data):
    two = {name: getattr(data, name)[getattr(data, name).classes < 2] for name in ("train", "validation", "test")}
    pair = dataclasses.replace(data, **two, class_names=("0", "1"))
    config = Config().replaced(SMALL)
    net = ffnet.FFNet(config, data.shape, ffnet.label_set(config, pair)).eval()
    assert {line.other for line in ffnet.diagnose(net, pair).shortcuts} == {None}
