"""Quicker goodness: one neutral pass proposes a few labels, and goodness decides among them.

``cascade``: the linear classifier proposes the classes that it takes for likely. ``halving``: a forecast of the
goodness itself leaves at most half of the labels, and what each layer adds leaves fewer, until one is left.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple, cast

import torch
from torch import Tensor

from fflabels.errors import FFLabelsError
from fflabels.progress import Progress, silent
from ffnet.data.augment import views
from ffnet.inference.linear import Forecast, fit_readout
from ffnet.inference.passes import (
    chunk_size,
    combined,
    combined_up_to,
    evaluating,
    features,
    layer_goodness,
    linear_scores,
    neutral_scores,
    sides,
    squares_of,
)
from ffnet.model.layer import LocalLayer
from ffnet.model.net import FFNet, offer

SHORTLIST = 3
"""Classes that a cascade's classifier proposes, at most, unless told otherwise."""

LIKELY = 0.4
"""A cascade's classifier proposes what it takes for at least so likely, compared with its first."""

FORECAST_IMAGES = 6000
"""Training images whose goodness a forecast is fitted to."""

SHARPNESS = 2.0
"""A forecast is fitted to the softmax of goodness, this many a standard deviation between labels."""

SAFE = 0.995
"""Share of images that must keep their right answer at each round of a halving, where its margins are fitted."""


class Decision(NamedTuple):
    """Goodness of the labels that came to the end, (N, labels), −∞ for others, and the mean passes an image took.

    A label that nothing is left to compare with is not measured any further. With ``inference.mirror`` either side of
    an image takes so many.
    """

    scores: Tensor
    passes: float


def cascade_scores(
    net: FFNet, images: Tensor, k: int = SHORTLIST, *, likely: float = LIKELY, chunk: int | None = None
) -> Decision:
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


def halving_scores(net: FFNet, images: Tensor, *, chunk: int | None = None) -> Decision:
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
    return _decide(net, images, kept_NC, dict(zip(_rounds(net), later, strict=True)), chunk)


@torch.no_grad()
def fit_forecast(net: FFNet, images: Tensor, *, progress: Progress = silent) -> Forecast:
    """Return a linear forecast, from the neutral pass, of which label's goodness is largest, and a halving's margins.

    No class is looked at: three quarters of the images teach the forecast what goodness says of them, the others the
    margins.

    Parameters
    ----------
    net
        A trained net.
    images
        Training images, (N, C, H, W), of which the first 6000 are used; each takes a pass a label.
    """
    images = images[:FORECAST_IMAGES].to(net.device)
    held_out = max(1, len(images) // 4)
    fitted = max(1, len(images) - held_out)
    goodness_LNC = layer_goodness(net, images)
    decisive_NC = combined(net, goodness_LNC)
    spread = (decisive_NC - decisive_NC.mean(1, keepdim=True)).std().clamp_min(1e-12)
    answers_NC = (SHARPNESS * decisive_NC / spread).softmax(1).float()
    readout = fit_readout(
        lambda part: features(net, part),
        images[:fitted],
        answers_NC[:fitted],
        len(net.labels),
        net.config.inference,
        net.config.seed,
        progress=lambda _, done, total: progress("forecast", done, total),
    )
    tried_NC = neutral_scores(net, readout, images[-held_out:])
    rounds = [tried_NC, *(combined_up_to(net, goodness_LNC, k)[-held_out:] for k in _rounds(net))]
    answer_N1 = decisive_NC[-held_out:].argmax(1, keepdim=True)
    behind = [(scores_NC.amax(1) - scores_NC.gather(1, answer_N1)[:, 0]).float() for scores_NC in rounds]
    return Forecast.of(readout, torch.stack([b_N.quantile(SAFE) for b_N in behind]))


def _rounds(net: FFNet) -> range:
    """Return the layers behind which a halving drops labels: those that count, but for the last."""
    return net.counted[:-1]


@torch.no_grad()
def _decide(
    net: FFNet, images: Tensor, kept_NC: Tensor, margins: dict[int, float] | None, chunk: int | None
) -> Decision:
    """Let goodness decide among the labels that are kept.

    Tensors of M hold image–label pairs, maps those of one side after the other. Behind a layer that has a margin go the
    labels that are further behind.
    """
    margins = margins or {}
    total_NC = torch.zeros(kept_NC.shape, device=net.device, dtype=net.wide).masked_fill(~kept_NC, -torch.inf)
    open_NC = kept_NC & (kept_NC.sum(1, keepdim=True) > 1)
    passed = [0] * len(net.layers)
    last = len(net.layers) - 1
    with evaluating(net):
        for part in _parts(open_NC.sum(1), max(1, chunk_size(net, chunk) // sides(net))):
            image_M, label_M = open_NC[part].nonzero(as_tuple=True)
            if not len(image_M):
                continue
            seen = torch.cat(views(net.prepare(images[part])[image_M], net.config.inference.mirror))
            x_MCHW, label_MCHW = net.received(net.embedder.embed(seen, label_M.repeat(sides(net))))
            sum_M = torch.zeros(len(image_M), device=net.device, dtype=net.wide)
            found_NC = total_NC[part]
            for k, module in enumerate(net.layers):
                layer = cast(LocalLayer, module)
                y_MCHW = layer(x_MCHW)
                passed[k] += len(image_M)
                if k in net.counted:
                    g_M = net.goodness_of(k, *squares_of(net, k, y_MCHW)).view(sides(net), -1).mean(0)
                    g_M = net.calibration.one(k, g_M, label_M) if net.calibration else g_M
                    sum_M = g_M if net.config.inference.layers == "last" else sum_M + g_M
                    found_NC[image_M, label_M] = sum_M
                if k == last:
                    break
                x_MCHW = layer.pooled(y_MCHW)
                if k in margins:
                    best_N = sum_M.new_full((len(found_NC),), -torch.inf).scatter_reduce(0, image_M, sum_M, "amax")
                    near_M = sum_M >= best_N[image_M] - margins[k]
                    found_NC[image_M[~near_M], label_M[~near_M]] = -torch.inf
                    near_N = torch.bincount(image_M[near_M], minlength=len(found_NC))
                    on_M = near_M & (near_N[image_M] > 1)
                    image_M, label_M, sum_M = image_M[on_M], label_M[on_M], sum_M[on_M]
                    on_M = on_M.repeat(sides(net))
                    x_MCHW = x_MCHW[on_M]
                    label_MCHW = None if label_MCHW is None else label_MCHW[on_M]
                    if not len(image_M):
                        break
                x_MCHW, label_MCHW = offer(x_MCHW, label_MCHW)
    shares = zip(passed, _shares(net), strict=True)
    return Decision(total_NC, 1 + sum(count * share for count, share in shares) / max(1, len(images)))


def _parts(pairs_N: Tensor, size: int) -> Iterator[slice]:
    """Yield the images in parts of up to `size` pairs, or of a single image's where these are more."""
    start = pairs = 0
    for stop, count in enumerate(pairs_N.tolist()):
        if pairs and pairs + count > size:
            yield slice(start, stop)
            start, pairs = stop, 0
        pairs += count
    yield slice(start, len(pairs_N))


def _shares(net: FFNet) -> list[float]:
    """Return the share that each layer has in the multiply-adds of a pass."""
    height, width = net.shape[1:]
    work = []
    for module in net.layers:
        layer = cast(LocalLayer, module)
        rows, columns = layer.activity_size(height, width)
        work.append(layer.weight.numel() * rows * columns)
        height, width = layer.pooled_size(height, width)
    return [each / sum(work) for each in work]
