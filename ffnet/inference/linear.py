"""Linear inference: one neutral pass, all neurons of the layers that count, a linear classifier (paper's default)."""

from __future__ import annotations

from torch import Tensor

from fflabels.errors import FFLabelsError
from ffnet.inference.passes import neutral_scores
from ffnet.model.net import FFNet


def linear_scores(net: FFNet, images: Tensor, *, chunk: int | None = None) -> Tensor:
    """Return the linear classifier's logits, (N, classes).

    Raises
    ------
    FFLabelsError
        When it was not fitted.
    """
    if net.linear is None:
        raise FFLabelsError("no linear classifier", where="inference", expected="a net whose classifier was fitted")
    return neutral_scores(net, net.linear, images, chunk=chunk)
