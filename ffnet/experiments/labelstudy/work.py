"""The study of label sets at work: cell by cell, what is there is not done again, then the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fflabels import LabelSet
from fflabels.errors import FFLabelsError
from ffnet.experiments.labelstudy import Cell
from ffnet.experiments.labelstudy.sets import STATISTICS, choose, statistics
from ffnet.experiments.trials import Figures, check_settings, data_of, digest, read, read_figures, train_and_read, write
from ffnet.system.devices import memory_errors

SETS, CELLS = "sets", "cells"

Begin = Callable[[Cell, int, int], None]
"""Called before a cell with its number, from 1, and how many there are."""


class SetFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of a label set beforehand.

    Attributes
    ----------
    settings
        What decided the set.
    labels
        Hash of its recipes.
    statistics
        See `ffnet.experiments.labelstudy.sets.STATISTICS`.
    """

    settings: dict[str, Any]
    labels: str
    statistics: dict[str, float]


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
            figures = _twin(cell, known, cells, folder) or _trained(cell, labels)
        write(_cell_file(cell, folder), figures)


def finished(cells: Sequence[Cell], folder: Path) -> list[Done]:
    """Return the cells that are finished, with their figures."""
    found = []
    for cell in cells:
        if figures := _finished(cell, folder):
            known = read(_statistics_file(cell, folder), SetFigures)
            if known is None:
                raise FFLabelsError("is missing", where=str(_statistics_file(cell, folder)))
            found.append(Done(cell, figures, known.statistics))
    return found


def _trained(cell: Cell, labels: LabelSet) -> Figures:
    return train_and_read(
        cell.config, data_of(cell.config.data), labels, cell.settings, readout=cell.data.readout,
        validation=cell.data.validation, control=cell.pool == cell.seed == 0,
    )  # fmt: skip


def _twin(cell: Cell, known: SetFigures, cells: Sequence[Cell], folder: Path) -> Figures | None:
    """Return the figures of a finished cell whose rule chose the same labels in the same order: the same net."""
    beside = [other for other in cells if (other.group, other.seed) == (cell.group, cell.seed)]
    there = (found for other in beside if (found := _finished(other, folder)))
    twin = next((found for found in there if found.labels == known.labels), None)
    return msgspec.structs.replace(twin, settings=cell.settings, cpu_seconds=0.0, train_seconds=0.0) if twin else None


def _label_set(cell: Cell, folder: Path) -> tuple[LabelSet, SetFigures]:
    """Return a cell's label set and what is known of it, made when it is first needed."""
    path, beside = folder / SETS / f"{cell.set_name}.json", _statistics_file(cell, folder)
    if found := read(beside, SetFigures):
        check_settings(found.settings, cell.set_settings, beside)
        if found.statistics.keys() == STATISTICS.keys():  # not of another version
            return LabelSet.load(path), found
    data = data_of(cell.config.data)
    labels = choose(cell, data)
    labels.save(path)
    known = SetFigures(cell.set_settings, digest(labels), statistics(labels, data, cell.config.labels.intensity))
    write(beside, known)
    return labels, known


def _cell_file(cell: Cell, folder: Path) -> Path:
    return folder / CELLS / f"{cell.name}.json"


def _statistics_file(cell: Cell, folder: Path) -> Path:
    return folder / SETS / f"{cell.set_name}.statistics.json"


def _finished(cell: Cell, folder: Path) -> Figures | None:
    return read_figures(_cell_file(cell, folder), cell.settings)
