"""Checkpoints: the whole state of a training, in hashed safetensors files that are written whole or not at all."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from fflabels.errors import FFLabelsError
from fflabels.files import write_whole
from ffnet.system.ranks import Ranks
from ffnet.training.learner import Learner
from ffnet.training.loop import NotFiniteError, Position

KEPT = 2
"""How many of the newest checkpoints are kept, so that one is left if another is damaged."""


class DamagedWarning(UserWarning):
    """A file was damaged: an older checkpoint is used, or the file is made again."""


class DamagedError(FFLabelsError):
    """A checkpoint, or another file that can be made again, does not hold what was written."""


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file's metadata, under a single key: safetensors writes several keys in no fixed order."""

    epoch: int
    step: int
    settings: str
    sha256: str


def save_state(net: nn.Module, learner: Learner) -> dict[str, Tensor]:
    """Return all that is needed to continue: weights, statistics, optimizer state, the learner's sums and tables."""
    state = {f"net.{name}": tensor for name, tensor in net.state_dict().items()}
    for index, parameter in enumerate(_parameters(learner)):
        for name, tensor in learner.optimizer.state[parameter].items():
            state[f"optimizer.{index}.{name}"] = tensor
    state |= {f"learner.{name}": tensor for name, tensor in learner.tensors().items()}
    return on_host(state)


def on_host(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors as safetensors needs them: contiguous and in main memory."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def net_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the net's part of a state from `save_state`."""
    return {name.removeprefix("net."): tensor for name, tensor in state.items() if name.startswith("net.")}


@torch.no_grad()
def restore_state(net: nn.Module, learner: Learner, state: dict[str, Tensor]) -> None:
    """Restore a net and its learner from a state that `save_state` returned.

    Raises
    ------
    FFLabelsError
        When the state lacks a tensor of the learner, because it comes from other settings.
    """
    # Check before anything is changed.
    if missing := sorted(f"learner.{name}" for name in learner.tensors() if f"learner.{name}" not in state):
        raise FFLabelsError(
            "a checkpoint of other settings", where="checkpoint", got=f"no {missing[0]}", hint="train in a new folder"
        )

    # The net, then the optimizer, then the learner.
    net.load_state_dict(net_state(state))
    for index, parameter in enumerate(_parameters(learner)):
        prefix = f"optimizer.{index}."
        for name, tensor in state.items():
            if name.startswith(prefix):
                like = parameter if tensor.shape == parameter.shape else tensor.to(parameter.device)
                # Copy into the parameter's memory layout: the optimizer's own state has that layout.
                learner.optimizer.state[parameter][name.removeprefix(prefix)] = torch.empty_like(like).copy_(tensor)
    for name, tensor in learner.tensors().items():
        tensor.copy_(state[f"learner.{name}"])


def write_checkpoint(folder: Path, state: dict[str, Tensor], position: Position, settings: str) -> None:
    """Write a checkpoint and remove all but the newest ones.

    Parameters
    ----------
    folder
        The folder of the checkpoints.
    state, position
        The state to continue from, and how far training has come.
    settings
        A hash of the run's settings; the checkpoint is refused under other settings.

    Raises
    ------
    FFLabelsError
        When the disk is full or the folder is read-only; earlier checkpoints are unchanged.
    """
    folder.mkdir(exist_ok=True)
    header = _Header(position.epoch, position.step, settings, _digest(state, position))
    path = folder / f"epoch-{position.epoch:06d}-step-{position.step:08d}.safetensors"
    write_whole(path, save(state, metadata={"checkpoint": msgspec.json.encode(header).decode()}))
    for old in _paths(folder)[:-KEPT]:
        old.unlink()


def read_checkpoint(path: Path, settings: str) -> tuple[dict[str, Tensor], Position]:
    """Return a checkpoint's state and position.

    Raises
    ------
    DamagedError
        When the checkpoint is damaged.
    FFLabelsError
        When the checkpoint was written under other settings.
    """
    try:
        with safe_open(str(path), "pt") as file:
            header = msgspec.json.decode((file.metadata() or {}).get("checkpoint", ""), type=_Header)
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, msgspec.DecodeError) as error:
        raise DamagedError(f"damaged: {error}", where=str(path)) from None
    position = Position(header.epoch, header.step)
    if header.sha256 != _digest(state, position):
        raise DamagedError("damaged: the content does not match its hash", where=str(path))
    if header.settings != settings:
        raise FFLabelsError(
            "written under other settings: config.toml or labels.json were edited since", where=str(path)
        )
    return state, position


def newest_checkpoint(
    folder: Path, settings: str, *, set_aside: bool = False
) -> tuple[dict[str, Tensor], Position] | None:
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
    paths = _paths(folder)
    for path in reversed(paths):
        try:
            return read_checkpoint(path, settings)
        except DamagedError as error:
            warnings.warn(str(error), DamagedWarning, stacklevel=2)
            if set_aside and path != paths[0]:
                path.rename(path.with_suffix(".damaged"))
    if paths:
        raise FFLabelsError("no checkpoint is good", where=str(folder), hint="remove all of them to start over")
    return None


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob("epoch-*.safetensors"))


def _parameters(learner: Learner) -> list[nn.Parameter]:
    return [parameter for group in learner.optimizer.param_groups for parameter in group["params"]]


def _digest(state: dict[str, Tensor], position: Position) -> str:
    return hashlib.sha256(f"{position.epoch} {position.step} ".encode() + save(state)).hexdigest()


@contextmanager
def name_last_checkpoint(folder: Path) -> Iterator[None]:
    """When the loss is not finite, add to the error where the last good state is."""
    try:
        yield
    except NotFiniteError as error:
        checkpoints = sorted((folder / "checkpoints").glob("*.safetensors"))
        where = f"the last good state is {checkpoints[-1]}" if checkpoints else "it came before the first checkpoint"
        error.args = (f"{error}; {where}",)
        raise


def newest_for(folder: Path, settings: str, ranks: Ranks) -> tuple[dict[str, Tensor], Position] | None:
    """Return the newest good checkpoint. Rank 0 renames damaged ones first, so that all ranks see the same files."""
    if not ranks.first:
        ranks.broadcast_text()
    newest = newest_checkpoint(folder / "checkpoints", settings, set_aside=ranks.first)
    if ranks.first:
        ranks.broadcast_text()
    return newest
