"""Progress of long work: a function that the work calls, which does nothing by default."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the name of the work, the number of steps done, and their total."""


def silent(what: str, done: int, total: int) -> None:
    """Report nothing."""
