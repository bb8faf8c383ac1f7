"""SIGINT and SIGTERM, put off until a step is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """Work was stopped by a signal; `signum` says which."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


class Interrupts:
    """While entered, a signal raises `Interrupted`, but within `put_off` only sets `asked`.

    Signals that are ignored stay so; outside the main thread nothing is changed.
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
        """Let signals wait: the caller looks at `asked` when it suits; at the end one that came raises."""
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
