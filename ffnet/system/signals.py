"""Handle SIGINT and SIGTERM between training steps, never within one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """Raised when SIGINT or SIGTERM stops the work.

    Attributes
    ----------
    signum
        The number of the signal.
    folder
        The folder of the run that was begun, which `ffnet.resume` continues; None if there is none.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum
        self.folder: str | None = None


class Interrupts:
    """A context in which signals raise `Interrupted`; within `put_off` they only set `asked`.

    Signals that the process ignores stay ignored. Outside the main thread nothing changes.
    """

    def __init__(self) -> None:
        self.asked: int | None = None
        self._holding = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for signum in SIGNALS:
                if signal.getsignal(signum) is not signal.SIG_IGN:
                    self._before[signum] = signal.signal(signum, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    @contextmanager
    def put_off(self) -> Iterator[None]:
        """Delay signals: the caller checks `asked`, and a signal that came is raised at the end of this context."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        if self.asked:
            raise Interrupted(self.asked)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        self.asked = signum
        if not self._holding:
            raise Interrupted(signum)
