"""The files of a run folder: their names, and reading and writing of JSON and weights."""

from __future__ import annotations

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
from ffnet.runs.checkpoint import on_host

LAYER_LABELS = "layer-labels.json"
"""The label set that later layers receive as channels, if any; runs of version 0.1 compute it from their settings."""

CONFIG, LABELS, ABOUT, RESULTS, READS = "config.toml", "labels.json", "run.json", "results.json", "reads.json"
MODEL, UNTRAINED, FORECAST = "model.safetensors", "untrained.safetensors", "forecast.safetensors"
STARTED = "start.safetensors"
"""The weights of another run that this one started from."""

CHECKPOINTS = "checkpoints"

T = TypeVar("T")


def write_json(path: Path, value: Any, *, sort_keys: bool = False) -> None:
    """Write a value as JSON, whole or not at all."""
    encoded = msgspec.json.encode(value, order="deterministic" if sort_keys else None)
    write_whole(path, msgspec.json.format(encoded, indent=1) + b"\n")


def read_json(path: Path, kind: type[T]) -> T:
    """Read a value of a type; errors name the file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FFLabelsError(f"cannot be read: {reason}", where=str(path)) from None


def save_weights(module: nn.Module, path: Path) -> None:
    """Write the state of a net, heads included, or of a single head, as safetensors."""
    write_whole(path, save(on_host(module.state_dict())))


def load_weights(net: Net, path: Path) -> None:
    """Load a net's state from a file."""
    try:
        net.load_state_dict(load(path.read_bytes()))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise FFLabelsError(f"damaged: {error}", where=str(path)) from None


def load_forecast(path: Path) -> Forecast:
    """Return the forecast in a file."""
    try:
        return Forecast.from_state(load(path.read_bytes()))
    except (OSError, SafetensorError, RuntimeError, LookupError, ValueError) as error:
        raise FFLabelsError(f"damaged: {error}", where=str(path), hint="remove it: ffnet eval fits it anew") from None
