"""The commands ``fflabels`` and ``ffnet``: thin, lazily imported, one file per command."""

from __future__ import annotations

import os
import sys
from types import TracebackType

INTERRUPTED = "interrupted; nothing was half-written"


def _end_quietly(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Report an interrupt as commands do, also while modules are still being imported."""
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write(f"Error: {INTERRUPTED}\n")
        sys.stderr.flush()
        os._exit(130)
    sys.__excepthook__(kind, error, trace)


if sys.argv and os.path.basename(sys.argv[0]) in ("fflabels", "ffnet"):  # noqa: PTH119 - pathlib takes a while
    sys.excepthook = _end_quietly
