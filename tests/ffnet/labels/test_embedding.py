"""Labels in images: as the label set embeds them, kept, assigned to classes, and in pairs for other loops."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from reference import batch, net

import fflabels
import ffnet
from fflabels import LabelSet, named_set
from fflabels.assignment import agreement
from fflabels.errors import FFLabelsError
from fflabels.labelers.fourier import FourierRecipe, Wave


def test_the_net_embeds_as_the_label_set_does():
    labels = named_set("fourier:paper10")
    images, pair = batch(5)
    ours = net("dtype=float64")
    embedded = ours.embedder.embed(images, pair[:, 0])
    assert embedded.label_channels is None
    assert torch.equal(embedded.images, labels.embed(images, pair[:, 0], 0.35))
    torch.testing.assert_close(
        ours.embedder.neutral(images).images, sum(0.65 * images + 0.35 * i for i in labels.imprints(images)) / 10
    )


def test_the_settings_of_a_design_reach_it():
    design = {"set": "morph", "candidates": 16, "method": "greedy", "metric": "shift", "min_visibility": 0.5, "seed": 7}
    chosen = ffnet.Config().replaced({"data.limit": 60, "seed": 3, "labels": design})
    origin = ffnet.label_set(chosen, ffnet.load_data(chosen.data)).provenance
    assert (origin.method, origin.metric, origin.seed, origin.min_visibility) == ("greedy", "shift", 7, 0.5)
    assert origin.candidates == 16


def test_a_set_of_another_size_is_refused(tmp_path):
    few = LabelSet(named_set("fourier:paper10").recipes[:3], "fourier")
    few.save(tmp_path / "few.json")
    chosen = ffnet.Config().override([f"labels.set={tmp_path / 'few.json'}"])
    with pytest.raises(FFLabelsError, match="not one label per class; got 3; expected 10 for digits"):
        ffnet.label_set(chosen, ffnet.load_data(chosen.data))


def test_labels_that_are_alike_go_to_classes_that_look_alike(tmp_path):
    waves = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2))
    recipes = [FourierRecipe((Wave(*wave, phase),)) for phase in (0.0, np.pi / 2) for wave in waves]
    LabelSet(recipes, "fourier").save(tmp_path / "set.json")
    chosen = ffnet.Config().override([f"labels.set={tmp_path / 'set.json'}", "labels.assign=alike"])
    data = ffnet.load_data(chosen.data)
    found = ffnet.label_set(chosen, data)
    images, classes = data.train.images.numpy().astype(np.float32) / 255, data.train.classes.numpy()
    seen = fflabels.References(images, "digits", classes)
    assert set(found.recipes) == set(recipes)
    assert agreement(found, seen) > 0.3 > agreement(LabelSet(recipes, "fourier"), seen)
    first, second = (ffnet.label_set(chosen.override(["labels.seed=5", f"seed={k}"]), data) for k in (0, 1))
    assert first == second
    blind = replace(data, validation=data.validation[:0], test=data.test[:0])
    assert ffnet.label_set(chosen, blind) == found
    few = replace(data, train=data.train[data.train.classes != 3])
    with pytest.raises(FFLabelsError, match=r"labels\.assign: a class without a training image; got class 3 of digits"):
        ffnet.label_set(chosen, few)
