"""What a run's results advise: train longer, repair dead layers, take other labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fflabels import LabelSet
from ffnet.evaluation.accuracy import Accuracy
from ffnet.evaluation.statistics import percent
from ffnet.runs.folder import Run

FAR_BELOW = 0.05
"""Goodness this far below linear has not been trained to the end."""

OVERFIT = 0.1
"""Training images this much more accurate than others were learned by heart."""


def advice(run: Run) -> list[str]:
    """Return one sentence or two per thing that could be better; accuracies are of validation images if there are any.

    Parameters
    ----------
    run
        Finished or not; an unfinished one gets no advice on accuracies.
    """
    lines = []
    last: Mapping[str, Any] = run.metrics[-1] if run.metrics else {}
    if dead := last.get("dead_layers"):
        layers = ", ".join(map(str, dead))
        lines.append(f"Layer {layers} never fires: train again with a lower train.lr.")
    if isinstance(run.labels, LabelSet) and run.labels.warning:
        warning = run.labels.warning
        lines.append(f"{warning[0].upper()}{warning[1:]}.")
    if run.results:
        accuracies = run.results.parts[0].accuracies
        lines += _on_accuracies(accuracies.get("goodness"), accuracies.get("linear"))
        lines += _on_overfitting(run, next(iter(accuracies.values())))
        lines += _on_classes(accuracies, run.about.data.class_names)
    return lines


def _on_accuracies(goodness: Accuracy | None, linear: Accuracy | None) -> Iterator[str]:
    if goodness and linear and linear.accuracy - goodness.accuracy > FAR_BELOW:
        gap = percent(linear.accuracy - goodness.accuracy)
        yield f"Goodness is {gap} points below linear: train longer (train.epochs)."
    if linear and linear.untrained is not None and linear.accuracy <= linear.untrained:
        yield (
            "The linear classifier is no better on this net than on the untrained one "
            f"({percent(linear.accuracy)} and {percent(linear.untrained)} %). On an easy task random filters suffice; "
            "else train longer, or widen the net (net.widths)."
        )


def _on_overfitting(run: Run, accuracy: Accuracy) -> Iterator[str]:
    known = _training_accuracy(run)
    if known is not None and known - accuracy.accuracy > OVERFIT:
        yield (
            f"About {percent(known)} % of the training images are recognised, but only "
            f"{percent(accuracy.accuracy)} % of others: use more images, or train.flip and train.crop if mirroring or "
            "shifting an image does not change its class."
        )


def _training_accuracy(run: Run) -> float | None:
    """Return the accuracy on training images, or what the last layer's comparisons with single labels suggest.

    If each of C − 1 wrong labels wins with probability p, and never two at once, 1 − (C − 1)·p of the images are right.
    With a threshold an error is a positive below it or a negative above it, so p is at most twice their mean share.
    """
    last: Mapping[str, Any] = run.metrics[-1] if run.metrics else {}
    if "discrimination" in last:
        errors = 1 - float(last["discrimination"][-1])
        if run.config.train.loss == "bce" and not run.config.has_codes:
            errors *= 2
        return 1 - (len(run.about.data.class_names) - 1) * errors
    return last.get("train_accuracy")


def _on_classes(accuracies: dict[str, Accuracy], names: Sequence[str]) -> Iterator[str]:
    for name, accuracy in accuracies.items():
        predicted = [sum(column) for column in zip(*accuracy.confusion, strict=True)]
        never = [k for k, images in enumerate(accuracy.confusion) if sum(images) and not predicted[k]]
        given = [k for k, count in enumerate(predicted) if count]
        if len(given) == 1 and len(names) > 1:
            yield f"{name.capitalize()} predicts {names[given[0]]} for every image: it has learned nothing yet."
        elif never:
            those = "its" if len(never) == 1 else "their"
            yield f"{name.capitalize()} never predicts {', '.join(names[k] for k in never)}: look at {those} images."
