"""Accuracy of a trained net on a split, beside the same classifier fitted to the untrained net."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, cast, get_args

import msgspec
import torch
from torch import Tensor

from fflabels.errors import FFLabelsError
from ffnet.config import Inference
from ffnet.data.dataset import Data, Split
from ffnet.fitting import untrained
from ffnet.inference.passes import decision_scores, layer_goodness
from ffnet.inference.predict import check_inference
from ffnet.inference.registry import INFERENCES, InferenceMethod, get_inference
from ffnet.model.net import FFNet, Net

SplitName: TypeAlias = Literal["validation", "test"]


class Accuracy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How well an inference method does on a split.

    Attributes
    ----------
    accuracy
        Share of images whose class is predicted.
    per_class
        The same for each class; None for a class without images.
    confusion
        Row: the right class, column: the predicted one; counts.
    layers
        Accuracy of each layer's goodness alone; empty for other methods than goodness.
    untrained
        Accuracy of the same method on the net before training, its heads fitted likewise; None for methods without this
        control.
    agreement
        Share of images for which the answer is that of the method that this one stands for; None for others.
    passes
        Mean passes per image of a method that saves some; goodness over all labels takes one for each label. With
        ``inference.mirror`` each view takes as many.
    """

    accuracy: float
    per_class: list[float | None]
    confusion: list[list[int]]
    layers: list[float] = []
    untrained: float | None = None
    agreement: float | None = None
    passes: float | None = None


class Evaluation(msgspec.Struct, frozen=True):
    """The accuracies of a net on a split, by inference method.

    ``evaluation.goodness`` is short for ``evaluation.accuracies.get("goodness")``, and so on.
    """

    split: SplitName
    images: int
    accuracies: dict[str, Accuracy]

    def __getattr__(self, name: str) -> Accuracy | None:
        if name in INFERENCES or name == "both":
            return self.accuracies.get(name)
        raise AttributeError(name)

    @property
    def readings(self) -> dict[str, Accuracy]:
        """The old name of `accuracies`."""
        return self.accuracies

    def to_builtins(self) -> dict[str, Any]:
        """Return the evaluation as results.json and ``--json`` have it: one key for each method."""
        own = {name: msgspec.to_builtins(accuracy) for name, accuracy in self.accuracies.items()}
        return {"split": self.split, "images": self.images, **own}

    @classmethod
    def from_builtins(cls, value: dict[str, Any]) -> Evaluation:
        """Return the evaluation that `to_builtins` gave; raises msgspec's errors."""
        own = {name: each for name, each in value.items() if name not in ("split", "images")}
        head = {"split": value.get("split"), "images": value.get("images"), "accuracies": own}
        return msgspec.convert(head, cls)


def evaluate(
    net: Net,
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
        One method only; unless given goodness and linear, of a back-propagation net its own. A cascade or halving is
        compared with goodness over all labels.
    control
        The untrained net (see `ffnet.fitting.untrained`), made anew unless given. What FF learnt shows in goodness, and
        in linear only as far as it is above this control.
    """
    if split not in get_args(SplitName):
        raise FFLabelsError("unknown split", where="split", got=split, expected="validation or test")
    part: Split = getattr(data, split)
    check_inference(net, inference)
    names = [inference] if inference else [n for n, m in INFERENCES.items() if m.reported and isinstance(net, m.nets)]
    accuracies = {}
    for text in names:
        name, method, number = get_inference(text)
        if method.control and control is None:
            control = untrained(cast(FFNet, net), data)
        accuracies[name] = _accuracy_of_method(net, part, data.classes, name, method, number, control)
    return Evaluation(split, len(part), accuracies)


def _accuracy_of_method(
    net: Net, part: Split, count: int, name: str, method: InferenceMethod, number: int | None, control: FFNet | None
) -> Accuracy:
    """Return the accuracy of one inference method, with all that stands beside it."""
    if name == "goodness":
        goodness_LNC = layer_goodness(cast(FFNet, net), part.images)
        layers = [accuracy(layer_NC.argmax(1), part.classes) for layer_NC in goodness_LNC]
        return accuracy_of(decision_scores(cast(FFNet, net), goodness_LNC), part, count, layers=layers)
    answer = method.score(net, part.images, number, None)
    found = accuracy_of(answer.scores, part, count)
    if method.control and control is not None:
        first = accuracy(method.score(control, part.images, number, None).scores.argmax(1), part.classes)
        found = msgspec.structs.replace(found, untrained=first)
    if method.stands_for:
        whole = INFERENCES[method.stands_for].score(net, part.images, None, None)
        agreement = accuracy(answer.scores.argmax(1), whole.scores.argmax(1))
        found = msgspec.structs.replace(found, agreement=agreement)
    return msgspec.structs.replace(found, passes=answer.passes)


def confusion_matrix(predicted_N: Tensor, classes_N: Tensor, count: int) -> Tensor:
    """Return how often (right class, predicted class) came, (count, count) int64."""
    return torch.bincount(classes_N * count + predicted_N, minlength=count * count).view(count, count)


def accuracy_of(
    scores_NC: Tensor, part: Split, count: int, *, layers: list[float] | None = None, untrained: float | None = None
) -> Accuracy:
    """Return how well scores (N, classes) do on a split of `count` classes; the rest as `Accuracy` has it."""
    predicted_N = scores_NC.argmax(1).cpu()
    table = confusion_matrix(predicted_N, part.classes.cpu(), count)
    per_class = [
        int(hits) / int(seen) if seen else None for hits, seen in zip(table.diagonal(), table.sum(1), strict=True)
    ]
    return Accuracy(accuracy(predicted_N, part.classes), per_class, table.tolist(), layers or [], untrained)


def accuracy(predicted_N: Tensor, classes_N: Tensor) -> float:
    """Return the share of images whose class is predicted."""
    return float((predicted_N.cpu() == classes_N.cpu()).double().mean())
