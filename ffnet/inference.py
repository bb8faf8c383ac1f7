"""Prediction: from images alone. No function here has a place for the right classes.

``goodness`` embeds every label in turn and takes the one with the most goodness; ``linear`` reads one neutral pass;
``cascade`` lets goodness decide among the few that linear proposes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fflabels.errors import FFLabelsError
from ffnet.baseline import BPNet
from ffnet.config import Inference
from ffnet.layer import mean_squares
from ffnet.network import FFNet


@torch.no_grad()
def layer_goodness(net: FFNet, images: Tensor, *, chunk: int | None = None) -> Tensor:
    """Return the goodness of every label in every layer, (layers, N, labels), float32.

    Parameters
    ----------
    net
        The net, in evaluation mode during the call.
    images
        (N, C, H, W), bytes or floats in [0, 1].
    chunk
        Images that pass through the net at once; the configuration's unless given.
    """
    chunk = chunk or net.config.inference.chunk
    count = len(net.labels)
    found = torch.empty(len(net.layers), len(images), count, device=net.device, dtype=net.wide)
    with _evaluating(net):
        for start in range(0, len(images), chunk):
            part = net.prepare(images[start : start + chunk])
            for label in range(count):
                found[:, start : start + chunk, label] = _pass(net, net.embedder.embed_one(part, label))
    return found


def _pass(net: FFNet, embedded_NCHW: Tensor) -> Tensor:
    """Return the goodness of every layer for images that carry a label, (layers, N)."""
    return torch.stack(
        [
            net.goodness.of(mean_squares(y_NCHW), y_NCHW.shape[2] * y_NCHW.shape[3])
            for y_NCHW in net.activities(embedded_NCHW)
        ]
    )


def goodness_scores(net: FFNet, images: Tensor, *, chunk: int | None = None) -> Tensor:
    """Return the goodness of every label, (N, labels): summed over the layers that count, or the last one's.

    See `layer_goodness` for the parameters.
    """
    return combined(net, layer_goodness(net, images, chunk=chunk))


def combined(net: FFNet, goodness_LNC: Tensor) -> Tensor:
    """Return what decides, (N, labels), of every layer's goodness."""
    if net.config.inference.layers == "last":
        return goodness_LNC[-1]
    return goodness_LNC[net.counted.start :].sum(0)


@torch.no_grad()
def features(net: FFNet, images: Tensor) -> Tensor:
    """Return what the linear classifier sees, (N, F) float32: one neutral pass, the layers that count, flattened.

    Average-pooled to at most ``inference.linear_pool`` pixels a side, unless that is 0.
    """
    found = []
    side = net.config.inference.linear_pool
    with _evaluating(net):
        for k, y_NCHW in enumerate(net.activities(net.embedder.neutral(net.prepare(images)))):
            if k not in net.counted:
                continue
            _, _, height, width = y_NCHW.shape
            if side and max(height, width) > side:
                size = (min(side, height), min(side, width))
                y_NCHW = torch.nn.functional.adaptive_avg_pool2d(y_NCHW.float(), size)
            found.append(y_NCHW.float().flatten(1))
    return torch.cat(found, 1)


@torch.no_grad()
def linear_scores(net: FFNet, images: Tensor, *, chunk: int | None = None) -> Tensor:
    """Return the linear classifier's logits, (N, classes).

    Raises
    ------
    FFLabelsError
        When it was not fitted.
    """
    if net.readout is None:
        raise FFLabelsError("no linear classifier", where="inference", expected="a net whose readout was fitted")
    chunk = chunk or net.config.inference.chunk
    parts = [net.readout(features(net, images[k : k + chunk])) for k in range(0, len(images), chunk)]
    return torch.cat(parts) if parts else torch.empty(0, len(net.labels), device=net.device)


SHORTLIST = 3
"""Classes that a cascade's classifier proposes unless told otherwise."""


def shortlist(method: str | None) -> int | None:
    """Return k of ``cascade`` and ``cascade:k``; None for other ways to read a net.

    Raises
    ------
    FFLabelsError
        For anything else.
    """
    if method in (None, "linear", "goodness"):
        return None
    name, colon, count = str(method).partition(":")
    if name != "cascade" or (colon and not (count.isdecimal() and int(count) > 0)):
        expected = "linear, goodness, cascade or cascade:k"
        raise FFLabelsError("unknown inference", where="inference", got=method, expected=expected)
    return int(count) if colon else SHORTLIST


@torch.no_grad()
def cascade_scores(net: FFNet, images: Tensor, k: int = SHORTLIST, *, chunk: int | None = None) -> Tensor:
    """Return the goodness of the k labels that the linear classifier proposes, (N, labels); −∞ for the others.

    1 + k passes instead of one a label. See `layer_goodness` for the parameters.
    """
    chunk = chunk or net.config.inference.chunk
    proposed_NK = linear_scores(net, images, chunk=chunk).topk(min(k, len(net.labels))).indices
    found = torch.empty(len(net.layers), *proposed_NK.shape, device=net.device, dtype=net.wide)
    with _evaluating(net):
        for start in range(0, len(images), chunk):
            part = net.prepare(images[start : start + chunk])
            for j, labels_N in enumerate(proposed_NK[start : start + chunk].T):
                found[:, start : start + chunk, j] = _pass(net, net.embedder.embed(part, labels_N))
    everything = found.new_full((len(images), len(net.labels)), -torch.inf)
    return everything.scatter(1, proposed_NK, combined(net, found))


def scores(
    net: torch.nn.Module, images: Tensor, *, method: Inference | None = None, chunk: int | None = None
) -> Tensor:
    """Return what `predict` takes the largest of, (N, classes)."""
    images = torch.as_tensor(images)
    if images.is_floating_point() and images.numel() and not (images.min() >= 0 and images.max() <= 1):
        raise FFLabelsError(
            "out of range", where="images", got=f"{images.min():g} to {images.max():g}", expected="0 to 1, or uint8"
        )
    if isinstance(net, BPNet):
        if method:
            raise FFLabelsError("a back-propagation net has one reading", where="inference", got=method)
        return net.logits(images, chunk=chunk)
    assert isinstance(net, FFNet)
    if k := shortlist(method):
        return cascade_scores(net, images, k, chunk=chunk)
    method = method or ("linear" if net.readout is not None else "goodness")
    return (linear_scores if method == "linear" else goodness_scores)(net, images, chunk=chunk)


def predict(
    net: torch.nn.Module, images: Tensor, *, method: Inference | None = None, chunk: int | None = None
) -> Tensor:
    """Return the predicted classes, (N,) int64.

    Parameters
    ----------
    net
        A trained net.
    images
        (N, C, H, W), bytes or floats in [0, 1].
    method
        ``linear`` (paper's default; one pass), ``goodness`` (a pass a label), or ``cascade:k`` (goodness decides among
        the k labels that linear proposes, 3 unless given; 1 + k passes). Linear unless given, if the net has a fitted
        classifier. A back-propagation net knows one way only.
    chunk
        Images that pass through the net at once.
    """
    return scores(net, images, method=method, chunk=chunk).argmax(1)


class _evaluating:  # noqa: N801 - reads as a word
    """Puts a net into evaluation mode for a while."""

    def __init__(self, net: torch.nn.Module) -> None:
        self.net = net

    def __enter__(self) -> None:
        self.training = self.net.training
        self.net.eval()

    def __exit__(self, *_: object) -> None:
        self.net.train(self.training)
