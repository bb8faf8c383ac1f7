"""Files that are whole or not there: written aside, then renamed; and which existing files may be replaced."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from fflabels.errors import FFLabelsError

GENERATOR = "fflabels"
"""What pictures and pages that this package writes name as their software."""

PAGE_MARK = f'<meta name="generator" content="{GENERATOR}">'
"""Stands in the head of every HTML page."""

NAME_BYTES = 200
"""The name of the file that is written aside repeats this much of the final name; file systems allow 255 bytes."""


def write_whole(path: str | Path, data: bytes) -> None:
    """Write `data` to `path` so that, whatever happens, there is the old file or the new one.

    A symbolic link is followed: its target is replaced. A replaced file keeps its permissions.

    Raises
    ------
    FFLabelsError
        When the folder is missing or read-only, the file is read-only, or the disk is full; nothing is left behind.
    """
    target, mode = _target(Path(path))
    aside = _aside(target)
    try:
        with aside.open("xb") as file:
            if mode is not None:
                aside.chmod(mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(target)
    except OSError as error:
        raise FFLabelsError(f"cannot be written: {error.strerror or error}", where=str(path)) from error
    finally:
        with suppress(OSError):  # a read-only file system refuses this too, and must not hide the error above
            aside.unlink(missing_ok=True)


def check_writable(path: str | Path) -> None:
    """Refuse a path that could not be written, before the work that would be lost."""
    target, _ = _target(Path(path))
    probe = _aside(target)
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except (OSError, UnicodeEncodeError) as error:  # the latter where the system's names are ASCII
        reason = getattr(error, "strerror", None) or error
        raise FFLabelsError(f"cannot be written: {reason}", where=str(path)) from error


def is_our_picture(path: Path) -> bool:
    """Return whether a file is a PNG picture that this package wrote."""
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as picture:
            return bool(picture.info.get("Software") == GENERATOR)
    except Exception:  # decoders raise anything on foreign files
        return False


def is_our_page(path: Path) -> bool:
    """Return whether a file is an HTML page that this package wrote."""
    with path.open("rb") as file:
        return PAGE_MARK.encode() in file.read(1024)


def _target(path: Path) -> tuple[Path, int | None]:
    """Return the file that a path leads to, through symbolic links, and its permissions if it exists."""
    if not path.name:
        raise FFLabelsError("is a folder", where=str(path), expected="a file's name")
    try:
        target = Path(os.path.realpath(path)) if path.is_symlink() else path
        mode = target.stat().st_mode
    except FileNotFoundError:
        return target, None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise FFLabelsError(
            f"cannot be written: {getattr(error, 'strerror', None) or error}", where=str(path)
        ) from error
    if stat.S_ISDIR(mode):
        raise FFLabelsError("is a folder", where=str(path), expected="a file's name")
    if not stat.S_ISREG(mode):
        raise FFLabelsError("is a device or a pipe", where=str(path), expected="a file's name")
    if not mode & 0o222:
        raise FFLabelsError("is read-only: not replaced", where=str(path), hint="choose another name")
    return target, stat.S_IMODE(mode)


def _aside(target: Path) -> Path:
    """Return a new name in the same folder."""
    name = os.fsencode(target.name)[:NAME_BYTES].decode("utf-8", "ignore")
    return target.with_name(f".{name}.{secrets.token_hex(4)}")
