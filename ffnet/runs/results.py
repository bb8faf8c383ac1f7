"""The accuracies of a finished run, and how often its test images were read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from ffnet.evaluation.result import Evaluation
from ffnet.runs.files import READS, REBUILD_HINT, DamagedError, read_json


class Results(msgspec.Struct, frozen=True):
    """The accuracies of a finished run; None for a split without images, and for test images that were not read."""

    validation: Evaluation | None
    test: Evaluation | None

    @property
    def parts(self) -> list[Evaluation]:
        """The splits that there are, validation first."""
        return [part for part in (self.validation, self.test) if part]

    def to_builtins(self) -> dict[str, Any]:
        """Return what results.json holds."""
        return {name: part.to_builtins() if (part := getattr(self, name)) else None for name in ("validation", "test")}

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read results.json; errors name the file."""
        try:
            value = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Any] | None])
            parts = {name: Evaluation.from_builtins(part) for name, part in value.items() if part}
            return cls(parts.get("validation"), parts.get("test"))
        except (OSError, msgspec.DecodeError, LookupError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DamagedError(f"cannot be read: {reason}", where=str(path), hint=REBUILD_HINT) from None


class Reads(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often the test images were read."""

    test: int


def read_test_reads(folder: Path) -> int:
    """Return how often the test images of a run were read."""
    path = folder / READS
    return read_json(path, Reads, "remove it: counting starts again at 0").test if path.exists() else 0
