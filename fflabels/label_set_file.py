"""The label-set file: its format, limits, strict parsing, and what it says without its labeler's code."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from fflabels import registry
from fflabels.arrays import Shape, check_shape
from fflabels.checks import check_intensity
from fflabels.errors import FFLabelsError, short
from fflabels.guard import draw
from fflabels.labeler import Labeler
from fflabels.origin import LabelerMark
from fflabels.recipe import MAX_RECIPES, canonical_json, first_not_finite, sha256
from fflabels.reference_imprints import ReferenceImprints
from fflabels.scores import Provenance, Scores, warning_of

FORMAT = "fflabels label set"

VERSION = 2

READABLE = (1, 2)
"""Versions that are read; version 1 has no reference imprints."""

MAX_BYTES = 64 << 20

SAMPLED = 8
"""Draws that the size of a file is estimated from."""


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file, but for its hash."""

    format: str
    version: int
    labeler: LabelerMark
    provenance: Provenance
    scores: Scores | None
    recipes: list[Any]
    imprints: ReferenceImprints | None = None


@dataclass(frozen=True)
class Contents:
    """The content of a label-set file, read without its labeler: for overviews that draw no label."""

    labeler: LabelerMark
    n: int
    provenance: Provenance
    scores: Scores | None

    def __len__(self) -> int:
        return self.n

    @property
    def warning(self) -> str | None:
        """As `LabelSet.warning`; plugins are not loaded here, and taken to overwrite no pixels."""
        ours = [e for e in registry.entries() if e.state == "builtin" and e.name == self.labeler.name]
        built_in = ours[0] if self.labeler.distribution == registry.DISTRIBUTION and ours else None
        overwrites = built_in and registry.load_class(built_in).overwrites
        return None if overwrites else warning_of(self.scores, self.provenance)

    @classmethod
    def load(cls, path: str | Path) -> Contents:
        """Read a label-set file; errors as by `LabelSet.load`, but for a labeler that is not installed."""
        return cls.from_json(read_file(path), str(path))

    @classmethod
    def from_json(cls, data: bytes, where: str = "label set") -> Contents:
        """Read the content of a label-set file."""
        document = parse(data, where)
        return cls(document.labeler, len(document.recipes), document.provenance, document.scores)


def read_file(path: str | Path) -> bytes:
    """Return the content of a file, at most a byte more than `MAX_BYTES`."""
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise FFLabelsError(f"cannot be read: {reason}", where=str(path)) from None


def parse(data: bytes, where: str) -> Document:
    """Return the document in a label-set file; refuse anything else, and whatever does not match its hash."""
    if len(data) > MAX_BYTES:
        raise FFLabelsError("too large for a label-set file", where=where, expected=f"at most {MAX_BYTES >> 20} MiB")

    # Strict JSON: UTF-8, no duplicate keys.
    try:
        content = json.loads(data.decode(), object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise FFLabelsError(f"not UTF-8: byte {error.start}", where=where) from None
    except RecursionError:
        raise FFLabelsError("nested too deeply", where=where) from None
    except ValueError as error:
        raise FFLabelsError(f"not a label-set file: {error}", where=where) from None

    # Format, version and size, before anything else is believed.
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        other = f'"format": "{content["format"]}"' if isinstance(content, dict) and "format" in content else None
        expected = f'an object with "format": "{FORMAT}"'
        raise FFLabelsError("not a label-set file", where=where, got=other, expected=expected)
    if content.get("version") not in READABLE:
        raise FFLabelsError(
            "unknown version of the label-set file",
            where=where,
            got=content.get("version"),
            expected=" or ".join(map(str, READABLE)),
            hint="is there a newer fflabels?",
        )
    recipes = content.get("recipes")
    if isinstance(recipes, list) and not 1 <= len(recipes) <= MAX_RECIPES:
        raise FFLabelsError("bad number of recipes", where=where, got=len(recipes), expected=f"1 to {MAX_RECIPES}")

    # The hash of the content, which has finite numbers only.
    stated = content.pop("sha256", None)
    try:
        actual = sha256(canonical_json(content))
    except RecursionError:  # the writer's depth is a little less than the reader's
        raise FFLabelsError("nested too deeply", where=where) from None
    except UnicodeEncodeError:
        raise FFLabelsError("not text: half of a surrogate pair", where=where) from None
    except ValueError:
        bad = first_not_finite(content)
        assert bad
        place = f"{where}: {short(bad[0])}"
        raise FFLabelsError("not finite", where=place, got=bad[1], expected="a finite number") from None
    if stated != actual:
        raise FFLabelsError(
            "damaged or edited: the content does not match its hash", where=where, got=str(stated), expected=actual
        )

    # The fields and their types.
    try:
        document = msgspec.convert(content, Document)
    except msgspec.ValidationError as error:
        raise FFLabelsError(f"not a label-set file: {error}", where=where) from None
    if scores := document.scores:
        check_shape(scores.shape, where=f"{where}: scores.shape")
        labels = len(document.recipes)
        if scores.visibility is not None and len(scores.visibility) != labels:
            got, expected = len(scores.visibility), str(labels)
            raise FFLabelsError("not one per label", where=f"{where}: scores.visibility", got=got, expected=expected)
        if scores.intensity is not None:
            check_intensity(scores.intensity, f"{where}: scores.intensity")
        for metric, summary in scores.similarity.items():
            if summary.pair and not (0 <= min(summary.pair) < max(summary.pair) < labels):
                place, expected = f"{where}: scores.similarity.{metric}.pair", f"two labels, from 0 to {labels - 1}"
                raise FFLabelsError("not a pair of labels", where=place, got=summary.pair, expected=expected)
    if document.imprints:
        document.imprints.checked(len(document.recipes), where)
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        [(twice, _), *_] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"duplicate key {twice[:40]!r}")
    return content


def is_label_set(path: Path) -> bool:
    """Return whether a file is a label set, of any version and also a damaged one: JSON that says so at the top."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return False
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("format") == FORMAT


def check_size(labeler: Labeler[Any], n: int, shape: Shape, seed: int, where: str = "n") -> None:
    """Refuse a number of labels whose file would be too large to read, estimated from a few draws.

    `where` is the name of `n` for the error.
    """
    sample = [draw(labeler, np.random.default_rng([seed, j]), shape) for j in range(SAMPLED)]
    bytes_each = len(indented([msgspec.to_builtins(recipe) for recipe in sample])) / SAMPLED
    if n * bytes_each > MAX_BYTES:
        raise too_large(int(n * bytes_each), n, where)


def too_large(size: int, n: int, where: str) -> FFLabelsError:
    """Return the error for a file of `size` bytes with n recipes."""
    return FFLabelsError(
        f"{n} recipes are too large for a label-set file", where=where, got=f"{size >> 20} MiB",
        expected=f"at most {MAX_BYTES >> 20} MiB", hint=f"about {max(1, n * MAX_BYTES // size)} labels fit",
    )  # fmt: skip


def indented(content: Any) -> bytes:
    """Return JSON with sorted keys, as the file has it."""
    return json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False).encode()
