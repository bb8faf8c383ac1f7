"""A run's file of codes: its format and its raw content. Imports no PyTorch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from fflabels import LabelSet
from fflabels.errors import FFLabelsError
from fflabels.label_set_file import Contents
from ffnet.labels.kinds import CODES_FORMAT

VERSION = 1

S = TypeVar("S", LabelSet, Contents)


@dataclass(frozen=True)
class CodeSets(Generic[S]):
    """A label set for each width of the layers."""

    sets: Mapping[int, S]

    def __len__(self) -> int:
        """Return the number of labels."""
        return len(next(iter(self.sets.values())))

    def origin(self, width: int) -> str:
        """Return one phrase on how the codes of a width were chosen, such as "code:hadamard"."""
        return origin_of(self.sets[width])


class FiledCodes(CodeSets[Contents]):
    """The codes of every layer as stored in a file, read without their labelers: they cannot be drawn."""

    @classmethod
    def load(cls, path: Path) -> FiledCodes:
        """Read a file of sets; errors as by `Codes.load`."""
        return cls({width: Contents.from_json(document, where) for width, where, document in documents(path)})


def origin_of(labels: LabelSet | Contents) -> str:
    """Return one phrase on how a label set was chosen, such as "code:hadamard"."""
    if labels.provenance.method == "classes":
        return f"{labels.labeler.name}:classes"
    built_in = labels.provenance.method.removeprefix("built-in set ")
    if built_in != labels.provenance.method:
        return f"{labels.labeler.name}:{built_in}"
    pool = f" of {labels.provenance.candidates}" if labels.provenance.candidates else ""
    return f"{labels.labeler.name}, {labels.provenance.method}{pool}"


def documents(path: Path) -> list[tuple[int, str, bytes]]:
    """Return the width, the name for errors, and the content of every set in a file of codes."""
    try:
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict) or content.get("format") != CODES_FORMAT or content.get("version") != VERSION:
            raise FFLabelsError(
                "not a file of codes", where=str(path), expected=f'"format": "{CODES_FORMAT}", "version": {VERSION}'
            )
        sets = content["sets"].items()
        if not sets:
            raise FFLabelsError("no codes", where=str(path), got="no set", expected="one for each width")
        return [(int(width), f"{path}: sets.{width}", json.dumps(document).encode()) for width, document in sets]
    except (OSError, ValueError, LookupError, AttributeError) as error:
        if isinstance(error, FFLabelsError):
            raise
        raise FFLabelsError(f"cannot be read: {getattr(error, 'strerror', None) or error}", where=str(path)) from None
