"""Watch what code does to the world outside: files, the network, other processes. Python's audit events tell."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

OUTSIDE = (
    "socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.", "urllib.",
    "http.", "ftplib.", "sqlite3.connect",
)  # fmt: skip
CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink", "os.ch", "shutil.")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class BlockedError(PermissionError):
    """An access that is watched for; raised in the code that tried it."""


@dataclass
class _Watch:
    """The watch in progress: threads that are not watched, whether files may be read, and what was tried."""

    bystanders: frozenset[int]
    reading: bool
    attempts: list[str] = field(default_factory=list)


_lock = threading.Lock()
_watch: _Watch | None = None
_hooked = False


@contextmanager
def no_access(*, reading: bool) -> Iterator[list[str]]:
    """Block access to the network, to other processes and to files; yield the list of attempts.

    This thread and the threads it starts are blocked. Imports may use any file; with ``reading``, files may be read.
    """
    global _hooked, _watch
    with _lock:
        if not _hooked:  # an audit hook stays for good; it does nothing where nobody watches
            sys.addaudithook(_hook)
            _hooked = True
        others = {thread.ident for thread in threading.enumerate()} - {threading.get_ident(), None}
        watch = _watch = _Watch(frozenset(ident for ident in others if ident), reading)
        try:
            yield watch.attempts
        finally:
            _watch = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    watch = _watch
    if watch is None or threading.get_ident() in watch.bystanders or not _refused(event, arguments, watch.reading):
        return
    seen = f"{event} {arguments[0]!r}" if arguments and isinstance(arguments[0], str | bytes) else event
    watch.attempts.append(seen)
    raise BlockedError(seen)


def _refused(event: str, arguments: tuple[Any, ...], reading: bool) -> bool:
    if event.startswith(OUTSIDE):
        return True
    if event == "open":
        flags = arguments[2] if len(arguments) > 2 and isinstance(arguments[2], int) else 0
        return (bool(flags & WRITING) or not reading) and not _importing()
    return event.startswith(CHANGES) and not _importing()


def _importing() -> bool:
    frame: FrameType | None = sys._getframe(3)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
