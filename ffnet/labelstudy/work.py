"""The study of label sets at work: cell by cell, what is there is not done again, then the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
from torch import Tensor

from fflabels import LabelSet
from fflabels.errors import FFLabelsError
from fflabels.files import write_whole
from fflabels.recipe import canonical_json, sha256
from ffnet.config import DataConfig
from ffnet.data import Data, Split, load_data
from ffnet.devices import device_name, memory_errors, resolve_device, with_dtype
from ffnet.labelstudy import Cell
from ffnet.labelstudy.sets import choose, statistics
from ffnet.learner import make_learner
from ffnet.metrics import untrained
from ffnet.network import FFNet
from ffnet.readings import combined, layer_goodness, linear_scores
from ffnet.training import check_trainable, fit_linear, steps

SETS, CELLS = "sets", "cells"

Begin = Callable[[Cell, int, int], None]
"""Called before a cell with its number, from 1, and how many there are."""

T = TypeVar("T")


class SetFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of a label set beforehand.

    Attributes
    ----------
    settings
        What decided the set.
    labels
        Hash of its recipes.
    statistics
        See `ffnet.labelstudy.sets.STATISTICS`.
    """

    settings: dict[str, Any]
    labels: str
    statistics: dict[str, float]


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a cell's net reaches on validation images, and where it was computed.

    Attributes
    ----------
    settings
        What decided them.
    labels
        Hash of the label set's recipes.
    images
        Validation images read; the test images are not.
    layers, goodness, linear
        Accuracy by goodness of each layer alone and of those that count summed, and by the linear classifier.
    untrained
        The same classifier's on the untrained net; None where it was not taken: it is for the first pool and seed.
    cpu_seconds, device, dtype, versions
        How.
    """

    settings: dict[str, Any]
    labels: str
    images: int
    layers: list[float]
    goodness: float
    linear: float
    untrained: float | None
    cpu_seconds: float
    device: str
    dtype: str
    versions: dict[str, str]

    @property
    def last(self) -> float:
        """Accuracy by goodness of the last layer."""
        return self.layers[-1]


class Done(NamedTuple):
    """A cell that is finished."""

    cell: Cell
    figures: Figures
    statistics: dict[str, float]


def work(cells: Sequence[Cell], folder: Path, *, begin: Begin | None = None) -> None:
    """Do what is not done yet of the cells; other processes may do others in the folder meanwhile.

    Raises
    ------
    FFLabelsError
        When a cell or a label set of other settings is in the place of one.
    """
    for name in (SETS, CELLS):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for cell in cells:
        _finished(cell, folder)  # refuses those of other settings before hours of work
    for number, cell in enumerate(cells, 1):
        if _finished(cell, folder):
            continue
        if begin:
            begin(cell, number, len(cells))
        with memory_errors():
            labels, known = _label_set(cell, folder)
            figures = _twin(cell, known, cells, folder) or _trained(cell, labels, known)
        _write(_cell_file(cell, folder), figures)


def finished(cells: Sequence[Cell], folder: Path) -> list[Done]:
    """Return the cells that are finished, with their figures."""
    found = []
    for cell in cells:
        if figures := _finished(cell, folder):
            known = _read(_statistics_file(cell, folder), SetFigures)
            if known is None:
                raise FFLabelsError("is missing", where=str(_statistics_file(cell, folder)))
            found.append(Done(cell, figures, known.statistics))
    return found


def _trained(cell: Cell, labels: LabelSet, known: SetFigures) -> Figures:
    begin, device = time.process_time(), resolve_device(cell.config.device)
    config, data = with_dtype(cell.config, device), _data(cell.config.data)
    net = FFNet(config, data.shape, labels).to(device)
    train, few = data.train.to(device), replace(data, train=data.train[: cell.data.readout])
    for _ in steps(make_learner(net, len(train)), config, train, data.classes):
        pass
    net.readout = fit_linear(net.eval(), few.train.to(device))
    part = data.validation[: cell.data.validation]
    goodness_LNC = layer_goodness(net, part.images)
    first = cell.pool == cell.seed == 0
    control = _accuracy(linear_scores(untrained(net, few), part.images), part) if first else None
    return Figures(
        settings=cell.settings,
        labels=known.labels,
        images=len(part),
        layers=[_accuracy(layer, part) for layer in goodness_LNC],
        goodness=_accuracy(combined(net, goodness_LNC), part),
        linear=_accuracy(linear_scores(net, part.images), part),
        untrained=control,
        cpu_seconds=round(time.process_time() - begin, 1),
        device=device_name(device),
        dtype=config.dtype,
        versions={name: version(name) for name in ("fflabels", "torch", "numpy")},
    )


def _twin(cell: Cell, known: SetFigures, cells: Sequence[Cell], folder: Path) -> Figures | None:
    """Return the figures of a finished cell whose rule chose the same labels in the same order: the same net."""
    beside = [other for other in cells if (other.group, other.seed) == (cell.group, cell.seed)]
    there = (found for other in beside if (found := _finished(other, folder)))
    twin = next((found for found in there if found.labels == known.labels), None)
    return msgspec.structs.replace(twin, settings=cell.settings, cpu_seconds=0.0) if twin else None


def _label_set(cell: Cell, folder: Path) -> tuple[LabelSet, SetFigures]:
    """Return a cell's label set and what is known of it, made when it is first needed."""
    path, beside = folder / SETS / f"{cell.set_name}.json", _statistics_file(cell, folder)
    if found := _read(beside, SetFigures):
        _check(found.settings, cell.set_settings, beside)
        return LabelSet.load(path), found
    data = _data(cell.config.data)
    labels = choose(cell, data)
    labels.save(path)
    recipes = sha256(canonical_json([msgspec.to_builtins(recipe) for recipe in labels.recipes]))
    known = SetFigures(cell.set_settings, recipes, statistics(labels, data, cell.config.labels.intensity))
    _write(beside, known)
    return labels, known


@lru_cache(maxsize=4)
def _data(config: DataConfig) -> Data:
    data = load_data(config)
    check_trainable(data)
    if not len(data.validation):
        raise FFLabelsError("no validation images", where=f"data set {data.name}")
    return data


def _accuracy(scores_NC: Tensor, part: Split) -> float:
    return float((scores_NC.argmax(1).cpu() == part.classes).double().mean())


def _cell_file(cell: Cell, folder: Path) -> Path:
    return folder / CELLS / f"{cell.name}.json"


def _statistics_file(cell: Cell, folder: Path) -> Path:
    return folder / SETS / f"{cell.set_name}.statistics.json"


def _finished(cell: Cell, folder: Path) -> Figures | None:
    path = _cell_file(cell, folder)
    found = _read(path, Figures)
    if found:
        _check(found.settings, cell.settings, path)
    return found


def _check(found: dict[str, Any], wanted: dict[str, Any], path: Path) -> None:
    """Refuse what other settings decided; a setting that came later is at its default there."""
    for key, value in found.items():
        if key not in wanted or wanted[key] != value:
            raise FFLabelsError(
                "was made with other settings", where=str(path), got=f"{key} = {value}",
                expected=str(wanted.get(key, "no such setting")), hint="move it away, or choose another --out",
            )  # fmt: skip


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise FFLabelsError(f"cannot be read: {error}", where=str(path)) from None


def _write(path: Path, figures: SetFigures | Figures) -> None:
    write_whole(path, msgspec.json.format(msgspec.json.encode(figures, order="deterministic"), indent=1) + b"\n")
