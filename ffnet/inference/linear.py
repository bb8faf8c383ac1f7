"""Linear inference: a linear classifier on the activities of one neutral pass (paper's default)."""

from __future__ import annotations

from torch import Tensor

from ffnet.inference.passes import neutral_scores
from ffnet.model.net import FFNet


def linear_scores(net: FFNet, images: Tensor, *, chunk: int | None = None) -> Tensor:
    """Return the logits of the linear classifier, (N, classes).

    Raises
    ------
    FFLabelsError
        If it was not fitted.
    """
    return neutral_scores(net, net.fitted_linear(), images, chunk=chunk)
