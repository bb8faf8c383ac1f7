"""Where a search keeps its tries: Optuna's storages, by a file's name or a URL."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fflabels.errors import FFLabelsError, MissingExtraError

try:
    from optuna.storages import BaseStorage, JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock, JournalRedisBackend
except ModuleNotFoundError as error:
    raise MissingExtraError("a search needs Optuna", extra="sweep") from error

BEGINS = b'{"op_code":'
"""What every line of a journal begins with."""

DRIVERS = {"postgresql": "psycopg2-binary", "mysql": "pymysql", "redis": "redis"}
"""The driver package of each kind of database, which Optuna leaves to its user to install."""

ATTEMPTS = 5
"""Attempts at making the tables of a new database, a second apart."""

PACKAGES = ("optuna", "sqlalchemy", "redis")
"""Packages whose errors are errors of the storage."""


class Journal(JournalFileBackend):
    """A journal that stays usable when its last line was cut off by a full disk or a power failure.

    Raises
    ------
    FFLabelsError
        For a file that is no journal, or a line that is damaged; the file stays as it is.
    """

    def __init__(self, path: Path) -> None:
        self._lines_lock = JournalFileSymlinkLock(str(path))
        content = path.read_bytes() if path.exists() else b""
        if content and not (content.startswith(BEGINS) or BEGINS.startswith(content)):
            raise FFLabelsError("not the journal of a search", where=str(path), hint="--storage names another file")
        for number, line in enumerate(content.split(b"\n")[:-1], 1):
            if not _is_entry(line):
                hint = "remove this line to continue without it"
                raise FFLabelsError("damaged", where=f"{path}, line {number}", hint=hint)
        super().__init__(str(path), self._lines_lock)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add lines, in place of a last one without an end."""
        self._lines_lock.acquire()
        try:
            with Path(self._file_path).open("r+b") as file:
                content = file.read()
                file.truncate(content.rfind(b"\n") + 1)
        finally:
            self._lines_lock.release()
        super().append_logs(logs)


def _is_entry(line: bytes) -> bool:
    """Return whether a line of a journal is one that Optuna writes."""
    try:
        entry = json.loads(line)
    except ValueError:
        return False
    return isinstance(entry, dict) and isinstance(entry.get("op_code"), int) and "worker_id" in entry


def open_storage(place: str) -> BaseStorage:
    """Return the storage of a search: a journal file, or ``postgresql://…``, ``redis://…`` or another URL of Optuna's.

    Raises
    ------
    FFLabelsError
        When it is no journal, cannot be reached, or its driver is not installed.
    """
    kind = place.partition(":")[0].partition("+")[0]
    with storage_errors(place):
        if "://" not in place:
            return JournalStorage(Journal(Path(place)))
        try:
            return JournalStorage(JournalRedisBackend(place, prefix="ffnet")) if kind == "redis" else _database(place)
        except ImportError:
            driver = DRIVERS.get(kind, f"SQLAlchemy's driver for {kind}")
            raise MissingExtraError(f"--storage {kind}://… needs a driver: pip install {driver}") from None


def _database(url: str) -> RDBStorage:
    """Return a storage in a database; retry if another process is creating its tables."""
    from sqlalchemy.exc import IntegrityError, ProgrammingError

    for _ in range(ATTEMPTS - 1):
        with suppress(IntegrityError, ProgrammingError):
            return RDBStorage(url)
        time.sleep(1)
    return RDBStorage(url)


@contextmanager
def storage_errors(place: str) -> Iterator[None]:
    """Turn what fails in a storage into one line that names it."""
    try:
        yield
    except Exception as error:
        package = type(error).__module__.partition(".")[0]
        if isinstance(error, FFLabelsError) or not (isinstance(error, OSError) or package in PACKAGES):
            raise
        reason = getattr(error, "strerror", None) or next(iter(str(error).splitlines()), type(error).__name__)
        raise FFLabelsError(f"fails: {reason}", where=f"--storage {_without_password(place)}") from error


def _without_password(place: str) -> str:
    """Return a URL without what stands between its kind and its host."""
    kind, colon, rest = place.partition("://")
    return f"{kind}{colon}{rest.rpartition('@')[2]}" if colon else place
