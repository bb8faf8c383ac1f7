"""Passes through a net: the goodness of every label in every layer, and the features of a neutral pass.

Functions take images, never classes. Letters of shapes: N images, C labels, L layers of the net, K some of the layers,
F features of the linear classifier.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from fflabels.checks import check_integer
from fflabels.progress import Progress, silent
from ffnet.data.augment import views
from ffnet.model.heads import LinearHead
from ffnet.model.net import FFNet
from ffnet.model.scores import label_inputs, neutral_features, scored_layers

CPU_CHUNK = 128
"""On a CPU at most this many embedded images per pass; the maps of more do not fit its caches."""


def layer_goodness(net: FFNet, images: Tensor, *, chunk: int | None = None, progress: Progress = silent) -> Tensor:
    """Return the goodness of every label in every layer, (layers, N, labels), in float32 (float64 for a float64 net).

    Parameters
    ----------
    net
        The net, in evaluation mode during the call.
    images
        (N, C, H, W), bytes or floats in [0, 1].
    chunk
        Embedded images per pass through the net; default: ``inference.chunk``, on a CPU at most 128.
    progress
        Called with "goodness", images done, and images in all.
    """
    return _goodness(net, images, range(len(net.layers)), chunk, progress)


def goodness_scores(net: FFNet, images: Tensor, *, chunk: int | None = None, progress: Progress = silent) -> Tensor:
    """Return the goodness of every label, (N, labels), summed over the layers that ``inference.layers`` selects.

    See `layer_goodness` for the parameters.

    Examples
    --------
    >>> import torch, ffnet
    >>> from fflabels import named_set
    >>> net = ffnet.FFNet(ffnet.Config(), (1, 16, 16), named_set("fourier:paper10"))
    >>> ffnet.goodness_scores(net, torch.rand(3, 1, 16, 16)).shape
    torch.Size([3, 10])
    """
    layers = scored_layers(net)
    return _weighted(net, _goodness(net, images, layers, chunk, progress), layers).sum(0)


def decision_scores(net: FFNet, goodness_LNC: Tensor) -> Tensor:
    """Return the same as `goodness_scores`, (N, labels), given the goodness in every layer."""
    layers = scored_layers(net)
    return _weighted(net, goodness_LNC[layers.start :], layers).sum(0)


def decision_scores_up_to(net: FFNet, goodness_LNC: Tensor, k: int) -> Tensor:
    """Return the decision scores, (N, labels), if layer k, from 0, were the last layer."""
    layers = range(k if net.config.inference.layers == "last" else net.counted.start, k + 1)
    return _weighted(net, goodness_LNC[layers.start : layers.stop], layers).sum(0)


def _weighted(net: FFNet, goodness_KNC: Tensor, layers: range) -> Tensor:
    return goodness_KNC if net.layer_weights is None else net.layer_weights(goodness_KNC, layers)


@torch.no_grad()
def _goodness(net: FFNet, images: Tensor, layers: range, chunk: int | None, progress: Progress) -> Tensor:
    """Return the goodness of every label in some layers, (K, N, C), the mean over the views of each image.

    Where labels are codes, one pass gives the goodness of all of them; else each label takes a pass.
    """
    goodness_KNC = torch.zeros(len(layers), len(images), len(net.labels), device=net.device, dtype=net.accumulate_dtype)
    size = chunk_size(net, chunk)
    with net.evaluating():
        for start in range(0, len(images), size):
            part_NCHW = net.prepare(images[start : start + size])
            views_of_part = views(part_NCHW, net.config.inference.mirror)
            for labels, embedded in itertools.chain.from_iterable(label_inputs(net, view) for view in views_of_part):
                for k, y_NCHW in enumerate(net.activities(embedded)):
                    if k in layers:
                        goodness = net.goodness_of_activity(k, y_NCHW)
                        goodness_KNC[k - layers.start, start : start + size, labels] += goodness
            progress("goodness", min(start + size, len(images)), len(images))
    return goodness_KNC.div_(num_views(net))


def num_views(net: FFNet) -> int:
    """Return the number of views per image that scores are averaged over: 2 with ``inference.mirror``, else 1."""
    return 1 + net.config.inference.mirror


@torch.no_grad()
def features(net: FFNet, images: Tensor) -> Tensor:
    """Return the features of the linear classifier, (N, F) float32: activities of the layers that count, flattened.

    They come from one neutral pass. Each layer is average-pooled to at most ``inference.linear_pool`` pixels per side,
    unless that is 0.
    """
    with net.evaluating():
        return neutral_features(net, net.prepare(images))


@torch.no_grad()
def neutral_scores(net: FFNet, head: LinearHead, images: Tensor, *, chunk: int | None = None) -> Tensor:
    """Return the scores (N, labels) of a linear head on the features of the neutral pass, the mean over views."""
    size = chunk_size(net, chunk)
    scores_NC = torch.zeros(len(images), len(net.labels), device=net.device)
    for start in range(0, len(images), size):
        for view_NCHW in views(images[start : start + size], net.config.inference.mirror):
            scores_NC[start : start + size] += head(features(net, view_NCHW))
    return scores_NC.div_(num_views(net))


def chunk_size(net: FFNet, chunk: int | None) -> int:
    """Return the number of embedded images per pass: `chunk`, or ``inference.chunk`` (on a CPU at most 128)."""
    if chunk is not None:
        return check_integer(chunk, "chunk", least=1)
    size = net.config.inference.chunk
    return min(size, CPU_CHUNK) if net.device.type == "cpu" else size


def linear_scores(net: FFNet, images: Tensor, *, chunk: int | None = None) -> Tensor:
    """Return the logits of the linear classifier on the activities of one neutral pass (paper's default), (N, classes).

    Raises
    ------
    FFLabelsError
        If it was not fitted.
    """
    return neutral_scores(net, net.fitted_linear(), images, chunk=chunk)
