"""A run's log: metrics per epoch as JSON lines and as CSV. Timings, which never repeat, have their own file."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fflabels.errors import FFLabelsError
from fflabels.files import write_whole

if TYPE_CHECKING:
    from ffnet.training.learner import Metrics

METRICS, TABLE, TIMINGS = "metrics.jsonl", "metrics.csv", "timings.jsonl"


class Log:
    """Writes a run's metrics and timings.

    Parameters
    ----------
    folder
        The run folder.
    epochs
        Number of epochs that training starts after. Lines of later epochs are dropped: training repeats them.

    Raises
    ------
    FFLabelsError
        When the log has fewer lines than epochs.
    """

    def __init__(self, folder: Path, epochs: int) -> None:
        self.folder = folder
        self.metrics = read_lines(folder / METRICS)
        if len(self.metrics) < epochs:
            raise FFLabelsError(
                "lines are missing",
                where=str(folder / METRICS),
                got=len(self.metrics),
                expected=f"{epochs}",
                hint="remove the folder checkpoints to train again from the start",
            )
        del self.metrics[epochs:]
        for name, lines in ((METRICS, self.metrics), (TIMINGS, read_lines(folder / TIMINGS))):
            write_whole(folder / name, b"".join(msgspec.json.encode(line) + b"\n" for line in lines))

    def epoch(self, metrics: Metrics) -> None:
        """Add the metrics of an epoch."""
        self.metrics.append(metrics)
        _append(self.folder / METRICS, metrics)
        write_whole(self.folder / TABLE, as_csv(self.metrics).encode())

    def timing(self, what: str, *, seconds: float, cpu_seconds: float, **more: object) -> None:
        """Add how long something took, in wall and CPU seconds."""
        durations = {"seconds": round(seconds, 3), "cpu_seconds": round(cpu_seconds, 3)}
        _append(self.folder / TIMINGS, {"what": what, **durations, **more})


def read_lines(path: Path) -> list[Metrics]:
    """Return the lines of a log file, without a last line that was cut off."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    try:
        return [msgspec.json.decode(line, type=dict[str, object]) for line in lines]
    except msgspec.DecodeError as error:
        raise FFLabelsError(
            f"not JSON: {error}", where=str(path), hint="remove it, and the folder checkpoints to train again"
        ) from None


def as_csv(lines: Sequence[Mapping[str, object]]) -> str:
    """Return lines as CSV, one column per name; a list gets a column per layer, such as ``layer_loss_1``."""
    rows = [_one_column_each(line) for line in lines]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _one_column_each(line: Mapping[str, object]) -> dict[str, object]:
    row: dict[str, object] = {}
    for name, value in line.items():
        if name == "dead_layers":
            row[name] = " ".join(map(str, value)) if isinstance(value, list) else value
        elif isinstance(value, list):
            row |= {f"{name}_{k + 1}": entry for k, entry in enumerate(value)}
        else:
            row[name] = value
    return row


def _append(path: Path, line: Metrics) -> None:
    try:
        with path.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())  # must be on disk before the checkpoint that follows it
    except OSError as error:
        raise FFLabelsError(f"cannot be written: {error.strerror or error}", where=str(path)) from error
