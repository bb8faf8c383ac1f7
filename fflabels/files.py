"""Files that are whole or not there: written aside, then renamed."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from fflabels.errors import FFLabelsError


def write_whole(path: str | Path, data: bytes) -> None:
    """Write `data` to `path` so that, whatever happens, there is the old file or the new one.

    Raises
    ------
    FFLabelsError
        When the folder is missing or read-only, or the disk is full; nothing is left behind then.
    """
    path = Path(path)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with aside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        raise FFLabelsError(f"cannot be written: {error.strerror or error}", where=str(path)) from error
    finally:
        aside.unlink(missing_ok=True)


def check_writable(path: str | Path) -> None:
    """Refuse a path that could not be written, before the work that would be lost."""
    path = Path(path)
    if path.is_dir():
        raise FFLabelsError("is a folder", where=str(path), expected="a file's name")
    if path.exists() and not path.is_file():
        raise FFLabelsError("is a device or a pipe", where=str(path), expected="a file's name")
    probe = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise FFLabelsError(f"cannot be written: {error.strerror or error}", where=str(path)) from error
