"""Prediction: from images alone. No function here has a place for the right classes.

``goodness`` embeds every label in turn and takes the one with the most goodness; ``channels`` too, with a fitted weight
for every channel; ``linear`` reads one neutral pass;
``cascade`` and ``halving`` let goodness decide among the few labels that a neutral pass proposes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from fflabels.errors import FFLabelsError
from ffnet.config import Inference
from ffnet.inference.passes import channel_scores, goodness_scores, linear_scores
from ffnet.inference.shortlist import SHORTLIST, Decision, cascade_scores, halving_scores
from ffnet.model.baseline import BPNet
from ffnet.model.net import FFNet
from ffnet.system.devices import memory_errors


class Method(NamedTuple):
    """A way to read a net: its name and, of a cascade, how many labels the classifier proposes at most."""

    name: str
    k: int | None = None

    @classmethod
    def of(cls, text: str) -> Method:
        """Return the method that is meant.

        Raises
        ------
        FFLabelsError
            When it is none.
        """
        name, colon, count = str(text).partition(":")
        if name in ("linear", "goodness", "channels", "halving") and not colon:
            return cls(name)
        if name != "cascade" or (colon and not (count.isdecimal() and int(count) > 0)):
            expected = "linear, goodness, channels, cascade, cascade:k or halving"
            raise FFLabelsError("unknown inference", where="inference", got=text, expected=expected)
        return cls(name, int(count) if colon else SHORTLIST)


def check_method(net: torch.nn.Module, method: Inference | None) -> None:
    """Refuse a method that is none, or that a net cannot be read by."""
    if method and isinstance(net, BPNet):
        raise FFLabelsError("a back-propagation net has one reading", where="inference", got=method)
    if method:
        Method.of(method)


def decide(net: FFNet, images: Tensor, method: Method, *, chunk: int | None = None) -> Decision:
    """Return the answer of a cascade or a halving."""
    if method.name == "halving":
        return halving_scores(net, images, chunk=chunk)
    assert method.k
    return cascade_scores(net, images, method.k, chunk=chunk)


@memory_errors()
def scores(
    net: torch.nn.Module, images: Tensor, *, method: Inference | None = None, chunk: int | None = None
) -> Tensor:
    """Return what `predict` takes the largest of, (N, classes); −∞ for classes that were not measured.

    Raises
    ------
    FFLabelsError
        For images that do not fit the net, or a method that it cannot be read by.
    """
    images = torch.as_tensor(images)
    check_method(net, method)
    if isinstance(net, BPNet):
        return net.logits(images, chunk=chunk)
    assert isinstance(net, FFNet)
    chosen = Method.of(method or ("linear" if net.readout is not None else "goodness"))
    match chosen.name:
        case "linear":
            return linear_scores(net, images, chunk=chunk)
        case "goodness":
            return goodness_scores(net, images, chunk=chunk)
        case "channels":
            return channel_scores(net, images, chunk=chunk)
    return decide(net, images, chosen, chunk=chunk).scores


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
        ``linear`` (paper's default; one pass), ``goodness`` (a pass a label), ``channels`` (the same, with a weight for
        every channel that was fitted after training), ``cascade:k`` (goodness decides among the likely labels that
        linear proposes, k = 3 unless given; at most 1 + k passes), or ``halving`` (a forecast
        and then layer after layer drop labels; needs `fit_forecast`). Linear unless given, if the net has a fitted
        classifier. A back-propagation net knows one way only.
    chunk
        Images that pass through the net at once; on a CPU 128 unless given.
    """
    return scores(net, images, method=method, chunk=chunk).argmax(1)
