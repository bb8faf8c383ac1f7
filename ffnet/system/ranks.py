"""Ranks: processes, started by torchrun, that train one net together, each on its share of every batch.

After a step all of them hold the same weights, statistics and tables, so that any one can write the checkpoint.
"""

from __future__ import annotations

import atexit
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor

from fflabels.errors import FFLabelsError


class Ranks:
    """What the processes do together, each call in the same order on all; one that is alone has nothing to do.

    Parameters
    ----------
    rank, size
        Which of how many this process is.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size
        self._begun: list[tuple[dist.Work, Tensor, tuple[Tensor, ...]]] = []

    @property
    def first(self) -> bool:
        """Whether this process writes the run folder and talks to people."""
        return self.rank == 0

    def share(self, batch: int) -> slice:
        """Return which samples of a batch are this rank's."""
        each = batch // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def begin_mean(self, *tensors: Tensor) -> None:
        """Begin to replace tensors by their means over the ranks, in the background; `finish` waits for it."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors]) / self.size
        with _failures():
            work = dist.all_reduce(flat, async_op=True)
        assert work is not None
        self._begun.append((work, flat, tensors))

    def finish(self) -> None:
        """Wait for all means that were begun."""
        for work, flat, tensors in self._begun:
            with _failures():
                work.wait()
            parts = torch.split(flat, [tensor.numel() for tensor in tensors])
            for tensor, mean in zip(tensors, parts, strict=True):
                tensor.copy_(mean.view_as(tensor))
        self._begun.clear()

    def mean(self, tensor: Tensor) -> Tensor:
        """Return a tensor's mean over the ranks."""
        return self._reduced(tensor / self.size, dist.ReduceOp.SUM) if self.size > 1 else tensor

    def largest_(self, tensor: Tensor) -> Tensor:
        """Replace a tensor by its maximum over the ranks, entry by entry."""
        return self._reduced(tensor, dist.ReduceOp.MAX) if self.size > 1 else tensor

    def gathered(self, part_BK: Tensor) -> Tensor:
        """Return the rows of all ranks' shares of a batch."""
        if self.size == 1:
            return part_BK
        whole_BK = part_BK.new_zeros(len(part_BK) * self.size, *part_BK.shape[1:])
        whole_BK[self.share(len(whole_BK))] = part_BK
        return self._reduced(whole_BK, dist.ReduceOp.SUM)

    def statistics(self, x_NCHW: Tensor) -> tuple[Tensor, Tensor, int]:
        """Return the channels' mean and variance over all ranks' samples and pixels, and how many these are.

        Put together in float64: a variance is the difference of two means.
        """
        # Batch normalisation's kernel, several times as fast as var_mean; as wide as the running values it is given.
        unused_C = x_NCHW.new_zeros(x_NCHW.shape[1], dtype=torch.promote_types(x_NCHW.dtype, torch.float32))
        found = torch.batch_norm_update_stats(x_NCHW, unused_C, unused_C.clone(), 0.0)
        mean_C, var_C = (each_C.double() for each_C in found)
        mean_C, square_C = self.mean(torch.stack([mean_C, var_C + mean_C.square()]))
        return mean_C, square_C - mean_C.square(), x_NCHW.numel() // x_NCHW.shape[1] * self.size

    def largest_of(self, *numbers: float) -> tuple[float, ...]:
        """Return the maximum of each number over the ranks: where clocks and signals decide, all decide alike."""
        return tuple(self.largest_(torch.tensor(numbers, dtype=torch.float64)).tolist())

    def broadcast_text(self, text: str = "") -> str:
        """Broadcast a string from rank 0."""
        if self.size == 1:
            return text
        length = self._from_first(torch.tensor([len(text.encode())]))
        content = text.encode() if self.first else bytes(int(length))
        return bytes(self._from_first(torch.tensor(list(content), dtype=torch.uint8)).tolist()).decode()

    def _from_first(self, tensor: Tensor) -> Tensor:
        with _failures():
            dist.broadcast(tensor, 0)
        return tensor

    def _reduced(self, tensor: Tensor, how: dist.ReduceOp.RedOpType) -> Tensor:
        with _failures():
            dist.all_reduce(tensor, how)
        return tensor


ALONE = Ranks()
"""The one process of an ordinary training."""


def join_ranks() -> Ranks:
    """Meet the other ranks that torchrun has started, until the process ends; without it, be alone.

    CPU tensors go by gloo, those on a GPU by NCCL. A process group that the caller has made is used.
    """
    if not (dist.is_available() and dist.is_initialized()):
        if int(os.environ.get("WORLD_SIZE", 1)) == 1:
            return ALONE
        # The optimizers import it. What of it is imported when there is a group keeps that group alive for good, and
        # its threads abort the process at its end.
        importlib.import_module("torch._dynamo")
        with _failures():
            dist.init_process_group()
        atexit.register(_leave)
    return Ranks(dist.get_rank(), dist.get_world_size())


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def local_rank() -> int:
    """Return which of the ranks on this machine the process is: the GPU that it takes."""
    return int(os.environ.get("LOCAL_RANK", 0))


def is_first() -> bool:
    """Return whether this process is the one that talks to people, before it has joined and after."""
    return int(os.environ.get("RANK", 0)) == 0


@contextmanager
def _failures() -> Iterator[None]:
    """Say of a broken connection what it means: the rank at its other end is gone."""
    try:
        yield
    except RuntimeError as error:
        raise FFLabelsError(
            "another rank has ended, and this one with it",
            where=f"rank {os.environ.get('RANK', 0)}",
            got=str(error).splitlines()[0][:200],
            hint="its own message says why; ffnet resume goes on from the last checkpoint",
        ) from error
