"""The files of a run folder: their names, reading and writing of JSON, and errors about damage."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from fflabels.errors import FFLabelsError
from fflabels.files import write_whole

LAYER_LABELS = "layer-labels.json"
"""The label set that later layers receive as channels, if any; runs of version 0.1 compute it from their settings."""

CONFIG, LABELS, ABOUT, RESULTS, READS = "config.toml", "labels.json", "run.json", "results.json", "reads.json"
MODEL, UNTRAINED, FORECAST = "model.safetensors", "untrained.safetensors", "forecast.safetensors"
STARTED = "start.safetensors"
"""The weights of another run that this one started from."""

CHECKPOINTS = "checkpoints"

REBUILD_HINT = "ffnet resume rebuilds it"
"""The hint of errors about damaged files."""

T = TypeVar("T")


HELPER = re.compile(
    r"\.(\.begun|config|labels|layer-labels|start|run|seal|metrics|timings|model|untrained|results|epoch-)[^/]*\.[0-9a-f]{8}"
)
"""Names of the files that `write_whole` writes aside, of those that only the process with the lock writes."""


class DamagedWarning(UserWarning):
    """A file was damaged: an older checkpoint is used, or the file is made again."""


class DamagedError(FFLabelsError):
    """A checkpoint, or another file that can be made again, does not hold what was written."""


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, whole or not at all."""
    write_whole(path, as_json(value))


def as_json(value: Any) -> bytes:
    """Return the content of a JSON file."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def read_json(path: Path, kind: type[T], hint: str | None = None, error: type[FFLabelsError] = FFLabelsError) -> T:
    """Read a value of a type; errors name the file, and say what to do if there is a `hint`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as cause:
        reason = getattr(cause, "strerror", None) or cause
        raise error(f"cannot be read: {reason}", where=str(path), hint=hint) from None


def remove_helpers(folder: Path) -> None:
    """Remove the hidden files that a killed process was writing. The caller holds the folder's lock."""
    for path in [*folder.glob(".*"), *(folder / CHECKPOINTS).glob(".*")]:
        if HELPER.fullmatch(path.name):
            path.unlink(missing_ok=True)
