"""The diary of a run: a line of JSON an epoch, the same as CSV, and timings apart, since they differ between runs."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import msgspec

from fflabels.errors import FFLabelsError
from fflabels.files import write_whole
from ffnet.training.learner import Metrics

METRICS, TABLE, TIMINGS = "metrics.jsonl", "metrics.csv", "timings.jsonl"


class Log:
    """Writes a run's diary.

    Parameters
    ----------
    folder
        The run's.
    epochs
        How many epochs the state has seen: later lines are dropped, and written again as they come again.

    Raises
    ------
    FFLabelsError
        When there are fewer lines than epochs.
    """

    def __init__(self, folder: Path, epochs: int) -> None:
        self.folder = folder
        self.metrics = read_lines(folder / METRICS)
        if len(self.metrics) < epochs:
            raise FFLabelsError(
                "lines are missing", where=str(folder / METRICS), got=len(self.metrics), expected=f"{epochs}"
            )
        del self.metrics[epochs:]
        for name, lines in ((METRICS, self.metrics), (TIMINGS, read_lines(folder / TIMINGS))):
            write_whole(folder / name, b"".join(msgspec.json.encode(line) + b"\n" for line in lines))

    def epoch(self, metrics: Metrics) -> None:
        """Add the figures of an epoch."""
        self.metrics.append(metrics)
        _append(self.folder / METRICS, metrics)
        write_whole(self.folder / TABLE, as_csv(self.metrics).encode())

    def timing(self, what: str, *, seconds: float, cpu_seconds: float, **more: object) -> None:
        """Add how long something took, on the clock and of the processor."""
        figures = {"seconds": round(seconds, 3), "cpu_seconds": round(cpu_seconds, 3)}
        _append(self.folder / TIMINGS, {"what": what, **figures, **more})


def read_lines(path: Path) -> list[Metrics]:
    """Return the lines of a diary; a last one that was cut off in writing does not count."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    try:
        return [msgspec.json.decode(line, type=dict[str, object]) for line in lines]
    except msgspec.DecodeError as error:
        raise FFLabelsError(f"not JSON: {error}", where=str(path)) from None


def as_csv(lines: list[Metrics]) -> str:
    """Return the diary as a table: a column a figure, lists spread over columns such as ``layer_loss_1``."""
    rows = [_flat(line) for line in lines]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _flat(line: Metrics) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in line.items():
        if name == "dead_layers":
            found[name] = " ".join(map(str, value)) if isinstance(value, list) else value
        elif isinstance(value, list):
            found |= {f"{name}_{k + 1}": entry for k, entry in enumerate(value)}
        else:
            found[name] = value
    return found


def _append(path: Path, line: Metrics) -> None:
    try:
        with path.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())  # before the checkpoint that counts on it
    except OSError as error:
        raise FFLabelsError(f"cannot be written: {error.strerror or error}", where=str(path)) from error
