"""Comparison of runs: groups of runs that differ only in their seed, and tests of differences between groups."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fflabels.errors import FFLabelsError
from ffnet.config.config import used_settings
from ffnet.evaluation.accuracy import SplitName
from ffnet.evaluation.statistics import Gap, Welch
from ffnet.runs.folder import Run, check_alike
from ffnet.runs.label_files import digests
from ffnet.runs.record import Record

OF_BASELINES = {"bp", "local"}
"""The only inference methods of nets without labels."""


class Group(msgspec.Struct, frozen=True):
    """Runs of the same settings, with different seeds.

    Attributes
    ----------
    name
        The settings in which the groups differ, or the first run's folder if there is one group only.
    runs
        The run folders.
    accuracies
        Accuracy of each run, by inference method: ``goodness``, ``linear``, ``bp``; ``untrained`` is the linear
        classifier on the untrained net.
    seeds, devices
        The seed of each run, and what it was trained on.
    """

    name: str
    runs: list[str]
    accuracies: dict[str, list[float]]
    seeds: list[int] = []
    devices: list[str] = []


class Difference(msgspec.Struct, frozen=True):
    """A group's mean accuracy minus that of the first group, by one inference method.

    Attributes
    ----------
    group, accuracy
        The group, and the inference method.
    difference, low, high
        The mean difference, and its 95 % interval; None if there is a single pair or run, or no spread.
    p
        The p-value of the test that the difference is 0; None as above.
    pairs
        The number of pairs of runs with the same seed, whose differences were averaged (paired t-test); 0 where the
        groups share fewer than two seeds: then their means are compared (Welch's t-test).
    mixed
        The number of pairs whose runs were trained on different devices.
    """

    group: str
    accuracy: str
    difference: float
    low: float | None
    high: float | None
    p: float | None
    pairs: int = 0
    mixed: int = 0


def group_runs(runs: Sequence[Run | Record], split: SplitName = "validation") -> list[Group]:
    """Return the runs in groups of equal settings, in the order of each group's first run.

    Parameters
    ----------
    runs
        Finished runs on one data set.
    split
        The images that accuracies are of. Make choices on ``validation``.

    Raises
    ------
    FFLabelsError
        When a run is unfinished, is given twice, used another data set, or has no accuracy on this split.
    """
    check_alike(runs)
    settings = [_settings_of(run) for run in runs]
    distinct = [values for k, values in enumerate(settings) if values not in settings[:k]]
    groups = []
    for shared in distinct:
        members = [run for run, values in zip(runs, settings, strict=True) if values == shared]
        seeds = [run.config.seed for run in members]
        if len(set(seeds)) < len(seeds):
            raise FFLabelsError("the same settings and seed twice", where=f"{members[0].folder} and others", got=seeds)
        name = _varied_settings(shared, distinct) or str(members[0].folder)
        folders, devices = [str(run.folder) for run in members], [run.about.devices for run in members]
        groups.append(Group(name, folders, _accuracies(members, split), seeds, devices))
    return groups


def _settings_of(run: Run | Record) -> dict[str, Any]:
    """Return the settings that a run uses, without its seed, and a hash of those of the run that it started from.

    Without the name of its data, too: `check_alike` has compared the images. Beside the name of a label-set file it
    has a hash of the labels, since a file can change between runs.
    """
    start, settings = run.about.started, used_settings(run.config, without=("seed", "data.name"))
    files = {key: f"{settings[key]} ({digest[:8]})" for key, digest in digests(run.config, run.folder).items()}
    return {**settings, **files, "start": start and start.settings[:8]}


def differences(groups: Sequence[Group]) -> list[Difference]:
    """Return the difference of every other group to the first one, by each inference method that both have.

    Runs of the same seed are paired. Back-propagation and local training have an inference method of their own. It is
    compared with each of the other group's, except on untrained nets.
    """
    compared = []
    for group in groups[1:]:
        for name, other in itertools.product(group.accuracies, groups[0].accuracies):
            if name == other:
                compared.append(_difference(name, group, groups[0], name, other))
            elif {name, other} & OF_BASELINES and not any(each.endswith("untrained") for each in (name, other)):
                compared.append(_difference(f"{name} against {other}", group, groups[0], name, other))
    return compared


def _difference(name: str, group: Group, base: Group, method: str, base_method: str) -> Difference:
    """Return the difference of two groups: paired by seed if they share two seeds or more, else of their means."""
    values, base_values = group.accuracies[method], base.accuracies[base_method]
    own, of_base = _by_seed(group.seeds, values), _by_seed(base.seeds, base_values)
    shared = [seed for seed in own if seed in of_base]
    if len(shared) < 2:
        return Difference(group.name, name, *Welch.of(values, base_values))
    gaps = [own[seed] - of_base[seed] for seed in shared]
    gap = Gap.of(gaps)
    assert gap
    devices, base_devices = _by_seed(group.seeds, group.devices), _by_seed(base.seeds, base.devices)
    mixed = sum(devices.get(seed) != base_devices.get(seed) for seed in shared)
    return Difference(group.name, name, gap.mean, gap.low, gap.high, gap.p, len(shared), mixed)


def _by_seed(seeds: Sequence[int], values: Sequence[Any]) -> Mapping[int, Any]:
    return dict(zip(seeds, values, strict=True)) if seeds else {}


def _accuracies(runs: Sequence[Run | Record], split: SplitName) -> dict[str, list[float]]:
    """Return the accuracies of finished runs on a split, by the inference methods that all of them have."""
    accuracies: dict[str, list[float]] = {}
    for run in runs:
        assert run.results
        part = run.results.test if split == "test" else run.results.validation
        if part is None:
            there = "validation" if split == "test" else "test"
            raise FFLabelsError(
                f"no accuracy on {split} images",
                where=str(run.folder),
                hint=f"--split {there} compares those on {there} images",
            )
        for name, accuracy in part.accuracies.items():
            accuracies.setdefault(name, []).append(accuracy.accuracy)
            if accuracy.untrained is not None and name != "goodness":  # that is near chance, and says little
                untrained = "untrained" if name == "linear" else f"{name}, untrained"
                accuracies.setdefault(untrained, []).append(accuracy.untrained)
    return {name: values for name, values in accuracies.items() if len(values) == len(runs)}


def _varied_settings(settings: dict[str, Any], distinct: Sequence[dict[str, Any]]) -> str:
    """Return the settings in which a group differs from any other that uses them, as ``key=value``."""
    varied = [key for key, value in settings.items() if any(other.get(key, value) != value for other in distinct)]
    return " ".join(f"{key}={settings[key]}" for key in varied)
