"""The seal of a finished run: its settings, and hashes of its labels, weights and results, to notice later changes.

The seal leaves out what changes no result (``data.root`` and ``device``), and files that may be written after the end:
readings of the test images, forecasts, reports.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from fflabels.errors import FFLabelsError
from fflabels.recipe import sha256
from ffnet.runs import files

SEAL = "seal.json"

SEALED_SINCE = 2
"""Run folders of this format and later have a seal once they are finished."""

UNSEALED = ("data.root", "device")
"""Settings that may change after the end: where the data are, and where to compute."""

INPUTS = (files.LABELS, files.LAYER_LABELS, files.STARTED)
"""Files that a run begins with: labels, and the weights of another run."""


class Seal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a run ended with.

    Attributes
    ----------
    settings
        The settings in config.toml by ``section.key``, without `UNSEALED`.
    data
        SHA-256 of the record of the data set in run.json, which holds the names of the classes.
    files
        SHA-256 of labels, weights and results, by file name.
    sha256
        SHA-256 of all the above.
    """

    settings: dict[str, Any]
    data: str
    files: dict[str, str]
    sha256: str = ""

    def digest(self) -> str:
        """Return the hash of everything but the hash."""
        return sha256(msgspec.json.encode(msgspec.structs.replace(self, sha256=""), order="sorted"))


def seal(folder: Path, results: bytes) -> None:
    """Write the seal of a run folder, for results that the caller writes next.

    Only `ffnet.runs.finish` calls this. The results are written after the seal, so that a folder with results always
    has one.
    """
    digests = {name: _digest(folder / name) for name in (*INPUTS, files.MODEL, files.UNTRAINED)}
    there = {name: digest for name, digest in digests.items() if digest}
    made = Seal(_settings(folder), _data(folder), {**there, files.RESULTS: sha256(results)})
    files.write_json(folder / SEAL, msgspec.structs.replace(made, sha256=made.digest()))


def check_seal(folder: Path, format_: int) -> None:
    """Refuse a finished run of which something was changed after its end. Runs of older formats have no seal.

    Parameters
    ----------
    folder
        The run folder; one without results is not checked.
    format_
        The format of the run folder.

    Raises
    ------
    DamagedError
        When a file that `ffnet.resume` makes again is not the one that the run ended with: weights, results, the seal.
    FFLabelsError
        When settings, the record of the data set or labels were changed: names the setting or the file.
    """
    if not (folder / files.RESULTS).exists():
        return
    if not (folder / SEAL).exists():
        if format_ < SEALED_SINCE:
            return
        raise files.DamagedError("is missing", where=str(folder / SEAL), hint=files.REBUILD_HINT)
    sealed = _read(folder / SEAL)

    # What the run began with: nothing can make it again.
    _check_settings(_settings(folder), sealed.settings, folder / files.CONFIG)
    restore = "put back the file that the run was trained with, or train in a new folder"
    if _data(folder) != sealed.data:
        what = "the record of the data set was changed after the run ended"
        raise FFLabelsError(what, where=str(folder / files.ABOUT), hint=restore)

    for name in INPUTS:
        if (present := _digest(folder / name)) != sealed.files.get(name):
            what = "not the file that the run began with" if present else "is missing"
            raise FFLabelsError(what, where=str(folder / name), hint=restore)

    # What training made. A missing file is reported by the code that reads it.
    for name in sealed.files.keys() - set(INPUTS):
        if _digest(folder / name) not in (None, sealed.files[name]):
            what = "damaged, or of another run: not the file that the run ended with"
            raise files.DamagedError(what, where=str(folder / name), hint=files.REBUILD_HINT)


def _check_settings(present: dict[str, Any], sealed: dict[str, Any], where: Path) -> None:
    """Refuse settings other than the sealed ones: names the first that differs."""
    for key in sorted(present.keys() | sealed.keys()):
        if present.get(key) != sealed.get(key):
            raise FFLabelsError(
                f"{key} was changed after the run ended",
                where=str(where),
                got=present.get(key, "nothing"),
                expected=f"{sealed.get(key, 'nothing')}",
                hint="put it back; train in a new folder to try other settings",
            )


def _read(path: Path) -> Seal:
    sealed = files.read_json(path, Seal, files.REBUILD_HINT, files.DamagedError)
    if sealed.sha256 != sealed.digest():
        raise files.DamagedError(
            "damaged: the content does not match its hash", where=str(path), hint=files.REBUILD_HINT
        )
    return sealed


def _settings(folder: Path) -> dict[str, Any]:
    """Return the settings as they stand in config.toml, so that later versions of ffnet read the same."""
    tree = tomllib.loads((folder / files.CONFIG).read_text(encoding="utf-8"))
    return {key: value for key, value in _flat(tree, "") if key not in UNSEALED}


def _flat(table: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _data(folder: Path) -> str:
    record = msgspec.json.decode((folder / files.ABOUT).read_bytes(), type=dict[str, Any])
    return sha256(msgspec.json.encode(record.get("data"), order="sorted"))


def _digest(path: Path) -> str | None:
    """Return the SHA-256 of a file, or None if it is not there."""
    return sha256(path.read_bytes()) if path.exists() else None
