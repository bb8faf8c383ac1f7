"""Codes: labels as patterns over the channels of a layer, one label set per width of the layers.

Letters of shapes: L labels, C channels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from fflabels import LabelSet, References, class_likeness, codes_from_likeness, design, get_labeler, list_labelers
from fflabels.assignment import PairMatrix
from fflabels.errors import FFLabelsError, nearest
from fflabels.files import write_whole
from fflabels.labeler import Labeler
from fflabels.labelset import Changed, find_named_set, is_built_in, named_set
from fflabels.progress import Progress, silent
from ffnet.config import Config
from ffnet.labels.filed_codes import VERSION, CodeSets, documents
from ffnet.labels.kinds import CODES_FORMAT, is_codes_file, is_labeler

FOR_CLASSES = "code:classes"
"""The name of codes that follow the likeness of the classes, measured on training images."""

LoadImages: TypeAlias = Callable[[], References]
"""Returns training images with their classes."""

Source: TypeAlias = Callable[[int], LabelSet]
"""Width → its codes; an error where there are none of this width."""


class Codes(CodeSets[LabelSet]):
    """The codes of every layer.

    Parameters
    ----------
    sets
        Width of a layer → the label set of that width, all with the same number of labels.
    """

    def matrix(self, width: int) -> Tensor:
        """Return the codes of layers of this width, (L, C) float32.

        Each code has mean 0; its positive entries sum to 1, its negative ones to −1.
        """
        values_LC = self.sets[width].codes(width)
        code_LC = values_LC - values_LC.mean(1, keepdims=True)
        code_LC *= 2 / np.abs(code_LC).sum(1, keepdims=True)
        return torch.from_numpy(code_LC.astype(np.float32))

    def save(self, path: Path) -> None:
        """Write all sets to one file, whole or not at all."""
        sets = {str(width): json.loads(labels.to_json()) for width, labels in sorted(self.sets.items())}
        content = {"format": CODES_FORMAT, "version": VERSION, "sets": sets}
        write_whole(path, json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n")

    @classmethod
    def load(cls, path: Path, *, changed: Changed = "warn") -> Codes:
        """Read a file of sets; errors name the file, and `changed` is as for `LabelSet.load`.

        Raises
        ------
        FFLabelsError
            When it cannot be read, is no file of codes, or one of its sets is damaged.
        """
        return cls({
            width: LabelSet.from_json(document, where=where, changed=changed)
            for width, where, document in documents(path)
        })  # fmt: skip


def choose_codes(
    config: Config, count: int, load_images: LoadImages | None = None, *, progress: Progress = silent
) -> Codes:
    """Return the codes of a configuration for `count` labels: for each width the first set that exists for it.

    Sets are designed, or drawn from a built-in family, with the seed of the run. Only ``code:classes`` looks at images.

    Raises
    ------
    FFLabelsError
        If a name is unknown, or a file cannot be read; if no set exists for a width, with the error of the last set.
    """

    @cache
    def likeness() -> PairMatrix:
        if load_images is None:
            raise FFLabelsError("needs images with their classes", where=FOR_CLASSES)
        references = load_images()
        assert references.classes is not None
        if (present := int(references.classes.max()) + 1) < count:
            raise FFLabelsError("a class without a training image", where=FOR_CLASSES, got=present)
        return class_likeness(references, progress=progress)

    names = [name.strip() for name in config.labels.goodness.set.split(",")]
    sources = {name: _source(config, name, count, likeness, progress) for name in names}
    chosen = {width: _of_width(config, sources, width) for width in sorted(set(config.code_lengths))}
    used = {name: None for name, _ in chosen.values()}
    if config.labels.params and not any(map(is_labeler, used)):
        raise FFLabelsError(
            "without effect on a finished set", where="labels.params", got=config.labels.params,
            expected=f"a labeler in labels.goodness.set; used: {', '.join(used)}",
        )  # fmt: skip
    return Codes({width: labels for width, (_, labels) in chosen.items()})


def _source(config: Config, name: str, count: int, likeness: Callable[[], PairMatrix], progress: Progress) -> Source:
    """Return what makes the codes that a name stands for: a labeler, a built-in set, a label-set file, a run's codes.

    Raises
    ------
    FFLabelsError
        For a name that can serve no width: unknown, unreadable, of pictures, or for another number of classes.
    """
    settings, seed = config.labels, config.labels_seed
    if name == FOR_CLASSES:
        return lambda width: codes_from_likeness(likeness(), width, seed=seed)
    if is_labeler(name):
        labeler = _of_codes(name, get_labeler(name, **settings.params))
        return lambda width: design(
            labeler, count, candidates=max(settings.candidates, count), shape=(width, 1, 1), method=settings.method,
            seed=seed, progress=progress,
        )  # fmt: skip
    if is_built_in(name):
        _of_codes(name, find_named_set(name)[0])
        return lambda width: _fitting(named_set(name, count, (width, 1, 1), seed), width)
    if not Path(name).is_file():
        known = nearest(name, [*list_labelers(), "code:hadamard", "code:groups", FOR_CLASSES])
        raise FFLabelsError("no such codes", where="labels.goodness.set", got=name, hint=known)
    if not is_codes_file(Path(name)):
        labels = _for_classes(name, LabelSet.load(name), count)
        _of_codes(name, labels.labeler)
        return lambda width: _fitting(labels, width)
    sets = {width: _for_classes(name, labels, count) for width, labels in Codes.load(Path(name)).sets.items()}

    def of_file(width: int) -> LabelSet:
        if width not in sets:
            raise FFLabelsError("codes of other widths", where=name, got=width, expected=", ".join(map(str, sets)))
        return _fitting(sets[width], width)

    return of_file


def _of_codes(name: str, labeler: Labeler[Any]) -> Labeler[Any]:
    if labeler.pattern != "code":
        raise FFLabelsError(
            "draws no codes", where=f"labels.goodness.set: {name}", expected="a labeler of codes, such as code"
        )
    return labeler


def _for_classes(name: str, labels: LabelSet, count: int) -> LabelSet:
    if len(labels) != count:
        raise FFLabelsError("not one label per class", where=name, got=len(labels), expected=f"{count}")
    return labels


def _fitting(labels: LabelSet, width: int) -> LabelSet:
    labels.codes(width)  # refuses codes of another width
    return labels


def _of_width(config: Config, sources: Mapping[str, Source], width: int) -> tuple[str, LabelSet]:
    """Return the first name that has codes of a width, and these codes."""
    for name, codes_of in sources.items():
        try:
            return name, codes_of(width)
        except FFLabelsError as error:
            refusal = error
    hint = "each region of a channel counts" if config.labels.goodness.regions else None
    raise FFLabelsError(f"no codes for a layer of width {width}: {refusal}", where="labels.goodness.set", hint=hint)
