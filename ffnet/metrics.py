"""Accuracies of a trained net, each linear one beside the same classifier on the untrained net."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ffnet.data import Data, Split
from ffnet.inference import combined, layer_goodness, linear_scores
from ffnet.learner import Draws
from ffnet.network import FFNet
from ffnet.training import fit_linear

CALIBRATION_STEPS = 50
"""Batches that an untrained net's running statistics are taken from."""


def evaluate(net: FFNet, data: Data, split: Literal["validation", "test"] = "validation") -> dict[str, object]:
    """Return accuracies on a split; make choices on ``validation`` and look at ``test`` once, after all of them.

    Returns
    -------
    dict
        ``goodness`` and ``goodness_layers`` (each layer alone); ``linear``, of the fitted classifier; and
        ``linear_untrained``, of the same classifier fitted to the same net with its first weights: what FF learnt
        shows in goodness, and in linear only as far as it is above this control.
    """
    part: Split = getattr(data, split)
    goodness_LNC = layer_goodness(net, part.images)
    classes = part.classes.to(net.device)
    return {
        "goodness": _accuracy(combined(net, goodness_LNC), classes),
        "goodness_layers": [_accuracy(layer, classes) for layer in goodness_LNC],
        "linear": _accuracy(linear_scores(net, part.images), classes),
        "linear_untrained": _accuracy(linear_scores(untrained(net, data), part.images), classes),
    }


@torch.no_grad()
def untrained(net: FFNet, data: Data) -> FFNet:
    """Return the net as it was before training, running statistics taken from training images, classifier fitted."""
    control = FFNet(net.config, net.shape, net.labels).to(net.device).train()
    train = data.train.to(net.device)
    draws = Draws(net.config, train.classes, data.classes, epoch=0)
    for index_B, labels_BK in list(zip(draws.order_SB, draws.labels_SBK, strict=True))[:CALIBRATION_STEPS]:
        images = control.prepare(train.images[index_B])
        for labels_B in labels_BK.T:
            control(control.embedder.embed(images, labels_B))
    control.eval()
    control.readout = fit_linear(control, train)
    return control


def _accuracy(scores_NC: Tensor, classes_N: Tensor) -> float:
    return float((scores_NC.argmax(1) == classes_N).double().mean())
