"""What can be read of a net: the goodness of every label in every layer, and the activity that a neutral pass leaves.

Images come in, never their classes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from fflabels.errors import FFLabelsError
from ffnet.data.augment import views
from ffnet.inference.linear import Readout
from ffnet.model.fast_cpu.scratch import keep_memory
from ffnet.model.goodness import FLOOR
from ffnet.model.layer import LocalLayer
from ffnet.model.net import FFNet

CPU_CHUNK = 128
"""Embedded images that pass at once on a CPU, at most: the maps of more of them leave its caches."""


def layer_goodness(net: FFNet, images: Tensor, *, chunk: int | None = None) -> Tensor:
    """Return the goodness of every label in every layer, (layers, N, labels), float32, of a net in float64 that.

    Parameters
    ----------
    net
        The net, in evaluation mode during the call.
    images
        (N, C, H, W), bytes or floats in [0, 1].
    chunk
        Images that pass through the net at once; the configuration's unless given, on a CPU not more than 128.
    """
    return _goodness(net, images, range(len(net.layers)), chunk)


def goodness_scores(net: FFNet, images: Tensor, *, chunk: int | None = None) -> Tensor:
    """Return the goodness of every label, (N, labels): summed over the layers that count, or the last one's; corrected.

    See `layer_goodness` for the parameters.
    """
    layers = deciding(net)
    return _corrected(net, _goodness(net, images, layers, chunk), layers).sum(0)


def combined(net: FFNet, goodness_LNC: Tensor) -> Tensor:
    """Return what decides, (N, labels), of every layer's goodness."""
    layers = deciding(net)
    return _corrected(net, goodness_LNC[layers.start :], layers).sum(0)


def combined_up_to(net: FFNet, goodness_LNC: Tensor, k: int) -> Tensor:
    """Return what would decide, (N, labels), if layer k, from 0, were the last one."""
    layers = range(k if net.config.inference.layers == "last" else net.counted.start, k + 1)
    return _corrected(net, goodness_LNC[layers.start : layers.stop], layers).sum(0)


def _corrected(net: FFNet, goodness_KNC: Tensor, layers: range) -> Tensor:
    return goodness_KNC if net.calibration is None else net.calibration(goodness_KNC, layers)


def deciding(net: FFNet) -> range:
    """Return the layers whose goodness decides: those that count, or the last one."""
    depth = len(net.layers)
    return range(depth - 1, depth) if net.config.inference.layers == "last" else net.counted


@torch.no_grad()
def _goodness(net: FFNet, images: Tensor, layers: range, chunk: int | None) -> Tensor:
    """Return the goodness of every label in the layers that are asked for, (layers, N, labels)."""
    found = torch.zeros(len(layers), len(images), len(net.labels), device=net.device, dtype=net.wide)
    for part, label, k, seen in _passes(net, images, layers, chunk):
        found[k - layers.start, part, label] += net.goodness_of(k, *seen)
    return found.div_(sides(net))


class Squares(NamedTuple):
    """What goodness sees of a layer: its channels' mean squares, and how many pixels each is taken over."""

    s_NC: Tensor  # noqa: N815 - carries its shape
    pixels: int


def _passes(net: FFNet, images: Tensor, layers: range, chunk: int | None) -> Iterator[tuple[slice, int, int, Squares]]:
    """Yield which images, which label, which layer, from 0, and what goodness sees of it; once for every side."""
    size = chunk_size(net, chunk)
    with evaluating(net):
        for start in range(0, len(images), size):
            part = net.prepare(images[start : start + size])
            for label, seen_NCHW in itertools.product(range(len(net.labels)), views(part, net.config.inference.mirror)):
                for k, y_NCHW in enumerate(net.activities(net.embedder.embed_one(seen_NCHW, label))):
                    if k in layers:
                        yield slice(start, start + size), label, k, squares_of(net, k, y_NCHW)


def squares_of(net: FFNet, k: int, y_NCHW: Tensor) -> Squares:
    """Return what goodness sees of the activity of layer k, from 0."""
    layer = cast(LocalLayer, net.layers[k])
    return Squares(layer.squares(y_NCHW), layer.goodness_pixels(y_NCHW))


@torch.no_grad()
def channel_logs(net: FFNet, images: Tensor, *, chunk: int | None = None) -> Tensor:
    """Return the logarithm of every channel's mean square under every label, (N, labels, channels).

    Of the layers that count, one after the other. See `layer_goodness` for the parameters.
    """
    slices = _channels(net)
    found = torch.zeros(len(images), len(net.labels), channel_count(net), device=net.device, dtype=net.wide)
    for part, label, k, seen in _passes(net, images, net.counted, chunk):
        found[part, label, slices[k]] += (seen.s_NC + FLOOR).log()
    return found.div_(sides(net))


@torch.no_grad()
def channel_scores(net: FFNet, images: Tensor, *, chunk: int | None = None) -> Tensor:
    """Return goodness with the fitted weight of every channel, (N, labels).

    See `layer_goodness` for the parameters.

    Raises
    ------
    FFLabelsError
        When they were not fitted.
    """
    check_channels_fitted(net)
    slices = _channels(net)
    found = torch.zeros(len(images), len(net.labels), device=net.device, dtype=net.wide)
    for part, label, k, seen in _passes(net, images, net.counted, chunk):
        found[part, label] += (seen.s_NC + FLOOR).log() @ cast(Tensor, net.channel_weight)[slices[k]]
    return found.div_(sides(net))


def check_channels_fitted(net: nn.Module) -> None:
    """Refuse the reading ``channels`` where its weights were not fitted."""
    if getattr(net, "channel_weight", None) is None:
        expected = "a net that was trained with inference.channel_images"
        raise FFLabelsError("no weights of channels", where="inference", expected=expected)


def sides(net: FFNet) -> int:
    """Return how many views of an image every reading is the mean of."""
    return 1 + net.config.inference.mirror


def channel_count(net: FFNet) -> int:
    """Return how many channels the layers that count have, each region's as its own."""
    count: int = _channels(net)[net.counted[-1]].stop
    return count


def _channels(net: FFNet) -> dict[int, slice]:
    """Return where the channels of each layer that counts lie among all of them."""
    found, start = {}, 0
    for k in net.counted:
        layer = cast(LocalLayer, net.layers[k])
        stop = start + len(layer.bias) * math.prod(layer.regions)
        found[k], start = slice(start, stop), stop
    return found


@torch.no_grad()
def features(net: FFNet, images: Tensor) -> Tensor:
    """Return what the linear classifier sees, (N, F) float32: one neutral pass, the layers that count, flattened.

    Average-pooled to at most ``inference.linear_pool`` pixels a side, unless that is 0.
    """
    with evaluating(net):
        activities = enumerate(net.activities(net.embedder.neutral(net.prepare(images))))
        return torch.cat([flattened(net, y_NCHW) for k, y_NCHW in activities if k in net.counted], 1)


def flattened(net: FFNet, y_NCHW: Tensor) -> Tensor:
    """Return what the linear classifier sees of a layer's activity, (N, F) float32."""
    side = net.config.inference.linear_pool
    height, width = y_NCHW.shape[2:]
    if side and max(height, width) > side:
        y_NCHW = nn.functional.adaptive_avg_pool2d(y_NCHW.float(), (min(side, height), min(side, width)))
    return y_NCHW.float().flatten(1)


def linear_scores(net: FFNet, images: Tensor, *, chunk: int | None = None) -> Tensor:
    """Return the linear classifier's logits, (N, classes).

    Raises
    ------
    FFLabelsError
        When it was not fitted.
    """
    if net.readout is None:
        raise FFLabelsError("no linear classifier", where="inference", expected="a net whose readout was fitted")
    return neutral_scores(net, net.readout, images, chunk=chunk)


@torch.no_grad()
def neutral_scores(net: FFNet, readout: Readout, images: Tensor, *, chunk: int | None = None) -> Tensor:
    """Return what a linear map makes of the neutral pass, (N, labels)."""
    size = chunk_size(net, chunk)
    found = torch.zeros(len(images), len(net.labels), device=net.device)
    for start in range(0, len(images), size):
        for seen_NCHW in views(images[start : start + size], net.config.inference.mirror):
            found[start : start + size] += readout(features(net, seen_NCHW))
    return found.div_(sides(net))


def chunk_size(net: FFNet, chunk: int | None) -> int:
    """Return how many embedded images pass through the net at once."""
    size = net.config.inference.chunk
    return chunk or (min(size, CPU_CHUNK) if net.device.type == "cpu" else size)


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Put a net into evaluation mode for a while."""
    keep_memory()
    training = net.training
    net.eval()
    try:
        yield
    finally:
        net.train(training)
