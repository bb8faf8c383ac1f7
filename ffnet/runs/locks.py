"""Folders of runs: a new one is made, and held by one process at a time."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from fflabels.errors import FFLabelsError
from ffnet.config import Config
from ffnet.runs.folder import CONFIG

RUNS = Path("runs")
"""Where runs are made that are given no folder."""

LOCK = ".lock"
"""Held by the process that works in a run folder."""


class LockedError(FFLabelsError):
    """Another process works in a run folder."""


def is_locked(folder: Path) -> bool:
    """Return whether a process works in a run folder."""
    if not (folder / LOCK).exists():
        return False
    try:
        with filelock.FileLock(folder / LOCK, timeout=0):
            return False
    except filelock.Timeout:
        return True


@contextmanager
def new_run_folder(out: str | Path | None, config: Config) -> Iterator[Path]:
    """Make the folder of a new run and lock it; if no run comes of it, it is removed or left as it was."""
    folder, made = _new_folder(out, config)
    try:
        with locked(folder):
            if others := [p for p in folder.iterdir() if p.name != LOCK]:
                hint = "ffnet resume goes on with it" if (folder / CONFIG).exists() else "choose another"
                raise FFLabelsError(
                    "not a new or empty folder", where=f"out {folder}", got=f"{len(others)} files", hint=hint
                )
            yield folder
    except BaseException:
        if made and not (folder / CONFIG).exists():
            shutil.rmtree(folder, ignore_errors=True)
            if folder.parent == RUNS and not any(RUNS.iterdir()):
                RUNS.rmdir()
        raise


def _new_folder(out: str | Path | None, config: Config) -> tuple[Path, bool]:
    """Return the folder of a new run, and whether it was made just now."""
    if out is not None:
        folder = Path(out)
        there = folder.exists()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FFLabelsError(f"cannot be made: {error.strerror or error}", where=f"out {folder}") from error
        return folder, not there
    labels = config.labels.set if config.algorithm == "ff" else "bp"
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
    """Keep other processes out of a run folder."""
    lock = filelock.FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise LockedError("another process is at work there", where=str(folder)) from None
    except OSError as error:
        raise FFLabelsError(f"cannot be written: {error.strerror or error}", where=str(folder)) from error
    try:
        yield
    finally:
        lock.release()
