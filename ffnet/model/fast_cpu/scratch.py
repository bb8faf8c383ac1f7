"""Memory that is used again: the pages of a fresh map cost a processor more than the arithmetic on it."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Scratch:
    """Buffers by name, as large as the largest tensor that was asked of them."""

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def take(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Return a tensor of `shape`, of the type and device of `like`; what was taken by this name before is lost."""
        count = math.prod(shape)
        buffer = self._buffers.get(name)
        if buffer is None or len(buffer) < count or buffer.dtype != like.dtype or buffer.device != like.device:
            self._buffers[name] = buffer = torch.empty(count, dtype=like.dtype, device=like.device)
        return buffer[:count].view(shape)

    def take_beside(self, other: Tensor, name: str, shape: tuple[int, ...]) -> Tensor:
        """Return one of two buffers of a name: the one that `other` does not lie in."""
        first = self._buffers.get(f"{name} 0")
        taken = first is not None and first.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
        return self.take(f"{name} {int(taken)}", shape, other)
