"""Codes: labels as patterns over the channels of a layer, one label set per width of the layers.

Letters of shapes: L labels, C channels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from fflabels import LabelSet, References, class_likeness, codes_from_likeness, design, get_labeler, list_labelers
from fflabels.assignment import PairMatrix
from fflabels.errors import FFLabelsError, nearest
from fflabels.files import write_whole
from fflabels.labelset import Changed, find_named_set, is_built_in, open_set
from fflabels.progress import Progress, silent
from ffnet.config import Config
from ffnet.labels.filed_codes import VERSION, documents, origin_of
from ffnet.labels.kinds import CODES_FORMAT, is_codes_file, is_labeler

FOR_CLASSES = "code:classes"
"""The name of codes that follow the likeness of the classes, measured on training images."""

LoadImages: TypeAlias = Callable[[], References]
"""Returns training images with their classes."""


@dataclass(frozen=True)
class Codes:
    """The codes of every layer.

    Parameters
    ----------
    sets
        Width of a layer → the label set of that width, all with the same number of labels.
    """

    sets: Mapping[int, LabelSet]

    def __len__(self) -> int:
        """Return the number of labels."""
        return len(next(iter(self.sets.values())))

    def matrix(self, width: int) -> Tensor:
        """Return the codes of layers of this width, (L, C) float32.

        Each code has mean 0; its positive entries sum to 1, its negative ones to −1.
        """
        values_LC = self.sets[width].codes(width)
        code_LC = values_LC - values_LC.mean(1, keepdims=True)
        code_LC *= 2 / np.abs(code_LC).sum(1, keepdims=True)
        return torch.from_numpy(code_LC.astype(np.float32))

    def origin(self, width: int) -> str:
        """Return one phrase on how the codes of a width were chosen, such as "code:hadamard"."""
        return origin_of(self.sets[width])

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
    names = [name.strip() for name in config.labels.goodness.set.split(",")]
    for name in names:
        _check_name(config, name, count)

    @cache
    def likeness() -> PairMatrix:
        if load_images is None:
            raise FFLabelsError("needs images with their classes", where=FOR_CLASSES)
        references = load_images()
        assert references.classes is not None
        if (present := int(references.classes.max()) + 1) < count:
            raise FFLabelsError("a class without a training image", where=FOR_CLASSES, got=present)
        return class_likeness(references, progress=progress)

    widths = sorted(set(config.code_lengths))
    chosen = {width: _codes_of_width(config, names, count, width, likeness, progress) for width in widths}
    used = {name: None for name, _ in chosen.values()}
    if config.labels.params and not any(map(is_labeler, used)):
        raise FFLabelsError(
            "without effect on a finished set", where="labels.params", got=config.labels.params,
            expected=f"a labeler in labels.goodness.set; used: {', '.join(used)}",
        )  # fmt: skip
    return Codes({width: labels for width, (_, labels) in chosen.items()})


def _check_name(config: Config, name: str, count: int) -> None:
    """Refuse a name of codes that can serve no width: unknown, unreadable, of pictures, or for fewer classes."""
    if name == FOR_CLASSES:
        return
    if is_labeler(name):
        labeler = get_labeler(name, **config.labels.params)
    elif is_built_in(name):
        labeler, _ = find_named_set(name)
    elif not Path(name).is_file():
        known = nearest(name, [*list_labelers(), "code:hadamard", "code:groups", FOR_CLASSES])
        raise FFLabelsError("no such codes", where="labels.goodness.set", got=name, hint=known)
    elif is_codes_file(Path(name)):
        for labels in Codes.load(Path(name)).sets.values():
            _check_count(name, labels, count)
        return
    else:
        labels = LabelSet.load(name)
        labeler = labels.labeler
        _check_count(name, labels, count)
    if labeler.pattern != "code":
        raise FFLabelsError(
            "draws no codes", where=f"labels.goodness.set: {name}", expected="a labeler of codes, such as code"
        )


def _check_count(name: str, labels: LabelSet, count: int) -> None:
    if len(labels) != count:
        raise FFLabelsError("not one label per class", where=name, got=len(labels), expected=f"{count}")


def _codes_of_width(
    config: Config, names: list[str], count: int, width: int, likeness: Callable[[], PairMatrix], progress: Progress
) -> tuple[str, LabelSet]:
    """Return the name that served the width, and the codes."""
    for name in names:
        try:
            if name == FOR_CLASSES:
                return name, codes_from_likeness(likeness(), width, seed=config.labels_seed)
            return name, _codes(config, name, count, width, progress)
        except FFLabelsError as error:
            refusal = error
    hint = "each region of a channel counts" if config.labels.goodness.regions else None
    raise FFLabelsError(f"no codes for a layer of width {width}: {refusal}", where="labels.goodness.set", hint=hint)


def _codes(config: Config, name: str, count: int, width: int, progress: Progress) -> LabelSet:
    """Return the codes of one width from a labeler, a built-in set, a label-set file or another run's codes."""
    settings, shape = config.labels, (width, 1, 1)
    if is_labeler(name):
        candidates = max(settings.candidates, count)
        return design(
            get_labeler(name, **settings.params),
            count,
            candidates=candidates,
            shape=shape,
            method=settings.method,
            seed=config.labels_seed,
            progress=progress,
        )
    if Path(name).is_file() and is_codes_file(Path(name)):
        sets = Codes.load(Path(name)).sets
        if width not in sets:
            raise FFLabelsError("codes of other widths", where=name, got=width, expected=", ".join(map(str, sets)))
        labels = sets[width]
    else:
        labels = open_set(name, None if Path(name).is_file() else count, shape, config.labels_seed)
    labels.codes(width)  # refuses codes of another width
    return labels
