"""The file of a checkpoint: which one is the newest good one. Imports no PyTorch, so that overviews start fast."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

import msgspec
from safetensors import SafetensorError, safe_open

from fflabels.errors import FFLabelsError
from ffnet.runs.files import DamagedError, DamagedWarning


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file's metadata, under a single key: safetensors writes several keys in no fixed order.

    Attributes
    ----------
    epoch, step
        How far training has come.
    settings
        The hash of the run's settings.
    sha256
        The hash of all else: see `digest`.
    """

    epoch: int
    step: int
    settings: str
    sha256: str

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata as safetensors takes it."""
        return {"checkpoint": msgspec.json.encode(self).decode()}


def digest(epoch: int, step: int, tensors: bytes) -> str:
    """Return the hash of a position and of tensors, in the bytes of a safetensors file, without its metadata."""
    size = int.from_bytes(tensors[:8], "little")
    table = msgspec.json.decode(tensors[8 : 8 + size], type=dict[str, Any])
    table.pop("__metadata__", None)
    head = msgspec.json.encode(table)
    head += b" " * (-len(head) % 8)
    hashed = hashlib.sha256(f"{epoch} {step} ".encode() + len(head).to_bytes(8, "little") + head)
    hashed.update(memoryview(tensors)[8 + size :])
    return hashed.hexdigest()


def checkpoint_paths(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, the oldest first."""
    return sorted(folder.glob("epoch-*.safetensors"))


def read_file(path: Path, settings: str) -> tuple[bytes, Header]:
    """Return the content of a checkpoint, and its metadata.

    Raises
    ------
    DamagedError
        When the checkpoint is damaged.
    FFLabelsError
        When the checkpoint was written under other settings.
    """
    try:
        with safe_open(str(path), "numpy") as file:
            header = msgspec.json.decode((file.metadata() or {}).get("checkpoint", ""), type=Header)
        content = path.read_bytes()
    except (SafetensorError, OSError, msgspec.DecodeError) as error:
        raise DamagedError(f"damaged: {error}", where=str(path)) from None
    if header.sha256 != digest(header.epoch, header.step, content):
        raise DamagedError("damaged: the content does not match its hash", where=str(path))
    if header.settings != settings:
        raise FFLabelsError(
            "written under other settings: config.toml or labels.json were edited since", where=str(path)
        )
    return content, header


def newest_file(folder: Path, settings: str, *, set_aside: bool = False) -> tuple[bytes, Header] | None:
    """Return the newest good checkpoint, or None if there is no checkpoint; warn of damaged ones.

    Parameters
    ----------
    folder
        The folder of the checkpoints.
    settings
        The hash of the run's settings.
    set_aside
        Rename damaged checkpoints to ``.damaged``, so that they no longer count. The oldest one keeps its name.

    Raises
    ------
    FFLabelsError
        When every checkpoint is damaged, or one was written under other settings.
    """
    paths = checkpoint_paths(folder)
    for path in reversed(paths):
        try:
            return read_file(path, settings)
        except DamagedError as error:
            warnings.warn(str(error), DamagedWarning, stacklevel=2)
            if set_aside and path != paths[0]:
                path.rename(path.with_suffix(".damaged"))
    if paths:
        raise FFLabelsError("all checkpoints are damaged", where=str(folder), hint="remove all of them to start over")
    return None
