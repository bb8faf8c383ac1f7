"""The commands ``fflabels`` and ``ffnet``: thin, lazily imported, one file per command."""

from __future__ import annotations

import os
import sys
from types import TracebackType


def _end_quietly(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """End as every interrupted command does, also before there is a command: while modules are imported."""
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("Error: interrupted; nothing was half-written\n")
        sys.stderr.flush()
        os._exit(130)
    sys.__excepthook__(kind, error, trace)


if sys.argv and os.path.basename(sys.argv[0]) in ("fflabels", "ffnet"):  # noqa: PTH119 - pathlib takes a while
    sys.excepthook = _end_quietly
