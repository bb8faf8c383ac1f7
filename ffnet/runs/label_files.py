"""Label-set files that settings name: which labels a run has, and whether the file still holds them."""

from __future__ import annotations

import operator
from pathlib import Path

from fflabels import LabelSet
from fflabels.label_set_file import parse, read_file
from fflabels.recipe import canonical_json, sha256
from ffnet.config import Config
from ffnet.runs.files import LABELS, LAYER_LABELS

KEPT = {"labels.set": LABELS, "labels.layers.set": LAYER_LABELS}
"""The settings that may name a label-set file, and a run's copy of it."""


def digests(config: Config, folder: Path) -> dict[str, str]:
    """Return a hash of a run's labels, in any order, for each setting that names a label-set file; needs no plugin."""
    return {key: sha256(canonical_json(_as_filed(kept))) for key, (_, kept) in _kept_files(config, folder).items()}


def changed_file(config: Config, folder: Path) -> Path | None:
    """Return a label-set file that now holds other labels than the run that names it, or None."""
    for path, kept in _kept_files(config, folder).values():
        if path.is_file() and _as_filed(path) != _as_filed(kept) and _as_read(path) != _as_read(kept):
            return path
    return None


def _kept_files(config: Config, folder: Path) -> dict[str, tuple[Path, Path]]:
    """Return, for each setting that names a label-set file, that file and the run's copy, which exists."""
    if config.algorithm != "ff":
        return {}
    keys = KEPT.keys() - {"labels.set"} if config.has_codes else KEPT.keys()
    named = {key: Path(operator.attrgetter(key)(config)) for key in sorted(keys)}
    both = {key: (path, folder / KEPT[key]) for key, path in named.items() if path.suffix == ".json"}
    return {key: (path, kept) for key, (path, kept) in both.items() if kept.exists()}


def _as_filed(path: Path) -> list[str]:
    """Return the labels of a file, sorted: a run may have reordered them for its classes."""
    document = parse(read_file(path), str(path))
    return [document.labeler.name, *sorted(canonical_json(recipe).decode() for recipe in document.recipes)]


def _as_read(path: Path) -> list[bytes]:
    """Return the same as the labeler reads them: a file by hand, or of an older version, may leave out defaults."""
    return sorted(recipe.to_json() for recipe in LabelSet.load(path, changed="ignore").recipes)
