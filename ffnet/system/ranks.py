"""Ranks: processes started by torchrun that train one net together, each on its share of every batch.

After each step all ranks hold the same weights, statistics and tables, so any one of them can write the checkpoint.
"""

from __future__ import annotations

import atexit
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from fflabels.errors import FFLabelsError


class Ranks:
    """Communication between ranks. All ranks must make the same calls in the same order; a single one does nothing.

    Parameters
    ----------
    rank, size
        The number of this process, from 0, and the number of processes.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size
        self._pending: list[tuple[dist.Work, Tensor, tuple[Tensor, ...]]] = []

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which writes the run folder and prints."""
        return self.rank == 0

    def share(self, batch: int) -> slice:
        """Return this rank's part of a batch."""
        count = batch // self.size
        return slice(self.rank * count, (self.rank + 1) * count)

    def begin_mean(self, *tensors: Tensor) -> None:
        """Start replacing tensors by their means over the ranks, in the background; `finish` waits for it."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors]) / self.size
        with _failures():
            work = dist.all_reduce(flat, async_op=True)
        assert work is not None
        self._pending.append((work, flat, tensors))

    def finish(self) -> None:
        """Wait for all means that `begin_mean` started."""
        for work, flat, tensors in self._pending:
            with _failures():
                work.wait()
            parts = torch.split(flat, [tensor.numel() for tensor in tensors])
            for tensor, mean in zip(tensors, parts, strict=True):
                tensor.copy_(mean.view_as(tensor))
        self._pending.clear()

    def mean(self, tensor: Tensor) -> Tensor:
        """Return a tensor's mean over the ranks."""
        return self._reduced(tensor / self.size, dist.ReduceOp.SUM) if self.size > 1 else tensor

    def largest_(self, tensor: Tensor) -> Tensor:
        """Replace a tensor by its maximum over the ranks, entry by entry."""
        return self._reduced(tensor, dist.ReduceOp.MAX) if self.size > 1 else tensor

    def gathered(self, part_BK: Tensor) -> Tensor:
        """Return the rows of the whole batch, given this rank's share."""
        if self.size == 1:
            return part_BK
        whole_BK = part_BK.new_zeros(len(part_BK) * self.size, *part_BK.shape[1:])
        whole_BK[self.share(len(whole_BK))] = part_BK
        return self._reduced(whole_BK, dist.ReduceOp.SUM)

    def statistics(self, x_NCHW: Tensor) -> tuple[Tensor, Tensor, int]:
        """Return each channel's mean and variance over the samples and pixels of all ranks, and their number.

        Ranks are combined in float64, because a variance is a difference of two means.
        """
        # This kernel of batch normalisation is several times faster than var_mean. The type of the running values that
        # it is given sets the type of its sums.
        unused_C = x_NCHW.new_zeros(x_NCHW.shape[1], dtype=torch.promote_types(x_NCHW.dtype, torch.float32))
        mean_C, var_C = torch.batch_norm_update_stats(x_NCHW, unused_C, unused_C.clone(), 0.0)
        mean_C, var_C = mean_C.double(), var_C.double()
        mean_C, square_C = self.mean(torch.stack([mean_C, var_C + mean_C.square()]))
        return mean_C, square_C - mean_C.square(), x_NCHW.numel() // x_NCHW.shape[1] * self.size

    def largest_of(self, *numbers: float) -> tuple[float, ...]:
        """Return the maximum of each number over the ranks, so that all act alike on clocks and signals."""
        return tuple(self.largest_(torch.tensor(numbers, dtype=torch.float64)).tolist())

    def broadcast_text(self, text: str = "") -> str:
        """Broadcast a string from rank 0."""
        if self.size == 1:
            return text
        length = self._broadcast(torch.tensor([len(text.encode())]))
        content = text.encode() if self.first else bytes(int(length))
        return bytes(self._broadcast(torch.tensor(list(content), dtype=torch.uint8)).tolist()).decode()

    def _broadcast(self, tensor: Tensor) -> Tensor:
        with _failures():
            dist.broadcast(tensor, 0)
        return tensor

    def _reduced(self, tensor: Tensor, how: dist.ReduceOp.RedOpType) -> Tensor:
        with _failures():
            dist.all_reduce(tensor, how)
        return tensor


SINGLE = Ranks()
"""The only process of an ordinary training."""


PATIENCE = timedelta(days=7)
"""How long ranks wait for one another: rank 0 alone designs labels, downloads data and evaluates."""


def join_ranks() -> Ranks:
    """Join the ranks that torchrun started, until the process ends; without torchrun, return `SINGLE`.

    CPU tensors travel by gloo, GPU tensors by NCCL. An existing process group is used as it is.
    """
    if not (dist.is_available() and dist.is_initialized()):
        if int(os.environ.get("WORLD_SIZE", 1)) == 1:
            return SINGLE
        # Optimizers import this module. If they did so after the group exists, it would keep the group alive, and the
        # group's threads would abort the process when it ends.
        importlib.import_module("torch._dynamo")
        try:
            with _failures():
                dist.init_process_group(timeout=PATIENCE)
        except ValueError as error:  # no RANK, MASTER_ADDR, …
            raise FFLabelsError(
                "WORLD_SIZE is set, but not what torchrun sets with it",
                where="environment",
                got=str(error),
                hint="start several ranks by torchrun; for one process unset WORLD_SIZE",
            ) from None
        atexit.register(_leave)
    else:
        _check_group()
    return Ranks(dist.get_rank(), dist.get_world_size())


def _check_group() -> None:
    """Refuse a process group that cannot exchange tensors of the CPU."""
    try:
        dist.all_reduce(torch.zeros(1))
    except RuntimeError as error:
        if "device type cpu" not in str(error):
            raise
        raise FFLabelsError(
            "exchanges no CPU tensors", where="process group", got=dist.get_backend(),
            hint="call torch.distributed.init_process_group without a backend, or with cpu:gloo,cuda:nccl",
        ) from None  # fmt: skip


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def local_rank() -> int:
    """Return the number of this process among the ranks on this machine, which is also the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", 0))


def is_first() -> bool:
    """Return whether this process is rank 0; works before `join_ranks` too."""
    return int(os.environ.get("RANK", 0)) == 0


@contextmanager
def _failures() -> Iterator[None]:
    """Turn errors of the connection into one that says that another rank has ended."""
    try:
        yield
    except RuntimeError as error:
        raise FFLabelsError(
            "another rank has ended, and this one with it",
            where=f"rank {os.environ.get('RANK', 0)}",
            got=str(error).splitlines()[0][:200],
            hint="that rank's own message says why; ffnet resume continues from the last checkpoint",
        ) from error
