"""Accuracy of a trained net on a split, beside that of the untrained net."""

from __future__ import annotations

from typing import get_args

import msgspec
import torch
from torch import Tensor

from fflabels.errors import FFLabelsError
from fflabels.progress import Progress, silent
from ffnet.config import Inference
from ffnet.data.dataset import Data, Split
from ffnet.evaluation.result import Accuracy, Evaluation, SplitName
from ffnet.fitting import untrained
from ffnet.inference.passes import decision_scores, goodness_scores, layer_goodness
from ffnet.inference.predict import check_inference
from ffnet.inference.registry import INFERENCES, Answer, InferenceMethod, get_inference
from ffnet.model.net import FFNet, Net
from ffnet.prepare import check_net

__all__ = ["Accuracy", "Evaluation", "SplitName", "accuracy", "accuracy_of", "confusion_matrix", "evaluate"]


def evaluate(
    net: Net,
    data: Data,
    split: SplitName = "validation",
    *,
    inference: Inference | None = None,
    control: FFNet | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Return the accuracies of a net on a split.

    Make all choices on ``validation``; use ``test`` once, after the last choice.

    Parameters
    ----------
    net
        `FFNet` with its linear classifier fitted, or a baseline (`BPNet`, `LocalNet`).
    data
        The data; the classes of the split are used only to check the predictions.
    split
        ``validation`` or ``test``.
    inference
        A single method; default: goodness and linear, or the only method of a baseline. A cascade or halving is also
        compared with goodness over all labels.
    control
        The untrained net (see `ffnet.fitting.untrained`). Unless given it is computed for linear inference, which shows
        what forward-forward training achieved only as far as it beats this control. Goodness is evaluated on it too,
        but it is not computed for goodness alone.
    progress
        Called with what is computed, the number of images or steps done, and the number in all.

    Raises
    ------
    FFLabelsError
        For an unknown or empty split, or an inference method or data that do not fit the net.

    Examples
    --------
    >>> import ffnet
    >>> config = ffnet.Config().override(["labels.set=fourier:paper10", "data.limit=64"])
    >>> data = ffnet.load_data(config.data)
    >>> net = ffnet.FFNet(config, data.shape, ffnet.label_set(config, data))
    >>> evaluation = ffnet.evaluate(net, data, "validation", inference="goodness")
    >>> 0 <= evaluation.goodness.accuracy <= 1
    True
    """
    if split not in get_args(SplitName):
        raise FFLabelsError("unknown split", where="split", got=split, expected="validation or test")
    part: Split = getattr(data, split)
    if not len(part):
        raise FFLabelsError("no images", where=f"data set {data.name}, {split}", expected="1 or more")
    check_net(net, data)
    check_inference(net, inference)
    names = [inference] if inference else [n for n, m in INFERENCES.items() if m.reported and isinstance(net, m.nets)]
    resolved = [get_inference(name) for name in names]
    if control is None and isinstance(net, FFNet) and any(method.control for _, method, _ in resolved):
        control = untrained(net, data, progress=progress)
    accuracies = {one[0]: _accuracy_by(one, net, part, data.classes, control, progress) for one in resolved}
    return Evaluation(split, len(part), accuracies)


def _accuracy_by(
    resolved: tuple[str, InferenceMethod, int | None],
    net: Net,
    part: Split,
    count: int,
    control: FFNet | None,
    progress: Progress,
) -> Accuracy:
    """Return the accuracy of one inference method, with the comparisons that the method calls for."""
    name, method, number = resolved
    layers: list[float] = []
    untrained_NC = agreement = None
    if name == "goodness" and isinstance(net, FFNet):
        goodness_LNC = layer_goodness(net, part.images, progress=progress)
        layers = [accuracy(layer_NC.argmax(1), part.classes) for layer_NC in goodness_LNC]
        untrained_NC = goodness_scores(control, part.images, progress=progress) if control else None
        answer = Answer(decision_scores(net, goodness_LNC))
    else:
        answer = method.score(net, part.images, number, None)
        if method.control and control:
            untrained_NC = method.score(control, part.images, number, None).scores
    if method.stands_for:
        exact_NC = INFERENCES[method.stands_for].score(net, part.images, None, None).scores
        agreement = accuracy(answer.scores.argmax(1), exact_NC.argmax(1))
    before = None if untrained_NC is None else accuracy(untrained_NC.argmax(1), part.classes)
    result = accuracy_of(answer.scores, part, count, layers=layers, untrained=before)
    return msgspec.structs.replace(result, agreement=agreement, passes=answer.passes)


def confusion_matrix(predicted_N: Tensor, classes_N: Tensor, count: int) -> Tensor:
    """Return the number of images by right class (row) and predicted class (column), (count, count) int64."""
    return torch.bincount(classes_N * count + predicted_N, minlength=count * count).view(count, count)


def accuracy_of(
    scores_NC: Tensor, part: Split, count: int, *, layers: list[float] | None = None, untrained: float | None = None
) -> Accuracy:
    """Return the accuracy of scores (N, classes) on a split of `count` classes; other parameters as in `Accuracy`."""
    predicted_N = scores_NC.argmax(1).cpu()
    confusion = confusion_matrix(predicted_N, part.classes.cpu(), count)
    hits_and_counts = zip(confusion.diagonal(), confusion.sum(1), strict=True)
    per_class = [int(hits) / int(images) if images else None for hits, images in hits_and_counts]
    return Accuracy(accuracy(predicted_N, part.classes), per_class, confusion.tolist(), layers or [], untrained)


def accuracy(predicted_N: Tensor, classes_N: Tensor) -> float:
    """Return the share of images whose predicted class is right."""
    return float((predicted_N.cpu() == classes_N.cpu()).double().mean())
