"""Linear inference: a linear classifier on the activities of one neutral pass (paper's default)."""

from __future__ import annotations

from torch import Tensor

from fflabels.errors import FFLabelsError
from ffnet.inference.passes import neutral_scores
from ffnet.model.net import FFNet


def linear_scores(net: FFNet, images: Tensor, *, chunk: int | None = None) -> Tensor:
    """Return the logits of the linear classifier, (N, classes).

    Raises
    ------
    FFLabelsError
        If it was not fitted.
    """
    if net.linear is None:
        raise FFLabelsError("no linear classifier", where="inference", expected="a net whose classifier was fitted")
    return neutral_scores(net, net.linear, images, chunk=chunk)
