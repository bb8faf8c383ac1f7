"""Runs side by side: those that differ in their seed alone are one group; means, spreads, tests of difference."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

import msgspec

from fflabels.errors import FFLabelsError
from ffnet.config import Config
from ffnet.runs.folder import Run, check_alike

LEVEL = 0.95
"""Of the intervals of a difference."""


NO_MATTER = (
    ("data", "root"), ("data", "offline"), ("train", "checkpoint_seconds"), ("train", "validate_every"),
    ("inference", "chunk"),
)  # fmt: skip
"""Settings that change no result."""


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
    settings = [flat(run.config, without=("seed",)) for run in runs]
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
                found.append(_difference(group.name, reading, values, base))
            elif "bp" in (reading, other) and not reading.endswith("untrained") and not other.endswith("untrained"):
                found.append(_difference(group.name, f"{reading} against {other}", values, base))
    return found


def spread(shares: Sequence[float]) -> str:
    """Return mean ± sample standard deviation of shares in percent; of one, its value."""
    values = [100 * share for share in shares]
    return f"{mean(values):.2f} ± {stdev(values):.2f}" if len(values) > 1 else f"{values[0]:.2f}"


def _difference(name: str, reading: str, values: list[float], base: list[float]) -> Difference:
    gap = mean(values) - mean(base)
    if min(len(values), len(base)) < 2 or stdev(values) == stdev(base) == 0:
        return Difference(name, reading, gap, None, None, None)
    from scipy.stats import ttest_ind

    test = ttest_ind(values, base, equal_var=False)
    low, high = test.confidence_interval(LEVEL)
    return Difference(name, reading, gap, float(low), float(high), float(test.pvalue))


def _figures(runs: Sequence[Run]) -> tuple[list[str], dict[str, list[float]]]:
    accuracies: dict[str, list[float]] = {}
    for run in runs:
        assert run.results
        for name, reading in run.results.test.readings.items():
            accuracies.setdefault(name, []).append(reading.accuracy)
            if reading.untrained is not None:
                accuracies.setdefault("untrained" if name == "linear" else f"{name}, untrained", []).append(
                    reading.untrained
                )
    return [str(run.folder) for run in runs], accuracies


def flat(config: Config, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the settings that matter, by ``section.key``: not where a net is computed, nor what is left out."""
    tree = msgspec.to_builtins(config)
    for name in ("device", *without):
        del tree[name]
    for section, name in NO_MATTER:
        if section in tree:
            del tree[section][name]
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found |= {f"{name}.{key}": v for key, v in value.items()} if isinstance(value, dict) else {name: value}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}


def _name(one: dict[str, Any], all_: Sequence[dict[str, Any]]) -> str:
    """Return the settings in which a group differs from others."""
    varied = [key for key in one if any(other[key] != one[key] for other in all_)]
    return " ".join(f"{key}={one[key]}" for key in varied)
