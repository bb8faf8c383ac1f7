"""Train a net without a run folder, and fit the heads of a trained net.

Letters of shapes: N images, F features, C classes or labels, L layers of the net, K some of the layers or score tensors
that are summed, B images per step.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from fflabels.progress import Progress, silent
from ffnet.data.dataset import Data, Split
from ffnet.inference.passes import decision_scores, decision_scores_up_to, features, layer_goodness, neutral_scores
from ffnet.inference.shortlist import halving_rounds
from ffnet.model.heads import Forecast, LayerWeights, LinearHead
from ffnet.model.net import FFNet, Net
from ffnet.prepare import check_drawing, check_net, check_run, weights_are_fitted
from ffnet.system.devices import deterministic
from ffnet.system.eager import eager
from ffnet.training.draws import Draws
from ffnet.training.layer_learner import scale_weights
from ffnet.training.learner import Metrics
from ffnet.training.loop import images_per_epoch, make_learner, steps

CACHE_BYTES = 4 << 30
"""Features of at most this size are computed once and kept; larger ones are computed in every epoch."""

WEIGHT_IMAGES = 5000
"""Layer weights are fitted on at most this many validation images (one pass per label; with codes a single pass)."""

MAX_ITERATIONS = 100
"""Iterations of that fit. It is convex, with one unknown per layer that counts."""

MIN_SPREAD = 1e-6
"""Scores whose spread is below this share of their size get a weight of 0."""

FORECAST_IMAGES = 6000
"""A forecast is fitted to the goodness of at most this many training images."""

SHARPNESS = 2.0
"""A forecast is fitted to the softmax of goodness, scaled to this standard deviation between labels."""

SAFE = 0.995
"""Each round of a halving keeps the answer of goodness for this share of the images that its margin is fitted on."""

STATISTICS_STEPS = 50
"""Number of batches that give an untrained net its running statistics."""


def fit(net: Net, data: Data, *, report: Callable[[Metrics], None] | None = None) -> list[Metrics]:
    """Train a net in place, fit the heads of a forward-forward net, and return the metrics of each epoch.

    See `ffnet.train` for a run folder, checkpoints and accuracies.

    Parameters
    ----------
    net
        `FFNet`, `BPNet` or `LocalNet`, on the device to train on; changed in place. The order of the images and the
        random numbers for negatives depend only on its seed and on the epoch (hard negatives also on its goodness).
    data
        The training split is used, and the validation split if layer weights are fitted.
    report
        Called after every epoch with its metrics and images per second.

    Raises
    ------
    FFLabelsError
        If the data do not fit the net or its settings.
    NotFiniteError
        If a loss is not finite; names the epoch and the step.

    Examples
    --------
    >>> import ffnet
    >>> config = ffnet.Config().override(["labels.set=fourier:paper10", "data.limit=64", "train.epochs=2"])
    >>> data = ffnet.load_data(config.data)
    >>> history = ffnet.fit(ffnet.FFNet(config, data.shape, ffnet.label_set(config, data)), data)
    >>> [metrics["epoch"] for metrics in history]
    [1, 2]
    """
    check_net(net, data)
    check_run(net.config, data, layer_labels=net.layer_labels)
    check_drawing(net)
    train = data.train.to(net.device)
    history: list[Metrics] = []
    start = time.perf_counter()
    with deterministic():
        for _, metrics in steps(make_learner(net, len(train)), net.config, train, data.classes):
            if metrics is None:
                continue
            history.append(metrics)
            if report:
                speed = images_per_epoch(net.config, train) / (time.perf_counter() - start)
                report({**metrics, "images_per_second": speed})
            start = time.perf_counter()
    net.eval()
    if isinstance(net, FFNet):
        fit_heads(net, data)
    return history


def fit_heads(
    net: FFNet, data: Data, *, progress: Progress = silent, done: Callable[[str], object] | None = None
) -> None:
    """Fit and set the heads of a trained net: the linear classifier and, if configured, the layer weights.

    Parameters
    ----------
    net
        The net, in evaluation mode; its heads are set.
    data
        The linear classifier is fitted on the training images, the layer weights on the validation images.
    progress
        Called with the name of the task, steps done, and the number of steps.
    done
        Called with the name of each head after it was fitted.
    """
    net.linear = fit_linear(net, data.train.to(net.device), progress=progress)
    if done:
        done("linear classifier")
    net.layer_weights = fit_layer_weights(net, data, progress=progress)
    if done:
        done("weights of goodness")


@torch.no_grad()
def untrained(net: FFNet, data: Data, *, progress: Progress = silent) -> FFNet:
    """Return the untrained net: initial weights, running statistics of training images, linear classifier fitted."""
    initial = FFNet(net.config, net.shape, net.labels, net.layer_labels).to(net.device).train()
    train = data.train.to(net.device)
    if net.config.net.init == "measured":
        scale_weights(initial, train, Draws(net.config, train.classes, data.classes, 0))
    epochs = (Draws(net.config, train.classes, data.classes, epoch) for epoch in itertools.count())
    batches = ((draws.images(train, k), draws.labels_SBK[k]) for draws in epochs for k in range(len(draws)))
    for images_BCHW, labels_BK in itertools.islice(batches, STATISTICS_STEPS):
        images_BCHW = initial.prepare(images_BCHW)
        for labels_B in labels_BK.T[: 1 if initial.has_codes else None]:
            list(initial.activities(initial.embed(images_BCHW, labels_B)))
    initial.eval()
    initial.linear = fit_linear(initial, train, progress=lambda _, done, total: progress("untrained net", done, total))
    return initial


@torch.no_grad()
def fit_linear(net: FFNet, train: Split, *, progress: Progress = silent) -> LinearHead:
    """Return a linear classifier fitted to a net's features on a split, which is on the net's device."""
    train = train[: net.config.inference.linear_images]
    return fit_linear_head(net, train.images, train.classes, progress=progress)


def fit_layer_weights(net: FFNet, data: Data, *, progress: Progress = silent) -> LayerWeights | None:
    """Return layer weights fitted on validation images, or None if the configuration does not ask for them."""
    if not weights_are_fitted(net.config):
        return None
    part = data.few(data.validation, WEIGHT_IMAGES)
    goodness_LNC = layer_goodness(net, part.images, progress=progress)
    return layer_weights_of(goodness_LNC, part.classes, net.counted)


@torch.no_grad()
def layer_weights_of(goodness_LNC: Tensor, classes_N: Tensor, counted: range) -> LayerWeights:
    """Return layer weights, fitted by logistic regression of the classes on the goodness of the layers.

    Parameters
    ----------
    goodness_LNC
        The goodness of every label in every layer.
    classes_N
        The right classes.
    counted
        The layers that are summed; the weights of the others stay 1.
    """
    weight_L = torch.ones_like(goodness_LNC[:, 0, 0])
    weight_L[counted.start :] = fit_score_weights(goodness_LNC[counted.start :], classes_N).to(weight_L)
    return LayerWeights(weight_L)


def fit_score_weights(scores_KNC: Tensor, classes_N: Tensor, *, decay: float = 0.0) -> Tensor:
    """Return the weights (K,) float64 of a sum of scores, fitted by (regularised) logistic regression.

    Parameters
    ----------
    scores_KNC
        K scores of every image and class; a score that is the same for all classes gets a weight of 0.
    classes_N
        The right classes.
    decay
        Strength of the L2 penalty on the weights of the scores, scaled to unit spread. With 0 the weights have no bound
        if the scores separate all images.
    """
    largest_K, scores_KNC = scores_KNC.double().abs().amax((1, 2)), scores_KNC.double()
    scores_KNC = scores_KNC - scores_KNC.mean(2, keepdim=True)  # a constant over the classes decides nothing
    spread_K = scores_KNC.std((1, 2))
    scale_K = torch.where(spread_K > MIN_SPREAD * largest_K, 1 / spread_K, 0.0)  # 0 for a dead layer
    scaled_NCK = (scores_KNC * scale_K[:, None, None]).permute(1, 2, 0)
    return _logistic_regression(scaled_NCK, classes_N, decay) * scale_K


def _logistic_regression(scores_NCK: Tensor, classes_N: Tensor, decay: float) -> Tensor:
    """Return weights (K,) that minimise the cross-entropy of scores_NCK @ weights, plus decay · their squares."""
    with torch.enable_grad():
        weight_K = scores_NCK.new_ones(scores_NCK.shape[2]).requires_grad_()
        optimizer = eager(torch.optim.LBFGS)([weight_K], max_iter=MAX_ITERATIONS, line_search_fn="strong_wolfe")
        classes_N = classes_N.to(weight_K.device)

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(scores_NCK @ weight_K, classes_N) + decay * weight_K.square().sum()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call]
    return weight_K.detach()


@torch.no_grad()
def fit_forecast(net: FFNet, images: Tensor, *, progress: Progress = silent) -> Forecast:
    """Fit what `halving` needs: a linear forecast of each label's goodness from the neutral pass, and the margins.

    Classes are not used. The forecast is fitted to the goodness of three quarters of the images, the margins to that of
    the others.

    Parameters
    ----------
    net
        A trained net.
    images
        Training images, (N, C, H, W); the first 6000 are used, each with one pass per label.

    Examples
    --------
    >>> import torch, ffnet
    >>> from fflabels import named_set
    >>> net = ffnet.FFNet(ffnet.Config(), (1, 16, 16), named_set("fourier:paper10"))
    >>> net.forecast = ffnet.fit_forecast(net, torch.rand(8, 1, 16, 16))
    >>> ffnet.predict(net, torch.rand(3, 1, 16, 16), inference="halving").shape
    torch.Size([3])
    """
    images = images[:FORECAST_IMAGES].to(net.device)
    held_out = max(1, len(images) // 4)
    fitted = max(1, len(images) - held_out)

    # The target: a softmax of the goodness that decides.
    goodness_LNC = layer_goodness(net, images, progress=progress)
    decision_NC = decision_scores(net, goodness_LNC)
    spread = (decision_NC - decision_NC.mean(1, keepdim=True)).std().clamp_min(1e-12)
    targets_NC = (SHARPNESS * decision_NC / spread).softmax(1).float()

    # Fit the forecast.
    head = fit_linear_head(
        net, images[:fitted], targets_NC[:fitted], progress=lambda _, done, total: progress("forecast", done, total)
    )

    # The margin of each round: how far behind the best label the final answer is, on held-out images.
    forecast_NC = neutral_scores(net, head, images[-held_out:])
    rounds = [forecast_NC, *(decision_scores_up_to(net, goodness_LNC, k)[-held_out:] for k in halving_rounds(net))]
    answer_N1 = decision_NC[-held_out:].argmax(1, keepdim=True)
    behind = [(scores_NC.amax(1) - scores_NC.gather(1, answer_N1)[:, 0]).float() for scores_NC in rounds]
    margins = torch.stack([behind_N.quantile(SAFE) for behind_N in behind])
    return Forecast.from_state({**head.state_dict(), "margins": margins})


def fit_linear_head(net: FFNet, images: Tensor, targets: Tensor, *, progress: Progress = silent) -> LinearHead:
    """Return a linear head trained with cross-entropy on a net's features.

    AdamW with a cosine schedule that ends at 0. `targets` are the classes (N,) of the images, or class probabilities
    (N, classes).
    """
    # Compute the features once if they fit in memory, and the statistics that standardise them.
    config, size = net.config.inference, len(images)
    width = features(net, images[:1]).shape[1]
    cached = size * width * 4 <= CACHE_BYTES
    features_NF = _all_features(net, images, width, config.chunk) if cached else None

    def features_of(index: Tensor | slice) -> Tensor:
        return features(net, images[index]) if features_NF is None else features_NF[index]

    head = LinearHead(width, len(net.labels)).to(images.device)
    _standardize(head, features_of, size, config.chunk)
    if features_NF is not None:
        features_NF.sub_(head.mean).mul_(head.scale)

    # Train, on standardised features.
    batch = min(config.linear_batch, size)
    steps_per_epoch = size // batch
    adam = eager(torch.optim.AdamW)
    optimizer = adam(head.parameters(), lr=config.linear_lr, weight_decay=config.linear_decay, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.linear_epochs * steps_per_epoch)
    for epoch in range(config.linear_epochs):
        generator = torch.Generator().manual_seed((net.config.seed * 100_003 + epoch) % 2**63)
        order = torch.randperm(size, generator=generator).to(images.device)
        for step in range(steps_per_epoch):
            index = order[step * batch : (step + 1) * batch]
            features_BF = features_of(index)
            inputs_BF = head.standardized(features_BF) if features_NF is None else features_BF
            optimizer.zero_grad()
            with torch.enable_grad():
                logits_BC = F.linear(inputs_BF, head.weight, head.bias)
                F.cross_entropy(logits_BC, targets[index]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        progress("linear classifier", epoch + 1, config.linear_epochs)
    return head.eval()


def _all_features(net: FFNet, images: Tensor, width: int, chunk: int) -> Tensor:
    features_NF = torch.empty(len(images), width, device=images.device)
    for start in range(0, len(images), chunk):
        features_NF[start : start + chunk] = features(net, images[start : start + chunk])
    return features_NF


def _standardize(head: LinearHead, features_of: Callable[[slice], Tensor], size: int, chunk: int) -> None:
    """Set the head's mean and scale from the features of all images."""
    sum_F = torch.zeros_like(head.mean, dtype=torch.float64)
    squares_F = torch.zeros_like(sum_F)
    for start in range(0, size, chunk):
        part_NF = features_of(slice(start, start + chunk)).double()
        sum_F += part_NF.sum(0)
        squares_F += part_NF.square().sum(0)
    mean_F = sum_F / size
    deviation_F = (squares_F / size - mean_F.square()).clamp_min(0).sqrt()
    head.mean.copy_(mean_F)
    # The second term keeps features that hardly vary small.
    head.scale.copy_(1 / (deviation_F + 0.01 * deviation_F.mean() + 1e-12))
