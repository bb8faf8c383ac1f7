"""The files of a run folder: their names, and reading and writing of JSON and weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from fflabels.errors import FFLabelsError
from fflabels.files import write_whole
from ffnet.model.heads import Forecast
from ffnet.model.net import Net
from ffnet.runs.checkpoint import DamagedError, on_host

LAYER_LABELS = "layer-labels.json"
"""The label set that later layers receive as channels, if any; runs of version 0.1 compute it from their settings."""

CONFIG, LABELS, ABOUT, RESULTS, READS = "config.toml", "labels.json", "run.json", "results.json", "reads.json"
MODEL, UNTRAINED, FORECAST = "model.safetensors", "untrained.safetensors", "forecast.safetensors"
STARTED = "start.safetensors"
"""The weights of another run that this one started from."""

CHECKPOINTS = "checkpoints"

T = TypeVar("T")


HELPER = re.compile(
    r"\.(config|labels|layer-labels|start|run|seal|metrics|timings|model|untrained|results|epoch-)[^/]*\.[0-9a-f]{8}"
)
"""Names of the files that `write_whole` writes aside, of those that only the process with the lock writes."""


def write_json(path: Path, value: Any, *, sort_keys: bool = False) -> None:
    """Write a value as JSON, whole or not at all."""
    write_whole(path, as_json(value, sort_keys=sort_keys))


def as_json(value: Any, *, sort_keys: bool = False) -> bytes:
    """Return the content of a JSON file."""
    encoded = msgspec.json.encode(value, order="deterministic" if sort_keys else None)
    return msgspec.json.format(encoded, indent=1) + b"\n"


def read_json(path: Path, kind: type[T], hint: str | None = None) -> T:
    """Read a value of a type; errors name the file, and say what to do if there is a `hint`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FFLabelsError(f"cannot be read: {reason}", where=str(path), hint=hint) from None


def remove_helpers(folder: Path) -> None:
    """Remove the hidden files that a killed process was writing. The caller holds the folder's lock."""
    for path in [*folder.glob(".*"), *(folder / CHECKPOINTS).glob(".*")]:
        if HELPER.fullmatch(path.name):
            path.unlink(missing_ok=True)


def save_weights(module: nn.Module, path: Path) -> None:
    """Write the state of a net, heads included, or of a single head, as safetensors."""
    write_whole(path, save(on_host(module.state_dict())))


def load_weights(net: Net, path: Path, hint: str = "ffnet resume makes it again") -> None:
    """Load a net's state from a file.

    Raises
    ------
    DamagedError
        When the file cannot be read; `ffnet.resume` makes it again.
    FFLabelsError
        When the weights are those of another net.
    """
    try:
        state = load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise DamagedError(f"damaged: {error}", where=str(path), hint=hint) from None
    try:
        net.load_state_dict(state)
    except (RuntimeError, LookupError, ValueError) as error:
        reason = str(error).partition("\n\t")[2].partition("\n")[0] or str(error)
        raise FFLabelsError(
            f"these weights do not fit the settings in {CONFIG}: {reason}",
            where=str(path),
            hint=f"{CONFIG} was edited, or this is another run's file: put back the one that is wrong",
        ) from None


def load_forecast(path: Path) -> Forecast:
    """Return the forecast in a file."""
    try:
        return Forecast.from_state(load(path.read_bytes()))
    except (OSError, SafetensorError, RuntimeError, LookupError, ValueError) as error:
        raise FFLabelsError(f"damaged: {error}", where=str(path), hint="remove it: ffnet eval fits it anew") from None
