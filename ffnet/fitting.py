"""Fitting: train a net without a run folder, and fit the heads of a trained net. Every head is fitted here.

Letters of shapes: N images, F features, C classes or labels, L layers of the net, K some of them or some scores.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from fflabels.progress import Progress, silent
from ffnet.config import InferenceConfig
from ffnet.data.dataset import Data, Split
from ffnet.inference.passes import decision_scores, decision_scores_up_to, features, layer_goodness, neutral_scores
from ffnet.inference.shortlist import halving_rounds
from ffnet.model.heads import Forecast, LayerWeights, LinearHead
from ffnet.model.net import FFNet, Net
from ffnet.prepare import check_run, weights_are_fitted
from ffnet.training.draws import Draws
from ffnet.training.forward_forward import scale_weights
from ffnet.training.learner import Metrics
from ffnet.training.loop import images_per_epoch, make_learner, steps

CACHE_BYTES = 4 << 30
"""Features of this size or less are computed once; larger ones in every epoch anew."""

WEIGHT_IMAGES = 5000
"""Layers' weights are fitted on at most this many validation images; each takes a pass for every label."""

ROUNDS = 100
"""Iterations of that fit, at most: it is convex, in as many numbers as layers count."""

FLAT = 1e-6
"""Scores that vary by less than this share of their size are left out."""

FORECAST_IMAGES = 6000
"""Training images whose goodness a forecast is fitted to."""

SHARPNESS = 2.0
"""A forecast is fitted to the softmax of goodness, scaled so that its standard deviation between labels is this."""

SAFE = 0.995
"""Share of images that must keep their right answer at each round of a halving, where its margins are fitted."""

STATISTICS_STEPS = 50
"""Batches that an untrained net's running statistics are taken from."""


def fit(net: Net, data: Data, *, report: Callable[[Metrics], None] | None = None) -> list[Metrics]:
    """Train a net, then, for a forward-forward net, fit its heads; return each epoch's figures.

    For a run folder, checkpoints and accuracies see `ffnet.train`.

    Parameters
    ----------
    net
        `FFNet` or `BPNet`, on the device to train on; changed in place. Order and negatives depend on its
        configuration's seed and the epoch alone.
    data
        Only its training split is used, and its validation split where layers' weights are fitted.
    report
        Called after every epoch with its figures and images per second.

    Raises
    ------
    NotFiniteError
        When a loss is not finite: says in which epoch and step.
    """
    check_run(net.config, data)
    train = data.train.to(net.device)
    history: list[Metrics] = []
    begin = time.perf_counter()
    for _, metrics in steps(make_learner(net, len(train)), net.config, train, data.classes):
        if metrics is None:
            continue
        history.append(metrics)
        if report:
            speed = images_per_epoch(net.config, train) / (time.perf_counter() - begin)
            report({**metrics, "images_per_second": speed})
        begin = time.perf_counter()
    net.eval()
    if isinstance(net, FFNet):
        fit_heads(net, data)
    return history


def fit_heads(net: FFNet, data: Data, *, progress: Progress = silent, done: Callable[[str], object] = str) -> None:
    """Fit what a trained net's configuration asks for: the linear classifier, and layers' weights.

    Parameters
    ----------
    net
        The net, in evaluation mode; its heads are set.
    data
        The classifier is fitted on the training images, layers' weights on the validation images.
    progress
        Called with what is being done, steps done, and steps in all.
    done
        Called with what was fitted, after each.
    """
    net.linear = fit_linear(net, data.train.to(net.device), progress=progress)
    done("linear classifier")
    net.layer_weights = fit_layer_weights(net, data)
    done("weights of goodness")


@torch.no_grad()
def untrained(net: FFNet, data: Data, *, progress: Progress = silent) -> FFNet:
    """Return the net as it was before training, running statistics taken from training images, classifier fitted."""
    control = FFNet(net.config, net.shape, net.labels).to(net.device).train()
    train = data.train.to(net.device)
    if net.config.net.init == "measured":
        scale_weights(control, train, Draws(net.config, train.classes, data.classes, 0))
    epochs = (Draws(net.config, train.classes, data.classes, epoch) for epoch in itertools.count())
    batches = ((draws.images(train, k), draws.labels_SBK[k]) for draws in epochs for k in range(len(draws)))
    for images_BCHW, labels_BK in itertools.islice(batches, STATISTICS_STEPS):
        images = control.prepare(images_BCHW)
        for labels_B in labels_BK.T:
            control(control.embedder.embed(images, labels_B))
    control.eval()
    control.linear = fit_linear(control, train, progress=lambda _, done, total: progress("untrained net", done, total))
    return control


@torch.no_grad()
def fit_linear(net: FFNet, train: Split, *, progress: Progress = silent) -> LinearHead:
    """Return the linear classifier of a net, fitted to a split that is on the net's device."""
    config = net.config
    return fit_linear_head(
        lambda images: features(net, images),
        train.images,
        train.classes,
        len(net.labels),
        config.inference,
        config.seed,
        progress=progress,
    )


def fit_layer_weights(net: FFNet, data: Data) -> LayerWeights | None:
    """Return the weights of the layers' goodness, fitted on validation images; None where it is summed as it is."""
    if not weights_are_fitted(net.config):
        return None
    part = data.validation[:WEIGHT_IMAGES]
    return layer_weights_of(layer_goodness(net, part.images), part.classes, net.counted)


@torch.no_grad()
def layer_weights_of(goodness_LNC: Tensor, classes_N: Tensor, counted: range) -> LayerWeights:
    """Return the weights under which the summed goodness makes the right classes likeliest.

    Parameters
    ----------
    goodness_LNC
        The goodness of every label in every layer.
    classes_N
        The right classes.
    counted
        The layers that are summed; the others' weights stay 1.
    """
    weight_L = torch.ones_like(goodness_LNC[:, 0, 0])
    weight_L[counted.start :] = likeliest_weights(goodness_LNC[counted.start :], classes_N).to(weight_L)
    return LayerWeights(weight_L)


def likeliest_weights(scores_KNC: Tensor, classes_N: Tensor, *, decay: float = 0.0) -> Tensor:
    """Return the weights (K,) float64 of several scores whose sum makes the right classes likeliest under a softmax.

    Parameters
    ----------
    scores_KNC
        What each of K says of every image and class; one that says the same of all classes gets a weight of 0.
    classes_N
        The right classes.
    decay
        Times the squares of the weights, where each of K varies by 1 within an image, is what they cost: without,
        images that are all told apart ask for weights without end.
    """
    largest_K, scores_KNC = scores_KNC.double().abs().amax((1, 2)), scores_KNC.double()
    scores_KNC = scores_KNC - scores_KNC.mean(2, keepdim=True)  # what is said of all classes alike decides nothing
    spread_K = scores_KNC.std((1, 2))
    unit_K = torch.where(spread_K > FLAT * largest_K, 1 / spread_K, 0.0)  # a dead layer says nothing
    seen_NCK = (scores_KNC * unit_K[:, None, None]).permute(1, 2, 0)
    return _likeliest(lambda weight_K: seen_NCK @ weight_K, classes_N, torch.ones_like(unit_K), decay) * unit_K


def _likeliest(scores_of: Callable[[Tensor], Tensor], classes_N: Tensor, begin: Tensor, decay: float = 0.0) -> Tensor:
    """Return the weights whose scores (images, labels) make the right classes likeliest, less decay · their squares."""
    with torch.enable_grad():
        weight = begin.clone().requires_grad_()
        optimizer = torch.optim.LBFGS([weight], max_iter=ROUNDS, line_search_fn="strong_wolfe")
        classes_N = classes_N.to(begin.device)

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(scores_of(weight), classes_N) + decay * weight.square().sum()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call]
    return weight.detach()


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
    decisive_NC = decision_scores(net, goodness_LNC)
    spread = (decisive_NC - decisive_NC.mean(1, keepdim=True)).std().clamp_min(1e-12)
    answers_NC = (SHARPNESS * decisive_NC / spread).softmax(1).float()
    head = fit_linear_head(
        lambda part: features(net, part),
        images[:fitted],
        answers_NC[:fitted],
        len(net.labels),
        net.config.inference,
        net.config.seed,
        progress=lambda _, done, total: progress("forecast", done, total),
    )
    tried_NC = neutral_scores(net, head, images[-held_out:])
    rounds = [tried_NC, *(decision_scores_up_to(net, goodness_LNC, k)[-held_out:] for k in halving_rounds(net))]
    answer_N1 = decisive_NC[-held_out:].argmax(1, keepdim=True)
    behind = [(scores_NC.amax(1) - scores_NC.gather(1, answer_N1)[:, 0]).float() for scores_NC in rounds]
    margins = torch.stack([b_N.quantile(SAFE) for b_N in behind])
    return Forecast.from_state({**head.state_dict(), "margins": margins})


def fit_linear_head(
    features_of: Callable[[Tensor], Tensor],
    images: Tensor,
    targets: Tensor,
    count: int,
    config: InferenceConfig,
    seed: int,
    *,
    progress: Progress = silent,
) -> LinearHead:
    """Return the map trained with cross-entropy on detached features.

    Parameters
    ----------
    features_of
        Images (N, C, H, W) → features (N, F), without gradient.
    images, targets
        The training images; the class of each, (N,), or the probabilities of all, (N, classes).
    count
        How many classes there are.
    config
        Epochs, batch and learning rate; Adam, falling to 0 by a cosine.
    seed
        Of the order of the images.
    """
    size = len(images)
    width = features_of(images[:1]).shape[1]
    cached = size * width * 4 <= CACHE_BYTES
    whole = _collect(features_of, images, width, config.chunk) if cached else None
    head = LinearHead(width, count).to(images.device)
    _standardize(head, whole, features_of, images, config.chunk)
    batch = min(config.linear_batch, size)
    steps = size // batch
    optimizer = torch.optim.AdamW(head.parameters(), lr=config.linear_lr, weight_decay=config.linear_decay, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.linear_epochs * steps)
    for epoch in range(config.linear_epochs):
        generator = torch.Generator().manual_seed((seed * 100_003 + epoch) % 2**63)
        order = torch.randperm(size, generator=generator).to(images.device)
        for step in range(steps):
            index = order[step * batch : (step + 1) * batch]
            features = whole[index] if whole is not None else features_of(images[index])
            optimizer.zero_grad()
            with torch.enable_grad():
                F.cross_entropy(head(features), targets[index]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        progress("linear classifier", epoch + 1, config.linear_epochs)
    return head.eval()


def _collect(features_of: Callable[[Tensor], Tensor], images: Tensor, width: int, chunk: int) -> Tensor:
    whole = torch.empty(len(images), width, device=images.device)
    for start in range(0, len(images), chunk):
        whole[start : start + chunk] = features_of(images[start : start + chunk])
    return whole


def _standardize(
    head: LinearHead, whole: Tensor | None, features_of: Callable[[Tensor], Tensor], images: Tensor, chunk: int
) -> None:
    total = torch.zeros_like(cast(Tensor, head.mean), dtype=torch.float64)
    squares = torch.zeros_like(total)
    for start in range(0, len(images), chunk):
        part = slice(start, start + chunk)
        features = (whole[part] if whole is not None else features_of(images[part])).double()
        total += features.sum(0)
        squares += features.square().sum(0)
    mean = total / len(images)
    deviation = (squares / len(images) - mean.square()).clamp_min(0).sqrt()
    cast(Tensor, head.mean).copy_(mean)
    # A feature that hardly varies stays small instead of being blown up.
    cast(Tensor, head.scale).copy_(1 / (deviation + 0.01 * deviation.mean() + 1e-12))
