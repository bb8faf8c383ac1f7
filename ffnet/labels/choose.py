"""Which label set a run uses: designed on its training images, built in, or read from a file."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from fflabels import LabelSet, References, assign, design, get_labeler, registry
from fflabels.errors import FFLabelsError
from fflabels.images import MAX_PIXELS, of_each_class
from fflabels.labelset import open_set
from fflabels.observer import DEFAULT_INTENSITY
from fflabels.progress import Progress, silent
from ffnet.config import Config
from ffnet.data.dataset import Data
from ffnet.data.images import to_unit

REFERENCES = 64
"""A set is designed on this many training images."""

ALIKE_IMAGES = 10_000
"""Which classes look alike is measured on at most this many training images."""


def references_of(data: Data) -> References:
    """Return the images that sets are designed and scored on: the first of the training images."""
    return References(to_unit(data.train.images[:REFERENCES]).numpy(), data.name)


def choose_labels(config: Config, data: Data, *, progress: Progress = silent) -> LabelSet:
    """Return the label set of a configuration: designed on the first training images, built in, or read from a file.

    With ``labels.assign = "alike"`` labels that are alike go to classes that look alike, by training images.
    A set that was scored at another shape is scored anew, at the data set's.

    Raises
    ------
    FFLabelsError
        When it has not one label for each class.
    """
    chosen = config.labels
    references = references_of(data)
    intensity = chosen.intensity or DEFAULT_INTENSITY
    if not is_labeler(chosen.set):
        labels = open_set(chosen.set)
        if chosen.n not in (None, len(labels)):
            raise FFLabelsError(
                "a set of another size", where=f"labels {chosen.set}", got=len(labels), expected=f"{chosen.n}"
            )
    else:
        count = chosen.n or data.classes
        labels = design(
            get_labeler(chosen.set, **chosen.params),
            count,
            candidates=max(chosen.candidates, count),
            shape=data.shape,
            metric=chosen.metric,
            method=chosen.method,
            seed=config.seed,
            intensity=intensity,
            references=references,
            progress=progress,
        )
    check_count(config, len(labels), data)
    if chosen.assign == "alike":
        labels = assign(labels, _classed(data), seed=config.seed, progress=progress)
    if labels.scores is None or labels.shape != data.shape:
        report = labels.score(data.shape, references, intensity=intensity, progress=progress)
        labels = LabelSet(labels.recipes, labels.labeler, labels.provenance, report.scores)
    return labels


def check_count(config: Config, count: int, data: Data) -> None:
    """Refuse a number of labels that is not that of the classes."""
    if count != data.classes:
        raise FFLabelsError(
            "not one label a class", where=f"labels {config.labels.set}", got=count,
            expected=f"{data.classes} for {data.name}",
        )  # fmt: skip


def _classed(data: Data) -> References:
    """Return training images of all classes, as many of each where there are."""
    classes, most = data.train.classes.numpy(), min(ALIKE_IMAGES, MAX_PIXELS // math.prod(data.shape))
    among = of_each_class(classes, max(1, most // data.classes))
    return References(to_unit(data.train.images[torch.from_numpy(among)]).numpy(), data.name, classes[among])


def is_labeler(name: str) -> bool:
    """Return whether a name means a labeler, ``path/to/file.py:Class`` too; else it means a built-in set or a file."""
    if registry.IN_A_FILE.fullmatch(name):
        return True
    try:
        registry.find(name)
    except FFLabelsError:
        return not (":" in name or "/" in name or Path(name).suffix == ".json" or Path(name).is_file())
    return True
