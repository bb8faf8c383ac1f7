"""Comparison of runs: groups of runs that differ only in their seed, and tests of differences between groups."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import msgspec

from fflabels.errors import FFLabelsError
from ffnet.config import result_settings
from ffnet.evaluation.statistics import Welch
from ffnet.runs.folder import Run, check_alike
from ffnet.runs.record import Record


class Group(msgspec.Struct, frozen=True):
    """Runs of the same settings, with different seeds.

    Attributes
    ----------
    name
        The settings in which the groups differ, or the first run's folder if there is one group only.
    runs
        The run folders.
    accuracies
        Test accuracy of each run, by inference method: ``goodness``, ``linear``, ``bp``; ``untrained`` is the linear
        classifier on the untrained net.
    """

    name: str
    runs: list[str]
    accuracies: dict[str, list[float]]


class Difference(msgspec.Struct, frozen=True):
    """A group's mean accuracy minus that of the first group, by one inference method.

    Attributes
    ----------
    group, reading
        The group, and the inference method.
    difference, low, high
        The difference of the means, and its 95 % interval by Welch's t; None if a group has one run or no spread.
    p
        The p-value of Welch's test that the means are equal; None as above.
    """

    group: str
    reading: str
    difference: float
    low: float | None
    high: float | None
    p: float | None


def group_runs(runs: Sequence[Run | Record]) -> list[Group]:
    """Return the runs in groups of equal settings, in the order of each group's first run.

    Raises
    ------
    FFLabelsError
        When a run is unfinished, is given twice, or used another data set.
    """
    check_alike(runs)
    settings = [result_settings(run.config, without=("seed",)) for run in runs]
    distinct = [values for k, values in enumerate(settings) if values not in settings[:k]]
    groups = []
    for shared in distinct:
        members = [run for run, values in zip(runs, settings, strict=True) if values == shared]
        seeds = [run.config.seed for run in members]
        if len(set(seeds)) < len(seeds):
            raise FFLabelsError("two runs of one seed are one run", where=f"{members[0].folder} and others", got=seeds)
        name = _varied_settings(shared, distinct) or str(members[0].folder)
        groups.append(Group(name, [str(run.folder) for run in members], _test_accuracies(members)))
    return groups


def differences(groups: Sequence[Group]) -> list[Difference]:
    """Return the difference of every other group to the first one, by each inference method that both have.

    Back-propagation has an inference method of its own. It is compared with each of the other group's, except on
    untrained nets.
    """
    compared = []
    for group in groups[1:]:
        for (reading, values), (other, base) in itertools.product(
            group.accuracies.items(), groups[0].accuracies.items()
        ):
            if reading == other:
                compared.append(Difference(group.name, reading, *Welch.of(values, base)))
            elif "bp" in (reading, other) and not reading.endswith("untrained") and not other.endswith("untrained"):
                compared.append(Difference(group.name, f"{reading} against {other}", *Welch.of(values, base)))
    return compared


def _test_accuracies(runs: Sequence[Run | Record]) -> dict[str, list[float]]:
    """Return the test accuracies of finished runs, by inference method."""
    accuracies: dict[str, list[float]] = {}
    for run in runs:
        assert run.results
        if not run.results.test:
            raise FFLabelsError("the test images were not read", where=str(run.folder), got="inference.test = false")
        for name, accuracy in run.results.test.accuracies.items():
            accuracies.setdefault(name, []).append(accuracy.accuracy)
            if accuracy.untrained is not None:
                untrained = "untrained" if name == "linear" else f"{name}, untrained"
                accuracies.setdefault(untrained, []).append(accuracy.untrained)
    return accuracies


def _varied_settings(settings: dict[str, Any], distinct: Sequence[dict[str, Any]]) -> str:
    """Return the settings in which a group differs from any other, as ``key=value``."""
    varied = [key for key in settings if any(other[key] != settings[key] for other in distinct)]
    return " ".join(f"{key}={settings[key]}" for key in varied)
