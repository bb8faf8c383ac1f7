"""Faster goodness inference: one neutral pass proposes a few labels, and goodness decides among them.

``cascade``: the linear classifier proposes its most likely classes. ``halving``: a forecast of the goodness keeps at
most half of the labels, and each layer's goodness drops more until one is left.

Letters of shapes: N images, C labels, K proposed labels, M pairs of an image and a label, V views of such pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from fflabels.errors import FFLabelsError
from ffnet.data.augment import views
from ffnet.inference.passes import chunk_size, linear_scores, neutral_scores, num_views
from ffnet.inference.registry import Answer
from ffnet.model.net import FFNet

SHORTLIST = 3
"""Default of the largest number of classes that a cascade's linear classifier proposes."""

LIKELY = 0.4
"""A cascade proposes classes whose probability is at least this share of the most likely class's."""


def cascade_scores(
    net: FFNet, images: Tensor, k: int = SHORTLIST, *, likely: float = LIKELY, chunk: int | None = None
) -> Answer:
    """Let goodness decide among the labels that the linear classifier proposes, in at most 1 + k passes.

    Parameters
    ----------
    net
        The net, with its linear classifier fitted.
    images
        (N, C, H, W), bytes or floats in [0, 1].
    k
        Propose at most this many labels.
    likely
        Propose only labels whose probability is at least this share of the most likely label's; 0: always k.
    chunk
        As for `layer_goodness`.
    """
    logits_NC = linear_scores(net, images, chunk=chunk)
    best_NK = logits_NC.topk(min(k, len(net.labels)))
    behind_NK = best_NK.values[:, :1] - best_NK.values
    near_NK = behind_NK <= (-math.log(likely) if likely else torch.inf)
    proposed_NC = torch.zeros_like(logits_NC, dtype=torch.bool).scatter(1, best_NK.indices, near_NK)
    return _decide(net, images, proposed_NC, {}, chunk)


def halving_scores(net: FFNet, images: Tensor, *, chunk: int | None = None) -> Answer:
    """Drop labels by a forecast, then by the goodness of one layer after the other, until one is left.

    Each round drops the labels that are further behind the best than a margin. For 99.5 % of the images that a margin
    was fitted on, the final answer of goodness was within it. The first round also drops at least half of the labels.

    Parameters
    ----------
    net
        The net, with its forecast fitted: see `fit_forecast`.
    images, chunk
        As for `cascade_scores`.

    Raises
    ------
    FFLabelsError
        If the forecast was not fitted.
    """
    if net.forecast is None:
        raise FFLabelsError(
            "no forecast of goodness",
            where="inference",
            expected="a net whose forecast was fitted",
            hint="fit it by ffnet eval RUN --inference halving, or by ffnet.fit_forecast",
        )
    forecast_NC = neutral_scores(net, net.forecast, images, chunk=chunk)
    first_margin, *layer_margins = net.forecast.margins.tolist()
    half = -(-len(net.labels) // 2)
    best_NK = forecast_NC.topk(half)
    near_NK = best_NK.values >= best_NK.values[:, :1] - first_margin
    kept_NC = torch.zeros_like(forecast_NC, dtype=torch.bool).scatter(1, best_NK.indices, near_NK)
    return _decide(net, images, kept_NC, dict(zip(halving_rounds(net), layer_margins, strict=True)), chunk)


def halving_rounds(net: FFNet) -> range:
    """Return the layers after which a halving drops labels: those that count, except the last."""
    return net.counted[:-1]


@torch.no_grad()
def _decide(net: FFNet, images: Tensor, kept_NC: Tensor, margins: dict[int, float], chunk: int | None) -> Answer:
    """Let goodness decide among the kept labels; after a layer with a margin, drop labels that exceed it."""
    # Images with a single kept label need no pass.
    scores_NC = torch.zeros(kept_NC.shape, device=net.device, dtype=net.accumulate_dtype).masked_fill(
        ~kept_NC, -torch.inf
    )
    open_NC = kept_NC & (kept_NC.sum(1, keepdim=True) > 1)
    passed = [0] * len(net.layers)
    last = len(net.layers) - 1
    with net.evaluating():
        for part in _parts(open_NC.sum(1), max(1, chunk_size(net, chunk) // num_views(net))):
            # Embed all open pairs of an image and a label; with two views, first all pairs of one, then of the other.
            image_M, label_M = open_NC[part].nonzero(as_tuple=True)
            if not len(image_M):
                continue
            views_VCHW = torch.cat(views(net.prepare(images[part])[image_M], net.config.inference.mirror))
            forward_pass = net.forward_pass(net.embed(views_VCHW, label_M.repeat(num_views(net))))
            sum_M = torch.zeros(len(image_M), device=net.device, dtype=net.accumulate_dtype)
            part_NC = scores_NC[part]
            for k, layer in forward_pass:
                forward_pass.y = y_VCHW = layer(forward_pass.x)
                passed[k] += len(image_M)

                # Add the layer's goodness to the sum over earlier layers.
                if k in net.counted:
                    g_M = net.goodness_of_activity(k, y_VCHW).view(num_views(net), -1).mean(0)
                    g_M = net.weighed(k, g_M)
                    sum_M = g_M if net.config.inference.layers == "last" else sum_M + g_M
                    part_NC[image_M, label_M] = sum_M
                if k == last:
                    break

                # Drop labels that exceed the margin, and images with one label left.
                if k in margins:
                    best_N = sum_M.new_full((len(part_NC),), -torch.inf).scatter_reduce(0, image_M, sum_M, "amax")
                    near_M = sum_M >= best_N[image_M] - margins[k]
                    part_NC[image_M[~near_M], label_M[~near_M]] = -torch.inf
                    near_N = torch.bincount(image_M[near_M], minlength=len(part_NC))
                    kept_M = near_M & (near_N[image_M] > 1)
                    image_M, label_M, sum_M = image_M[kept_M], label_M[kept_M], sum_M[kept_M]
                    forward_pass.keep(kept_M.repeat(num_views(net)))
                    if not len(image_M):
                        break

    # Count the passes: a pair that was dropped early takes only a part of one.
    work = sum(count * share for count, share in zip(passed, _shares_of_work(net), strict=True))
    return Answer(scores_NC, 1 + work / max(1, len(images)))


def _parts(pairs_N: Tensor, size: int) -> Iterator[slice]:
    """Yield parts of the images with at most `size` pairs each, or a single image that has more."""
    start = pairs = 0
    for stop, count in enumerate(pairs_N.tolist()):
        if pairs and pairs + count > size:
            yield slice(start, stop)
            start, pairs = stop, 0
        pairs += count
    yield slice(start, len(pairs_N))


def _shares_of_work(net: FFNet) -> list[float]:
    """Return each layer's share of the multiply-adds of a pass."""
    height, width = net.shape[1:]
    work = []
    for layer in net.layers:
        rows, columns = layer.activity_size(height, width)
        work.append(layer.weight.numel() * rows * columns)
        height, width = layer.pooled_size(height, width)
    return [layer_work / sum(work) for layer_work in work]
