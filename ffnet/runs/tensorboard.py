"""Metrics for TensorBoard, in the folder ``tensorboard`` of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fflabels.errors import MissingExtraError
from ffnet.runs.folder import Run

try:
    from torch.utils.tensorboard import SummaryWriter
except ModuleNotFoundError as error:
    raise MissingExtraError("TensorBoard is not installed", extra="track") from error

FOLDER = "tensorboard"


class TensorBoard:
    """Writes the metrics that `ffnet.train` and `ffnet.resume` report; those of layers as ``name/layer 1``."""

    def __init__(self) -> None:
        self._writer: SummaryWriter | None = None

    def started(self, run: Run) -> None:
        """Start writing in the run folder; epochs after the last checkpoint are dropped."""
        self._writer = SummaryWriter(str(run.folder / FOLDER), purge_step=len(run.metrics) + 1)

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        """Write the metrics of an epoch."""
        assert self._writer is not None
        for name, value in metrics.items():
            if isinstance(value, list) and name != "dead_layers":
                for layer, number in enumerate(value, 1):
                    self._writer.add_scalar(f"{name}/layer {layer}", number, metrics["epoch"])
            elif isinstance(value, int | float) and name not in ("epoch", "seconds_left"):
                self._writer.add_scalar(name, value, metrics["epoch"])
        self._writer.flush()
