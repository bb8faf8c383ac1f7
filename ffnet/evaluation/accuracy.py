"""What a trained net is worth on a split, what is fitted to it beside the same fitted to the untrained net."""

from __future__ import annotations

import itertools
from typing import Literal, TypeAlias, get_args

import msgspec
import torch
from torch import Tensor, nn

from fflabels.errors import FFLabelsError
from fflabels.progress import Progress, silent
from ffnet.config import Inference
from ffnet.data.dataset import Data, Split
from ffnet.inference.passes import (
    channel_scores,
    check_channels_fitted,
    combined,
    goodness_scores,
    layer_goodness,
    linear_scores,
)
from ffnet.inference.predict import Method, decide, scores
from ffnet.model.baseline import BPNet
from ffnet.model.net import FFNet
from ffnet.training.forward_forward import Draws, scale_weights
from ffnet.training.loop import fit_channels, fit_linear

SplitName: TypeAlias = Literal["validation", "test"]

CALIBRATION_STEPS = 50
"""Batches that an untrained net's running statistics are taken from."""


class Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How well one way of reading a net does.

    Attributes
    ----------
    accuracy
        Share of images whose class is predicted.
    per_class
        The same, class by class; None for a class without images.
    confusion
        Row: the right class, column: the predicted one; counts.
    layers
        Accuracy of each layer's goodness alone; empty for other readings.
    untrained
        Accuracy of the same linear classifier, or weights of channels, fitted to the net before training; None for
        other readings.
    agreement
        Share of images for which the answer of a cascade or halving is that of goodness over all labels; None for
        other readings.
    passes
        Passes that a cascade or halving took an image, the mean; goodness over all labels takes one a label. With
        ``inference.mirror`` either side takes so many.
    """

    accuracy: float
    per_class: list[float | None]
    confusion: list[list[int]]
    layers: list[float] = []
    untrained: float | None = None
    agreement: float | None = None
    passes: float | None = None


class Evaluation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The readings of a net on a split: bp of the baseline; of others goodness, linear, and what else was asked for.

    Weights of channels are read where there are any; ``both`` is an `Ensemble`'s.
    """

    split: SplitName
    images: int
    goodness: Reading | None = None
    channels: Reading | None = None
    linear: Reading | None = None
    bp: Reading | None = None
    cascade: Reading | None = None
    halving: Reading | None = None
    both: Reading | None = None

    @property
    def readings(self) -> dict[str, Reading]:
        """Return the readings that were taken, by name."""
        names = ("goodness", "channels", "linear", "bp", "cascade", "halving", "both")
        return {name: reading for name in names if (reading := getattr(self, name))}


def evaluate(
    net: nn.Module,
    data: Data,
    split: SplitName = "validation",
    *,
    inference: Inference | None = None,
    control: FFNet | None = None,
) -> Evaluation:
    """Return accuracies on a split; make choices on ``validation`` and look at ``test`` once, after all of them.

    Parameters
    ----------
    net
        `FFNet` with its classifier fitted, or `BPNet`.
    data
        The classes of the split are compared with predictions; no prediction is given them.
    inference
        One reading only; goodness, linear and, where it is fitted, channels unless given. A cascade or halving is
        compared with goodness over all labels.
    control
        The untrained net (see `untrained`), made anew unless given. What FF learnt shows in goodness, and in linear
        only as far as it is above this control.
    """
    if split not in get_args(SplitName):
        raise FFLabelsError("unknown split", where="split", got=split, expected="validation or test")
    part: Split = getattr(data, split)
    if isinstance(net, BPNet):
        logits_NC = scores(net, part.images, method=inference)
        return Evaluation(split, len(part), bp=reading_of(logits_NC, part, data.classes))
    assert isinstance(net, FFNet)
    found: dict[str, Reading] = {}
    chosen = Method.of(inference) if inference else None
    if chosen and chosen.name in ("cascade", "halving"):
        decision = decide(net, part.images, chosen)
        agreed = accuracy(decision.scores.argmax(1), goodness_scores(net, part.images).argmax(1))
        reading = reading_of(decision.scores, part, data.classes)
        found[chosen.name] = msgspec.structs.replace(reading, agreement=agreed, passes=decision.passes)
    if inference in (None, "goodness"):
        goodness_LNC = layer_goodness(net, part.images)
        layers = [accuracy(layer.argmax(1).cpu(), part.classes) for layer in goodness_LNC]
        found["goodness"] = reading_of(combined(net, goodness_LNC), part, data.classes, layers=layers)
    fitted = {"channels": channel_scores, "linear": linear_scores}
    if inference is None and net.channel_weight is None:
        del fitted["channels"]
    if inference == "channels":
        check_channels_fitted(net)
    for name in fitted if inference is None else fitted.keys() & {inference}:
        control = control or untrained(net, data)
        first = accuracy(fitted[name](control, part.images).argmax(1), part.classes)
        found[name] = reading_of(fitted[name](net, part.images), part, data.classes, untrained=first)
    return Evaluation(split, len(part), **found)


@torch.no_grad()
def untrained(net: FFNet, data: Data, *, progress: Progress = silent) -> FFNet:
    """Return the net as it was before training, running statistics taken from training images, readings fitted."""
    control = FFNet(net.config, net.shape, net.labels).to(net.device).train()
    train = data.train.to(net.device)
    if net.config.net.init == "measured":
        scale_weights(control, train, Draws(net.config, train.classes, data.classes, 0))
    epochs = (Draws(net.config, train.classes, data.classes, epoch) for epoch in itertools.count())
    batches = ((draws.images(train, k), draws.labels_SBK[k]) for draws in epochs for k in range(len(draws)))
    for images_BCHW, labels_BK in itertools.islice(batches, CALIBRATION_STEPS):
        images = control.prepare(images_BCHW)
        for labels_B in labels_BK.T:
            control(control.embedder.embed(images, labels_B))
    control.eval()
    control.readout = fit_linear(control, train, progress=lambda _, done, total: progress("untrained net", done, total))
    control.channel_weight = fit_channels(control, train)
    return control


def confusion_matrix(predicted_N: Tensor, classes_N: Tensor, count: int) -> Tensor:
    """Return how often (right class, predicted class) came, (count, count) int64."""
    return torch.bincount(classes_N * count + predicted_N, minlength=count * count).view(count, count)


def reading_of(
    scores_NC: Tensor, part: Split, count: int, *, layers: list[float] | None = None, untrained: float | None = None
) -> Reading:
    """Return how well scores (N, classes) do on a split of so many classes; the rest as `Reading` has it."""
    predicted_N = scores_NC.argmax(1).cpu()
    table = confusion_matrix(predicted_N, part.classes.cpu(), count)
    per_class = [
        int(hits) / int(seen) if seen else None for hits, seen in zip(table.diagonal(), table.sum(1), strict=True)
    ]
    return Reading(accuracy(predicted_N, part.classes), per_class, table.tolist(), layers or [], untrained)


def accuracy(predicted_N: Tensor, classes_N: Tensor) -> float:
    """Return the share of images whose class is predicted."""
    return float((predicted_N.cpu() == classes_N.cpu()).double().mean())
