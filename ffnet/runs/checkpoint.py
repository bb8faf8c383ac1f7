"""Checkpoints: the whole state in the middle of training, in safetensors files that are hashed and written whole."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from fflabels.errors import FFLabelsError
from fflabels.files import write_whole
from ffnet.training.learner import Learner
from ffnet.training.loop import Position

KEPT = 2
"""The newest so many are kept: a damaged one leaves another."""


class DamagedWarning(UserWarning):
    """A checkpoint was damaged, and an older one is used."""


class DamagedError(FFLabelsError):
    """A checkpoint is not what was written."""


class _Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The one metadata key: several are not written in a fixed order."""

    epoch: int
    step: int
    settings: str
    sha256: str


def save_state(net: nn.Module, learner: Learner) -> dict[str, Tensor]:
    """Return all that training goes on from: weights, statistics, optimizer, the learner's sums and tables."""
    found = {f"net.{name}": tensor for name, tensor in net.state_dict().items()}
    for index, parameter in enumerate(_parameters(learner)):
        for name, tensor in learner.optimizer.state[parameter].items():
            found[f"optimizer.{index}.{name}"] = tensor
    found |= {f"learner.{name}": tensor for name, tensor in learner.tensors().items()}
    return on_host(found)


def on_host(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors as safetensors takes them."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def net_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the net's part of what `save_state` returned."""
    return {name.removeprefix("net."): tensor for name, tensor in state.items() if name.startswith("net.")}


@torch.no_grad()
def restore_state(net: nn.Module, learner: Learner, state: dict[str, Tensor]) -> None:
    """Put a net and its learner into the state that `save_state` returned.

    Raises
    ------
    FFLabelsError
        When the state lacks a part of the learner's: it comes from other settings.
    """
    if missing := sorted(f"learner.{name}" for name in learner.tensors() if f"learner.{name}" not in state):
        raise FFLabelsError(
            "a checkpoint of other settings", where="checkpoint", got=f"no {missing[0]}", hint="train in a new folder"
        )
    net.load_state_dict(net_state(state))
    for index, parameter in enumerate(_parameters(learner)):
        prefix = f"optimizer.{index}."
        for name, tensor in state.items():
            if name.startswith(prefix):
                like = parameter if tensor.shape == parameter.shape else tensor.to(parameter.device)
                # In the parameter's memory layout, as the optimizer makes its own.
                learner.optimizer.state[parameter][name.removeprefix(prefix)] = torch.empty_like(like).copy_(tensor)
    for name, tensor in learner.tensors().items():
        tensor.copy_(state[f"learner.{name}"])


def write_checkpoint(folder: Path, state: dict[str, Tensor], position: Position, settings: str) -> None:
    """Write a checkpoint and remove all but the newest.

    Parameters
    ----------
    folder
        Of the checkpoints.
    state, position
        What training goes on from, and where that is.
    settings
        A hash of the run's settings: with others it does not go on.

    Raises
    ------
    FFLabelsError
        When the disk is full or the folder read-only; the earlier ones are as they were.
    """
    folder.mkdir(exist_ok=True)
    mark = _Mark(position.epoch, position.step, settings, _digest(state, position))
    path = folder / f"epoch-{position.epoch:06d}-step-{position.step:08d}.safetensors"
    write_whole(path, save(state, metadata={"checkpoint": msgspec.json.encode(mark).decode()}))
    for old in _paths(folder)[:-KEPT]:
        old.unlink()


def read_checkpoint(path: Path, settings: str) -> tuple[dict[str, Tensor], Position]:
    """Return a checkpoint's state and position.

    Raises
    ------
    DamagedError
        When it is damaged.
    FFLabelsError
        When it was written under other settings.
    """
    try:
        with safe_open(str(path), "pt") as file:
            mark = msgspec.json.decode((file.metadata() or {}).get("checkpoint", ""), type=_Mark)
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, msgspec.DecodeError) as error:
        raise DamagedError(f"damaged: {error}", where=str(path)) from None
    position = Position(mark.epoch, mark.step)
    if mark.sha256 != _digest(state, position):
        raise DamagedError("damaged: the content does not match its hash", where=str(path))
    if mark.settings != settings:
        raise FFLabelsError(
            "written under other settings: config.toml or labels.json were edited since", where=str(path)
        )
    return state, position


def newest_checkpoint(
    folder: Path, settings: str, *, set_aside: bool = False
) -> tuple[dict[str, Tensor], Position] | None:
    """Return the newest good checkpoint, or None where there never was one; damaged ones are named in warnings.

    Parameters
    ----------
    folder
        Of the checkpoints.
    settings
        The hash that they were written with.
    set_aside
        Whether damaged ones get the suffix ``.damaged``, so that they do not count any more.

    Raises
    ------
    FFLabelsError
        When there are some and all are damaged, or one was written under other settings.
    """
    paths = _paths(folder)
    for path in reversed(paths):
        try:
            return read_checkpoint(path, settings)
        except DamagedError as error:
            warnings.warn(str(error), DamagedWarning, stacklevel=2)
            if set_aside and path != paths[0]:
                path.rename(path.with_suffix(".damaged"))
    if paths:
        raise FFLabelsError("no checkpoint is good", where=str(folder), hint="remove them all to begin anew")
    return None


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob("epoch-*.safetensors"))


def _parameters(learner: Learner) -> list[nn.Parameter]:
    return [parameter for group in learner.optimizer.param_groups for parameter in group["params"]]


def _digest(state: dict[str, Tensor], position: Position) -> str:
    return hashlib.sha256(f"{position.epoch} {position.step} ".encode() + save(state)).hexdigest()
