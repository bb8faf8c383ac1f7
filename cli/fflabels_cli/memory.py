"""Keep freed memory in the process, since the activation maps of the next step need it again."""

from __future__ import annotations

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Constants of glibc's malloc.h."""
LARGEST_BLOCK, KEPT = 1 << 25, 1 << 30
"""Bytes: blocks of up to 32 MiB are taken from kept memory, of which at most 1 GiB may be free."""


def keep_freed_memory() -> None:
    """Keep freed memory in this process, as PyTorch does on a GPU.

    glibc returns large blocks to the system at once, and fresh pages cost a CPU more time than the arithmetic on them.
    Nothing changes with other allocators, or if the environment configures the allocator (``MALLOC_…_``,
    ``GLIBC_TUNABLES``). Only commands and benchmarks call this: a library must not change its caller's process.
    """
    configured = "GLIBC_TUNABLES" in os.environ or any(name.startswith("MALLOC_") for name in os.environ)
    if sys.platform != "linux" or configured:
        return
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
        mallopt(M_TRIM_THRESHOLD, KEPT)
