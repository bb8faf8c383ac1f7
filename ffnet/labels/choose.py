"""Choose the label set of a run: designed on its training images, built in, or read from a file."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fflabels import LabelSet, References, assign, design, get_labeler
from fflabels.errors import FFLabelsError
from fflabels.images import MAX_PIXELS, of_each_class, to_shape
from fflabels.labeler import Labeler
from fflabels.labelset import open_set
from fflabels.observer import DEFAULT_INTENSITY
from fflabels.progress import Progress, silent
from ffnet.config import Config
from ffnet.config.sections import LabelsConfig
from ffnet.data.dataset import Data
from ffnet.data.images import to_unit
from ffnet.labels.codes import Codes, choose_codes
from ffnet.labels.kinds import is_labeler

REFERENCES = 64
"""A set is designed and scored on this many training images."""

ALIKE_IMAGES = 10_000
"""The similarity of classes is measured on at most this many training images."""

ALIKE_SIDE = 32
"""Codes for the classes are made from images reduced to at most this many pixels a side."""

REDUCED_TOGETHER = 256
"""Images that are reduced together."""


def references_of(data: Data) -> References:
    """Return the images that label sets are designed and scored on: the first training images."""
    return References(to_unit(data.train.images[:REFERENCES]).numpy(), data.name)


def choose_labels(config: Config, data: Data, *, progress: Progress = silent) -> LabelSet | Codes:
    """Return the labels of a configuration, as `ffnet.label_set` does, without its checks of the other settings."""
    if config.has_codes:
        return choose_codes(config, data.classes, lambda: _reduced_classes(data), progress=progress)
    settings = config.labels
    references = references_of(data)
    intensity = settings.intensity or DEFAULT_INTENSITY

    # Open a finished set, or design one.
    if not is_labeler(settings.set):
        labels = open_set(settings.set)
        if settings.n not in (None, len(labels)):
            raise FFLabelsError(
                "a set of another size", where=f"labels {settings.set}", got=len(labels), expected=f"{settings.n}"
            )
        _check_finished(settings)
        _check_received(settings, labels.labeler)
    else:
        count, labeler = settings.n or data.classes, get_labeler(settings.set, **settings.params)
        _check_received(settings, labeler)
        labels = design(
            labeler,
            count,
            candidates=max(settings.candidates, count),
            shape=data.shape,
            metric=settings.metric,
            method=settings.method,
            seed=config.labels_seed,
            intensity=intensity,
            references=references,
            min_visibility=settings.min_visibility,
            progress=progress,
        )

    # Assign its labels to classes, and score it at the shape of the data.
    check_count(config, len(labels), data)
    if settings.assign == "alike":
        labels = assign(labels, _reference_classes(data), seed=config.labels_seed, progress=progress)
    if labels.scores is None or labels.shape != data.shape:
        report = labels.score(data.shape, references, intensity=intensity, progress=progress)
        labels = replace(labels, scores=report.scores)
    return labels


def _check_finished(settings: LabelsConfig) -> None:
    """Refuse settings of the design where the set is already there."""
    for key, value, default in (("params", settings.params, {}), ("min_visibility", settings.min_visibility, None)):
        if value != default:
            raise FFLabelsError(
                "without effect on a finished set", where=f"labels.{key}", got=value,
                expected=f"a labeler in labels.set, not {settings.set}",
            )  # fmt: skip


def _check_received(settings: LabelsConfig, labeler: Labeler[Any]) -> None:
    """Refuse labels that are drawn into no image and given to no layer."""
    if not settings.intensity and settings.layers.set == "none" and not labeler.overwrites:
        raise FFLabelsError(
            "no image and no layer receives the label", where="labels.intensity", got=settings.intensity,
            expected="more than 0, or a label set in labels.layers.set",
        )  # fmt: skip


def check_count(config: Config, count: int, data: Data) -> None:
    """Refuse a number of labels other than the number of classes."""
    if count != data.classes:
        name = config.labels.goodness.set if config.has_codes else config.labels.set
        if config.labels.n is not None and (config.has_codes or is_labeler(name)):
            hint: str | None = "leave out labels.n (--n)"
        else:
            hint = (
                None if config.has_codes else "labels.set=fourier designs as many; on the command line --labels fourier"
            )
        raise FFLabelsError(
            "not one label per class", where=f"labels {name}", got=count, expected=f"{data.classes} for {data.name}",
            hint=hint,
        )  # fmt: skip


def _reference_classes(data: Data) -> References:
    """Return training images with their classes, up to the same number per class."""
    index = _evenly(data, min(ALIKE_IMAGES, MAX_PIXELS // math.prod(data.shape)))
    return References(to_unit(data.train.images[index]).numpy(), data.name, data.train.classes[index].numpy())


def _reduced_classes(data: Data) -> References:
    """Return more training images with their classes, reduced to at most `ALIKE_SIDE` pixels per side."""
    index = _evenly(data, ALIKE_IMAGES)
    channels, height, width = data.shape
    shape = (channels, min(height, ALIKE_SIDE), min(width, ALIKE_SIDE))
    parts = (to_unit(data.train.images[part]).numpy() for part in torch.split(index, REDUCED_TOGETHER))
    images = np.concatenate([part if shape == data.shape else to_shape(part, shape) for part in parts])
    return References(images, data.name, data.train.classes[index].numpy())


def _evenly(data: Data, limit: int) -> Tensor:
    """Return indices of training images: up to ``limit // classes`` of each class, but at least one."""
    return torch.from_numpy(of_each_class(data.train.classes.numpy(), max(1, limit // data.classes)))
