"""Runs side by side: those that differ in their seed alone are one group; means, spreads, tests of difference."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import msgspec

from fflabels.errors import FFLabelsError
from ffnet.config import result_settings
from ffnet.evaluation.statistics import Welch
from ffnet.runs.folder import Run, check_alike


class Group(msgspec.Struct, frozen=True):
    """Runs of the same settings, with different seeds.

    Attributes
    ----------
    name
        The settings in which the groups differ, or the first run's folder.
    runs
        Folders.
    accuracies
        Test accuracy of each run, by reading: goodness, linear, bp, and untrained for the linear classifier's control,
        channels and its control.
    """

    name: str
    runs: list[str]
    accuracies: dict[str, list[float]]


class Difference(msgspec.Struct, frozen=True):
    """A group's accuracy less the first group's, by one reading.

    Attributes
    ----------
    group, reading
        Whose, and read how.
    difference, low, high
        Of the means, and its 95 % interval by Welch's t; None where a group has a single run.
    p
        Of Welch's test that the means are equal; None as above.
    """

    group: str
    reading: str
    difference: float
    low: float | None
    high: float | None
    p: float | None


def group_runs(runs: Sequence[Run]) -> list[Group]:
    """Return the runs in groups of equal settings, in the order in which each first comes.

    Raises
    ------
    FFLabelsError
        When a run is not finished, is given twice, or another data set was read.
    """
    check_alike(runs)
    settings = [result_settings(run.config, without=("seed",)) for run in runs]
    distinct = [one for k, one in enumerate(settings) if one not in settings[:k]]
    found = []
    for one in distinct:
        members = [run for run, its in zip(runs, settings, strict=True) if its == one]
        seeds = [run.config.seed for run in members]
        if len(set(seeds)) < len(seeds):
            raise FFLabelsError("two runs of one seed are one run", where=f"{members[0].folder} and others", got=seeds)
        found.append(Group(_name(one, distinct) or str(members[0].folder), *_figures(members)))
    return found


def differences(groups: Sequence[Group]) -> list[Difference]:
    """Return how every other group differs from the first one, reading by reading that both have.

    Back-propagation has a reading of its own: it is set against each of the other's, but for those of untrained nets.
    """
    found = []
    for group in groups[1:]:
        for (reading, values), (other, base) in itertools.product(
            group.accuracies.items(), groups[0].accuracies.items()
        ):
            if reading == other:
                found.append(Difference(group.name, reading, *Welch.of(values, base)))
            elif "bp" in (reading, other) and not reading.endswith("untrained") and not other.endswith("untrained"):
                found.append(Difference(group.name, f"{reading} against {other}", *Welch.of(values, base)))
    return found


def _figures(runs: Sequence[Run]) -> tuple[list[str], dict[str, list[float]]]:
    accuracies: dict[str, list[float]] = {}
    for run in runs:
        assert run.results
        for name, reading in run.results.test.accuracies.items():
            accuracies.setdefault(name, []).append(reading.accuracy)
            if reading.untrained is not None:
                accuracies.setdefault("untrained" if name == "linear" else f"{name}, untrained", []).append(
                    reading.untrained
                )
    return [str(run.folder) for run in runs], accuracies


def _name(one: dict[str, Any], all_: Sequence[dict[str, Any]]) -> str:
    """Return the settings in which a group differs from others."""
    varied = [key for key in one if any(other[key] != one[key] for other in all_)]
    return " ".join(f"{key}={one[key]}" for key in varied)
