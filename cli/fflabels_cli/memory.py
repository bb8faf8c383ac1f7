"""Let memory that was freed stay with the process: the maps of the next step need it again."""

from __future__ import annotations

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""As in glibc's malloc.h."""
LARGEST_BLOCK, KEPT = 1 << 25, 1 << 30
"""Bytes: glibc takes no larger block from memory that it keeps; this much of it may lie free."""


def keep_freed_memory() -> None:
    """Let freed memory stay with this process, as PyTorch keeps a GPU's.

    For glibc, whose allocator otherwise returns large blocks at once: fresh pages cost a CPU more than the arithmetic
    on them. Where the environment sets the allocator (``MALLOC_…_``, ``GLIBC_TUNABLES``), and with other allocators,
    nothing changes. Only commands and benchmarks call it: a library has no say over its caller's process.
    """
    chosen = "GLIBC_TUNABLES" in os.environ or any(name.startswith("MALLOC_") for name in os.environ)
    if sys.platform != "linux" or chosen:
        return
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
        mallopt(M_TRIM_THRESHOLD, KEPT)
