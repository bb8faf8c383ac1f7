"""Plugins' output: what they print goes to standard error, and their warnings name the plugin."""

from __future__ import annotations

import sys
import warnings
from typing import Any, TextIO

import click


class WithoutPlugins:
    """Standard output; what a plugin's code prints goes to standard error instead, so that JSON stays JSON."""

    def __init__(self, stdout: TextIO) -> None:
        self._stdout = stdout

    def write(self, text: str) -> int:
        """Write text, to standard error while the code of a plugin runs."""
        return (sys.stderr or self._stdout).write(text) if _calling() else self._stdout.write(text)

    def writelines(self, lines: list[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stdout, name)


def set_apart() -> None:
    """Send what plugins print to standard error, and name the plugin in its warnings."""
    if sys.stdout is not None:
        sys.stdout = WithoutPlugins(sys.stdout)
    shown: set[str] = set()

    def show_once(message: Warning | str, *_: object) -> None:
        whose = _calling()
        line = f"Warning: {whose}: {_one_line(message)}" if whose else f"Warning: {message}"
        if line not in shown:
            click.echo(line, err=True)
        shown.add(line)

    warnings.showwarning = show_once  # type: ignore[assignment]


def _calling() -> str:
    """Return the labeler whose code runs now; nothing is imported for that."""
    registry = sys.modules.get("fflabels.registry")
    return registry.calling() if registry else ""


def _one_line(message: Warning | str) -> str:
    from fflabels.errors import one_line, short

    return one_line(short(str(message), 300))
