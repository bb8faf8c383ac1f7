"""Watch what code does to the world outside: files, the network, other processes. Python's audit events tell."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

OUTSIDE = (
    "socket.",
    "subprocess.",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "urllib.",
    "http.",
    "ftplib.",
)
CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink", "shutil.")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_watch = threading.local()
_installed = threading.Lock()
_hooked = False


class BlockedError(PermissionError):
    """An access that is watched for; raised in the code that tried it."""


@contextmanager
def no_access(*, reading: bool) -> Iterator[list[str]]:
    """Block this thread's access to the network, to other processes and to files; yield the list of attempts.

    Imports may open what they need. With ``reading`` files may be read.
    """
    global _hooked
    with _installed:
        if not _hooked:  # an audit hook stays for good; it does nothing where nobody watches
            sys.addaudithook(_hook)
            _hooked = True
    attempts: list[str] = []
    _watch.attempts, _watch.reading = attempts, reading
    try:
        yield attempts
    finally:
        _watch.attempts = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    attempts = getattr(_watch, "attempts", None)
    if attempts is None or not _refused(event, arguments) or _importing():
        return
    seen = f"{event} {arguments[0]!r}" if arguments and isinstance(arguments[0], str | bytes) else event
    attempts.append(seen)
    raise BlockedError(seen)


def _refused(event: str, arguments: tuple[Any, ...]) -> bool:
    if event == "open":
        flags = arguments[2] if len(arguments) > 2 and isinstance(arguments[2], int) else 0
        return bool(flags & WRITING) or not _watch.reading
    return event.startswith((*OUTSIDE, *CHANGES))


def _importing() -> bool:
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
