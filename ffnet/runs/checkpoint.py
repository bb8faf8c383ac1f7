"""Checkpoints: the whole state of a training, in hashed safetensors files that are written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from fflabels.errors import FFLabelsError
from fflabels.files import write_whole
from ffnet.runs.checkpoint_file import Header, checkpoint_paths, digest, newest_file
from ffnet.runs.files import CHECKPOINTS
from ffnet.runs.weights import on_host
from ffnet.system.ranks import Ranks
from ffnet.training.learner import Learner
from ffnet.training.loop import NotFiniteError, Position

KEPT = 2
"""How many of the newest checkpoints are kept, so that one is left if another is damaged."""


def save_state(net: nn.Module, learner: Learner) -> dict[str, Tensor]:
    """Return all that is needed to continue: weights, statistics, optimizer state, the learner's sums and tables."""
    state = {f"net.{name}": tensor for name, tensor in net.state_dict().items()}
    for index, parameter in enumerate(_parameters(learner)):
        for name, tensor in learner.optimizer.state[parameter].items():
            state[f"optimizer.{index}.{name}"] = tensor
    state |= {f"learner.{name}": tensor for name, tensor in learner.tensors().items()}
    return on_host(state)


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
    header = Header(position.epoch, position.step, settings, digest(position.epoch, position.step, save(state)))
    path = folder / f"epoch-{position.epoch:06d}-step-{position.step:08d}.safetensors"
    write_whole(path, save(state, metadata=header.metadata))
    for old in checkpoint_paths(folder)[:-KEPT]:
        old.unlink()


def newest_checkpoint(
    folder: Path, settings: str, *, set_aside: bool = False
) -> tuple[dict[str, Tensor], Position] | None:
    """Return the state and position of the newest good checkpoint, or None; for the rest see `newest_file`."""
    newest = newest_file(folder, settings, set_aside=set_aside)
    return newest and (load(newest[0]), Position(newest[1].epoch, newest[1].step))


def _parameters(learner: Learner) -> list[nn.Parameter]:
    return [parameter for group in learner.optimizer.param_groups for parameter in group["params"]]


@contextmanager
def name_last_checkpoint(folder: Path) -> Iterator[None]:
    """When the loss is not finite, add to the error where the last good state is."""
    try:
        yield
    except NotFiniteError as error:
        checkpoints = checkpoint_paths(folder / CHECKPOINTS)
        where = f"the last good state is {checkpoints[-1]}" if checkpoints else "it came before the first checkpoint"
        error.args = (f"{error}; {where}",)
        raise


def newest_for(folder: Path, settings: str, ranks: Ranks) -> tuple[dict[str, Tensor], Position] | None:
    """Return the newest good checkpoint. Rank 0 renames damaged ones first, so that all ranks see the same files."""
    if not ranks.first:
        ranks.broadcast_text()
    newest = newest_checkpoint(folder / CHECKPOINTS, settings, set_aside=ranks.first)
    if ranks.first:
        ranks.broadcast_text()
    return newest
