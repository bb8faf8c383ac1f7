"""Prediction: from images alone. No function here has a place for the right classes.

- ``goodness`` embeds every label in turn; the label with the most goodness wins (paper)
- ``linear`` takes one neutral pass and a linear classifier (paper's default)
- ``cascade`` and ``halving`` let goodness decide among the few labels that a neutral pass proposes [ours]
- ``bp`` is the softmax head of a back-propagation net
"""

from __future__ import annotations

import warnings
from typing import cast

import torch
from torch import Tensor

from fflabels.errors import FFLabelsError
from ffnet.config import Inference
from ffnet.inference.linear import linear_scores
from ffnet.inference.passes import goodness_scores
from ffnet.inference.registry import INFERENCES, Answer, InferenceMethod, get_inference, known_inferences
from ffnet.inference.shortlist import SHORTLIST, cascade_scores, halving_scores
from ffnet.model.baseline import BPNet
from ffnet.model.net import FFNet, Net
from ffnet.system.devices import memory_errors

INFERENCES["goodness"] = InferenceMethod(
    lambda net, images, _, chunk: Answer(goodness_scores(cast(FFNet, net), images, chunk=chunk)), reported=True
)
INFERENCES["linear"] = InferenceMethod(
    lambda net, images, _, chunk: Answer(linear_scores(cast(FFNet, net), images, chunk=chunk)),
    needs="linear", reported=True, control=True,
)  # fmt: skip
INFERENCES["cascade"] = InferenceMethod(
    lambda net, images, k, chunk: cascade_scores(cast(FFNet, net), images, k or SHORTLIST, chunk=chunk),
    needs="linear", stands_for="goodness", number=SHORTLIST,
)  # fmt: skip
INFERENCES["halving"] = InferenceMethod(
    lambda net, images, _, chunk: halving_scores(cast(FFNet, net), images, chunk=chunk),
    needs="forecast", stands_for="goodness",
)  # fmt: skip
INFERENCES["bp"] = InferenceMethod(
    lambda net, images, _, chunk: Answer(cast(BPNet, net).logits(images, chunk=chunk)), nets=BPNet, reported=True
)


def check_inference(net: Net, inference: Inference | None) -> None:
    """Refuse an inference method that there is not, or that a net does not have."""
    if inference is None:
        return
    if not isinstance(net, FFNet):
        raise FFLabelsError("a back-propagation net has one reading", where="inference", got=inference)
    _, method, _ = get_inference(inference)
    if not isinstance(net, method.nets):
        raise FFLabelsError("for another kind of net", where="inference", got=inference, expected=known_inferences())


@memory_errors()
def scores(net: Net, images: Tensor, *, inference: Inference | None = None, chunk: int | None = None) -> Tensor:
    """Return what `predict` takes the largest of, (N, classes); −∞ for classes that were not measured.

    Raises
    ------
    FFLabelsError
        For images that do not fit the net, or an inference method that it does not have.
    """
    check_inference(net, inference)
    if not inference:
        inference = "bp" if isinstance(net, BPNet) else "goodness" if cast(FFNet, net).linear is None else "linear"
    _, method, number = get_inference(inference)
    return method.score(net, torch.as_tensor(images), number, chunk).scores


def predict(
    net: Net,
    images: Tensor,
    *,
    inference: Inference | None = None,
    chunk: int | None = None,
    method: Inference | None = None,
) -> Tensor:
    """Return the predicted classes, (N,) int64.

    Parameters
    ----------
    net
        A trained net.
    images
        (N, C, H, W), bytes or floats in [0, 1].
    inference
        ``linear`` (paper's default; one pass), ``goodness`` (a pass for every label), ``cascade:k`` (goodness decides
        among the likely labels that linear proposes, k = 3 unless given; at most 1 + k passes), ``halving`` (a forecast
        and then layer after layer drop labels; needs `fit_forecast`), or another that is registered. Linear unless
        given, if the net has a fitted classifier, else goodness. A back-propagation net has one method only.
    chunk
        Images that pass through the net at once; on a CPU 128 unless given.
    method
        The old name of `inference`.

    Examples
    --------
    >>> import torch, ffnet
    >>> from fflabels import named_set
    >>> net = ffnet.FFNet(ffnet.Config(), (1, 16, 16), named_set("fourier:paper10"))
    >>> ffnet.predict(net, torch.rand(3, 1, 16, 16), inference="goodness").shape
    torch.Size([3])
    """
    return scores(net, images, inference=renamed_method(inference, method), chunk=chunk).argmax(1)


def renamed_method(inference: Inference | None, method: Inference | None) -> Inference | None:
    """Return `inference`, or what was given by its old name, with a warning."""
    if method is None:
        return inference
    warnings.warn("method= is now inference=", DeprecationWarning, stacklevel=3)
    return method
