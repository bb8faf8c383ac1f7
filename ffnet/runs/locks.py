"""New run folders, and locks that let one process at a time work in a run folder."""

from __future__ import annotations

import errno
import itertools
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from fflabels.errors import FFLabelsError
from fflabels.files import write_whole
from ffnet.config import Config
from ffnet.data.layout import check_text
from ffnet.runs.files import ABOUT, CONFIG, LABELS, LAYER_LABELS, STARTED, remove_helpers
from ffnet.system.signals import Interrupted

RUNS = Path("runs")
"""Where a run gets its folder if none is given."""

LOCK = ".lock"
"""The file that the process working in a run folder holds."""

BEGUN = ".begun"
"""Marks a new folder until it holds a run, so that files of a killed process can be removed."""

BEGINNING = (BEGUN, LABELS, LAYER_LABELS, STARTED, ABOUT)
"""Files that a training writes before the folder holds a run."""

BUSY = 0.5
"""Seconds to wait for a lock: a process that works holds it longer, one that only looks (`is_locked`) does not."""


class LockedError(FFLabelsError):
    """Another process works in a run folder."""


def is_locked(folder: Path) -> bool:
    """Return whether a process works in a run folder; asking holds the lock for an instant (`BUSY`)."""
    if not (folder / LOCK).exists():
        return False
    try:
        with filelock.FileLock(folder / LOCK, timeout=0):
            return False
    except filelock.Timeout:
        return True
    except OSError as error:
        if not isinstance(error, PermissionError) and error.errno != errno.EROFS:
            raise
        return _is_locked_by_another_user(folder / LOCK)


def _is_locked_by_another_user(lock: Path) -> bool:
    """Return whether a process holds a lock that this one may not write, or not even read."""
    import fcntl  # not on Windows, where this is not reached

    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # not even readable: nobody can tell
        pass
    return False


@contextmanager
def new_run_folder(out: str | Path | None, config: Config) -> Iterator[Path]:
    """Make and lock the folder of a new run; if it fails before there is a run, remove a folder made here."""
    if out is not None:
        check_text(str(out), "out")
    folder, made = _new_folder(out, config)
    try:
        with locked(folder):
            _remove_beginning(folder)
            if others := [p for p in folder.iterdir() if p.name != LOCK]:
                hint = "ffnet resume continues it" if (folder / CONFIG).exists() else "choose another"
                raise FFLabelsError(
                    "not a new or empty folder", where=f"out {folder}", got=f"{len(others)} files", hint=hint
                )
            write_whole(folder / BEGUN, b"")
            try:
                yield folder
            finally:
                _remove_beginning(folder)
    except BaseException as error:
        if isinstance(error, Interrupted) and (folder / CONFIG).exists():
            error.folder = str(folder)
        if made and not isinstance(error, LockedError) and not (folder / CONFIG).exists():
            shutil.rmtree(folder, ignore_errors=True)
            if folder.parent == RUNS and not any(RUNS.iterdir()):
                RUNS.rmdir()
        raise


def _remove_beginning(folder: Path) -> None:
    """Remove the files of a training that ended before there was a run: no others."""
    remove_helpers(folder)
    if not (folder / BEGUN).exists() or (folder / CONFIG).exists():
        return
    for name in reversed(BEGINNING):  # the mark last: this process may be killed, too
        (folder / name).unlink(missing_ok=True)


def _new_folder(out: str | Path | None, config: Config) -> tuple[Path, bool]:
    """Return the folder of a new run, and whether it was made here."""
    if out is not None:
        folder = Path(out)
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            if folder.is_dir():
                return folder, False
            raise FFLabelsError(f"cannot be made: {error.strerror or error}", where=f"out {folder}") from error
        return folder, True
    labels = config.labels.set if config.algorithm == "ff" else config.algorithm
    labels = config.labels.goodness.set.partition(",")[0] if config.has_codes else labels
    labels = Path(labels).stem if Path(labels).is_file() else re.sub(r"[:/]", "-", re.sub(r".*\.py:", "", labels))
    name = f"{Path(config.data.name).name}-{labels}-{config.seed}"
    for k in itertools.count(1):
        folder = RUNS / (name if k == 1 else f"{name}-{k}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise FFLabelsError(f"cannot be made: {error.strerror or error}", where=str(folder)) from error
        return folder, True
    raise AssertionError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a run folder against other processes."""
    lock = filelock.FileLock(folder / LOCK, timeout=BUSY)
    try:
        lock.acquire(poll_interval=0.01)
    except filelock.Timeout:
        raise LockedError("another process is using this folder", where=str(folder)) from None
    except OSError as error:
        raise FFLabelsError(f"cannot be written: {error.strerror or error}", where=str(folder)) from error
    try:
        yield
    finally:
        lock.release()
