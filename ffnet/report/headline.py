"""The headline of the report: how accurate a net is, beside guessing, the untrained net and a baseline."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import NamedTuple

from fflabels.errors import FFLabelsError
from ffnet.config.config import BASELINE_SETTINGS, Config, result_settings
from ffnet.data.load import KNOWN
from ffnet.evaluation.statistics import percent
from ffnet.presets import quick_preset
from ffnet.runs.folder import Run
from ffnet.runs.record import Record

ALGORITHMS = {"bp": "back-propagation", "local": "local classifiers"}
"""Names of the algorithms of baselines."""

NOT_SHARED = {"algorithm", "data.name", "dtype", "net.init"}
"""Settings that the command for back-propagation does not take from a net: it has its own initial weights."""


class Bar(NamedTuple):
    """An accuracy in percent, and what it belongs to: ``own`` to the trained net, else to what it is compared with."""

    name: str
    percent: str
    own: bool


def sentence(run: Run) -> str:
    """Return the data set, and the accuracy of a run's default inference method or how far an unfinished run is."""
    task = Path(run.about.data.name).name
    if run.results is None:
        return f"{task}: not finished, {len(run.metrics)} of {run.config.train.epochs} epochs"
    part = run.results.parts[-1]
    name = run.net.inference
    by = {"goodness": " by goodness", "linear": " by the linear classifier"}.get(name, "")
    return f"{task}: {percent(part.accuracies[name].accuracy)} % of {part.images:,} {part.split} images recognised{by}"


def bars(run: Run, baseline: Run | Record | None = None) -> list[Bar]:
    """Return the accuracies of a run, of its untrained net and of a baseline, and that of guessing.

    Raises
    ------
    FFLabelsError
        When the baseline was not evaluated on the images that the run was evaluated on.
    """
    if run.results is None:
        return []
    part = run.results.parts[-1]
    bars = []
    for name, accuracy in part.accuracies.items():
        bars.append(Bar(ALGORITHMS.get(name, name), percent(accuracy.accuracy), True))
        if accuracy.untrained is not None:
            bars.append(Bar(f"{name}, untrained net", percent(accuracy.untrained), False))
    if baseline:
        other = getattr(baseline.results, part.split) if baseline.results else None
        if other is None:
            raise FFLabelsError(
                "has no accuracy to show beside", where=str(baseline.folder), expected=f"{part.split} images"
            )
        for name, accuracy in other.accuracies.items():
            bars.append(Bar(ALGORITHMS.get(name, f"{name}, {baseline.folder.name}"), percent(accuracy.accuracy), False))
    return [*bars, Bar("guessing", percent(1 / len(run.about.data.class_names)), False)]


def missing_baseline(run: Run, baseline: Run | Record | None) -> str:
    """Return how to add back-propagation to the headline, or nothing where it is there or does not belong."""
    if baseline or run.results is None or run.config.algorithm == "bp":
        return ""
    if run.config.data.name not in KNOWN and not Path(run.config.data.name).is_dir():
        return ""  # data from Python: no command names them
    command = _baseline_command(run.config)
    return f"To compare with back-propagation: {command}, then ffnet report {shlex.quote(str(run.folder))} --beside bp."


def _baseline_command(config: Config) -> str:
    """Return the command that trains the same net by back-propagation, on the same data for as long."""
    usual, own = (result_settings(one) for one in (quick_preset(config.data.name).config, config))
    words = ["ffnet", "train", "--dataset", config.data.name]
    words += ["--data", config.data.root] if config.data.root else []
    for key, value in own.items():
        if key in BASELINE_SETTINGS - NOT_SHARED and value != usual[key]:
            text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
            words += ["--set", f"{key}={text}"]
    return shlex.join([*words, "--algorithm", "bp", "--out", "bp"])
