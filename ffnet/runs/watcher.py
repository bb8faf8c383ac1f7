"""Functions that follow a training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fflabels.progress import Progress, silent
from ffnet.runs.folder import Run
from ffnet.training.learner import Metrics


def _ignore(*_: Any) -> None:
    pass


@dataclass(frozen=True)
class Watcher:
    """Functions that a training calls on rank 0, so that others can follow it.

    Attributes
    ----------
    started
        Called with the run when training begins; its folder exists then.
    report
        Called after every epoch with its metrics, images per second and seconds left.
    progress
        Called with the name of the work being done, steps done, and steps in all.

    Examples
    --------
    >>> from ffnet.runs.watcher import Watcher
    >>> watcher = Watcher(report=lambda metrics: print(f"epoch {metrics['epoch']}"))
    >>> watcher.report({"epoch": 3, "loss": 0.5})
    epoch 3
    """

    started: Callable[[Run], None] = _ignore
    report: Callable[[Metrics], None] = _ignore
    progress: Progress = silent
