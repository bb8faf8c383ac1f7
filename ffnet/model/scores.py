"""Scores of images as plain functions of tensors: what a net returns, and what compilers and exporters see.

Letters of shapes: N images, C classes or labels, L layers that count, F features of the linear classifier.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from ffnet.data.augment import views
from ffnet.data.images import to_unit
from ffnet.labels.embed import Embedded

if TYPE_CHECKING:
    from ffnet.model.net import FFNet


def scores_of(net: FFNet, images_NCHW: Tensor, *, goodness: bool) -> Tensor:
    """Return the score of each class, (N, C): of the linear classifier, or the goodness of each label.

    Unlike `ffnet.inference` this takes all images at once, on the net's device, and checks nothing.
    """
    images_NCHW = to_unit(images_NCHW, net.accumulate_dtype)
    score = goodness_of_labels if goodness else linear_logits
    both = [score(net, view_NCHW) for view_NCHW in views(images_NCHW, net.config.inference.mirror)]
    return torch.stack(both).mean(0)


def linear_logits(net: FFNet, images_NCHW: Tensor) -> Tensor:
    """Return the logits of the linear classifier, (N, C), in one neutral pass."""
    logits: Tensor = net.fitted_linear()(neutral_features(net, images_NCHW))
    return logits


def neutral_features(net: FFNet, images_NCHW: Tensor) -> Tensor:
    """Return the features of the linear classifier, (N, F) float32: the layers that count, in one neutral pass."""
    activities = enumerate(net.activities(net.neutral(images_NCHW)))
    return torch.cat([flattened(net, y_NCHW) for k, y_NCHW in activities if k in net.counted], 1)


def goodness_of_labels(net: FFNet, images_NCHW: Tensor) -> Tensor:
    """Return the goodness of each label, (N, C): in one pass where labels are codes, else in one pass per label."""
    each = [_decisive_goodness(net, embedded) for _, embedded in label_inputs(net, images_NCHW)]
    return each[0] if net.has_codes else torch.stack(each, 1)


def label_inputs(net: FFNet, images_NCHW: Tensor) -> Iterator[tuple[int | slice, Embedded]]:
    """Yield the inputs whose passes give the goodness of all labels, each after the label (or labels) that it gives."""
    if net.embedder is None:
        yield slice(None), net.neutral(images_NCHW)
        return
    for label in range(len(net.labels)):
        yield label, net.embedder.embed_one(images_NCHW, label)


def _decisive_goodness(net: FFNet, embedded: Embedded) -> Tensor:
    """Return the goodness of an embedded label (N,), or of all codes (N, C), over the layers that decide."""
    total: Tensor | None = None
    for k, y_NCHW in enumerate(net.activities(embedded)):
        if k in scored_layers(net):
            goodness = net.weighed(k, net.goodness_of_activity(k, y_NCHW))
            total = goodness if total is None else total + goodness
    assert total is not None
    return total


def scored_layers(net: FFNet) -> range:
    """Return the layers whose goodness decides: those that count, or only the last one."""
    depth = len(net.layers)
    return range(depth - 1, depth) if net.config.inference.layers == "last" else net.counted


def flattened(net: FFNet, y_NCHW: Tensor) -> Tensor:
    """Return the features that a layer's activity gives the linear classifier, (N, F) float32."""
    side = net.config.inference.linear_pool
    height, width = y_NCHW.shape[2:]
    if side and max(height, width) > side:
        y_NCHW = F.adaptive_avg_pool2d(y_NCHW.float(), (min(side, height), min(side, width)))
    return y_NCHW.float().flatten(1)
