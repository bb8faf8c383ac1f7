"""Reused memory: allocating the pages of a new map takes a CPU longer than computing it."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Scratch:
    """Named buffers, each as large as the largest tensor taken from it."""

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def take(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Return a tensor of `shape` with the type and device of `like`; it overwrites the last one of this name."""
        count = math.prod(shape)
        buffer = self._buffers.get(name)
        if buffer is None or len(buffer) < count or buffer.dtype != like.dtype or buffer.device != like.device:
            self._buffers[name] = buffer = torch.empty(count, dtype=like.dtype, device=like.device)
        return buffer[:count].view(shape)

    def take_beside(self, other: Tensor, name: str, shape: tuple[int, ...]) -> Tensor:
        """Return a tensor from one of two buffers of this name: the one that does not hold `other`."""
        first = self._buffers.get(f"{name} 0")
        in_first = first is not None and first.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
        return self.take(f"{name} {int(in_first)}", shape, other)
