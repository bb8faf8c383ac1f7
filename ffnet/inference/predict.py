"""Predict classes from images, by any registered inference method. No function here takes the right classes.

- ``goodness`` embeds every label in turn and predicts the label with the largest goodness (paper); where labels are
  codes, one pass without a label gives the goodness of all
- ``linear`` applies a linear classifier to one neutral pass (paper's default)
- ``cascade`` and ``halving`` propose a few labels from one neutral pass, and goodness decides among them [ours]
- ``bp`` is the softmax head of a back-propagation net, ``local`` the last layer's classifier of a local net
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from fflabels.errors import FFLabelsError
from ffnet.config import Inference
from ffnet.inference.passes import goodness_scores, linear_scores
from ffnet.inference.registry import INFERENCES, Answer, InferenceMethod, get_inference, known_inferences
from ffnet.inference.shortlist import SHORTLIST, cascade_scores, halving_scores
from ffnet.model.baseline import Baseline, BPNet, LocalNet
from ffnet.model.net import Net
from ffnet.system.devices import memory_errors

INFERENCES["goodness"] = InferenceMethod(
    lambda net, images, _, chunk: Answer(goodness_scores(net, images, chunk=chunk)), reported=True
)
INFERENCES["linear"] = InferenceMethod(
    lambda net, images, _, chunk: Answer(linear_scores(net, images, chunk=chunk)),
    needs="linear", reported=True, control=True,
)  # fmt: skip
INFERENCES["cascade"] = InferenceMethod(
    lambda net, images, k, chunk: cascade_scores(net, images, k or SHORTLIST, chunk=chunk),
    needs="linear", stands_for="goodness", by_label=True, number=SHORTLIST,
)  # fmt: skip
INFERENCES["halving"] = InferenceMethod(
    lambda net, images, _, chunk: halving_scores(net, images, chunk=chunk),
    needs="forecast", stands_for="goodness", by_label=True,
)  # fmt: skip
for _baseline in (BPNet, LocalNet):
    INFERENCES[_baseline.inference] = InferenceMethod(
        lambda net, images, _, chunk: Answer(net.logits(images, chunk=chunk)),
        nets=_baseline, reported=True,
    )  # fmt: skip


def check_inference(net: Net, inference: Inference | None) -> None:
    """Refuse an inference method that does not exist, or does not fit the net."""
    if inference is None:
        return
    _, method, _ = get_inference(inference)
    if not isinstance(net, method.nets):
        expected = net.inference if isinstance(net, Baseline) else known_inferences()
        raise FFLabelsError("for another kind of net", where="inference", got=inference, expected=expected)
    if method.by_label and net.has_codes:
        raise FFLabelsError(
            "not needed with codes: goodness takes a single pass", where="inference", got=inference,
            expected="goodness or linear",
        )  # fmt: skip


@memory_errors()
def scores(net: Net, images: Tensor, *, inference: Inference | None = None, chunk: int | None = None) -> Tensor:
    """Return the score of each class, (N, classes), of which `predict` takes the largest; −∞ for dropped classes.

    Raises
    ------
    FFLabelsError
        For images or an inference method that do not fit the net.
    """
    check_inference(net, inference)
    _, method, number = get_inference(inference or net.inference)
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
        ``linear`` (paper's default): one pass. ``goodness``: one pass per label, or a single one where labels are
        codes. ``cascade:k``: goodness decides among at most k labels that linear inference proposes (k = 3 unless
        given), in at most 1 + k passes. ``halving``: a forecast drops labels, then each layer drops more; needs
        `fit_forecast`. Other registered methods work, too.
        Default: goodness where labels are codes; else linear if the net has a fitted linear classifier, else goodness.
        A `BPNet` or `LocalNet` has a single method.
    chunk
        Embedded images per pass through the net; default: ``inference.chunk``, on a CPU at most 128.
    method
        Old name of `inference`.

    Raises
    ------
    FFLabelsError
        For images or an inference method that do not fit the net.

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
    """Return `inference`, or the value of its old name `method`, with a warning."""
    if method is None:
        return inference
    warnings.warn("method= is now inference=", DeprecationWarning, stacklevel=3)
    return method
