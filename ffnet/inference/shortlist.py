"""Quicker goodness: one neutral pass proposes a few labels, and goodness decides among them.

``cascade``: the linear classifier proposes the classes that it takes for likely. ``halving``: a forecast of the
goodness itself leaves at most half of the labels, and what each layer adds leaves fewer, until one is left.

Letters of shapes: N images, C labels, K proposed labels, M pairs of an image and a label, V views of such pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor

from fflabels.errors import FFLabelsError
from ffnet.data.augment import views
from ffnet.inference.linear import linear_scores
from ffnet.inference.passes import chunk_size, evaluating, neutral_scores, num_views
from ffnet.inference.registry import Answer
from ffnet.model.net import FFNet

SHORTLIST = 3
"""Classes that a cascade's classifier proposes, at most, unless told otherwise."""

LIKELY = 0.4
"""A cascade's classifier proposes what it takes for at least so likely, compared with its first."""


def cascade_scores(
    net: FFNet, images: Tensor, k: int = SHORTLIST, *, likely: float = LIKELY, chunk: int | None = None
) -> Answer:
    """Let goodness decide among the labels that the linear classifier proposes: at most 1 + k passes.

    Parameters
    ----------
    net
        The net, with its classifier fitted.
    images
        (N, C, H, W), bytes or floats in [0, 1].
    k
        How many labels are proposed, at most.
    likely
        Only those are whose probability is at least this share of the first one's; 0: always k.
    chunk
        As for `layer_goodness`.
    """
    logits_NC = linear_scores(net, images, chunk=chunk)
    best_NK = logits_NC.topk(min(k, len(net.labels)))
    behind_NK = best_NK.values[:, :1] - best_NK.values
    near_NK = behind_NK <= (-math.log(likely) if likely else torch.inf)
    proposed_NC = torch.zeros_like(logits_NC, dtype=torch.bool).scatter(1, best_NK.indices, near_NK)
    return _decide(net, images, proposed_NC, None, chunk)


def halving_scores(net: FFNet, images: Tensor, *, chunk: int | None = None) -> Answer:
    """Let a forecast, then the goodness of layer after layer, thin the labels out until one is left.

    In each round go those labels that are further behind the best than the right answer ever was, but for one image in
    200, where the margins were fitted; in the first at least half of them.

    Parameters
    ----------
    net
        The net, with its forecast fitted: see `fit_forecast`.
    images, chunk
        As for `cascade_scores`.

    Raises
    ------
    FFLabelsError
        When it was not.
    """
    if net.forecast is None:
        raise FFLabelsError(
            "no forecast of goodness",
            where="inference",
            expected="a net whose forecast was fitted",
            hint="ffnet eval RUN --inference halving does, and ffnet.fit_forecast",
        )
    forecast_NC = neutral_scores(net, net.forecast, images, chunk=chunk)
    first, *later = cast(Tensor, net.forecast.margins).tolist()
    half = -(-len(net.labels) // 2)
    best_NK = forecast_NC.topk(half)
    near_NK = best_NK.values >= best_NK.values[:, :1] - first
    kept_NC = torch.zeros_like(forecast_NC, dtype=torch.bool).scatter(1, best_NK.indices, near_NK)
    return _decide(net, images, kept_NC, dict(zip(halving_rounds(net), later, strict=True)), chunk)


def halving_rounds(net: FFNet) -> range:
    """Return the layers behind which a halving drops labels: those that count, but for the last."""
    return net.counted[:-1]


@torch.no_grad()
def _decide(net: FFNet, images: Tensor, kept_NC: Tensor, margins: dict[int, float] | None, chunk: int | None) -> Answer:
    """Let goodness decide among the labels that are kept.

    Behind a layer that has a margin, the labels that are further behind the best are dropped.
    """
    margins = margins or {}
    scores_NC = torch.zeros(kept_NC.shape, device=net.device, dtype=net.accumulate_dtype).masked_fill(
        ~kept_NC, -torch.inf
    )
    open_NC = kept_NC & (kept_NC.sum(1, keepdim=True) > 1)
    passed = [0] * len(net.layers)
    last = len(net.layers) - 1
    with evaluating(net):
        for part in _parts(open_NC.sum(1), max(1, chunk_size(net, chunk) // num_views(net))):
            # One row for each open pair of an image and a label; for both views of an image, one after the other.
            image_M, label_M = open_NC[part].nonzero(as_tuple=True)
            if not len(image_M):
                continue
            seen_VCHW = torch.cat(views(net.prepare(images[part])[image_M], net.config.inference.mirror))
            walk = net.forward_pass(net.embedder.embed(seen_VCHW, label_M.repeat(num_views(net))))
            sum_M = torch.zeros(len(image_M), device=net.device, dtype=net.accumulate_dtype)
            part_NC = scores_NC[part]
            for k, layer in walk:
                walk.y = y_VCHW = layer(walk.x)
                passed[k] += len(image_M)

                # Add the layer's goodness to that of the layers before.
                if k in net.counted:
                    g_M = net.goodness_of_activity(k, y_VCHW).view(num_views(net), -1).mean(0)
                    g_M = net.layer_weights.weigh_layer(k, g_M) if net.layer_weights else g_M
                    sum_M = g_M if net.config.inference.layers == "last" else sum_M + g_M
                    part_NC[image_M, label_M] = sum_M
                if k == last:
                    break

                # Drop labels that are too far behind, and pairs whose label is the only one left.
                if k in margins:
                    best_N = sum_M.new_full((len(part_NC),), -torch.inf).scatter_reduce(0, image_M, sum_M, "amax")
                    near_M = sum_M >= best_N[image_M] - margins[k]
                    part_NC[image_M[~near_M], label_M[~near_M]] = -torch.inf
                    near_N = torch.bincount(image_M[near_M], minlength=len(part_NC))
                    kept_M = near_M & (near_N[image_M] > 1)
                    image_M, label_M, sum_M = image_M[kept_M], label_M[kept_M], sum_M[kept_M]
                    walk.keep(kept_M.repeat(num_views(net)))
                    if not len(image_M):
                        break
    work = sum(count * share for count, share in zip(passed, _shares_of_work(net), strict=True))
    return Answer(scores_NC, 1 + work / max(1, len(images)))


def _parts(pairs_N: Tensor, size: int) -> Iterator[slice]:
    """Yield the images in parts of up to `size` pairs, or of a single image's where these are more."""
    start = pairs = 0
    for stop, count in enumerate(pairs_N.tolist()):
        if pairs and pairs + count > size:
            yield slice(start, stop)
            start, pairs = stop, 0
        pairs += count
    yield slice(start, len(pairs_N))


def _shares_of_work(net: FFNet) -> list[float]:
    """Return the share that each layer has in the multiply-adds of a pass."""
    height, width = net.shape[1:]
    work = []
    for layer in net.layers:
        rows, columns = layer.activity_size(height, width)
        work.append(layer.weight.numel() * rows * columns)
        height, width = layer.pooled_size(height, width)
    return [each / sum(work) for each in work]
