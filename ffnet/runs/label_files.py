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


def kept_files(config: Config, folder: Path) -> dict[str, tuple[Path, Path]]:
    """Return, for each setting that names a label-set file, that file and the run's copy, which exists."""
    named = {key: Path(operator.attrgetter(key)(config)) for key in KEPT if config.algorithm == "ff"}
    both = {key: (path, folder / KEPT[key]) for key, path in named.items() if path.suffix == ".json"}
    return {key: (path, kept) for key, (path, kept) in both.items() if kept.exists()}


def digests(config: Config, folder: Path) -> dict[str, str]:
    """Return a hash of a run's labels, in order, for each setting that names a label-set file; needs no plugin."""
    found = {}
    for key, (_, kept) in kept_files(config, folder).items():
        document = parse(read_file(kept), str(kept))
        found[key] = sha256(canonical_json([document.labeler.name, document.recipes]))
    return found


def changed_file(config: Config, folder: Path) -> Path | None:
    """Return a label-set file that now holds other labels than the run that names it, or None."""
    for path, kept in kept_files(config, folder).values():
        if path.is_file() and _labels(path) != _labels(kept):
            return path
    return None


def _labels(path: Path) -> list[bytes]:
    """Return the labels of a file in any order: a run may have reordered them for its classes."""
    return sorted(recipe.to_json() for recipe in LabelSet.load(path, changed="ignore").recipes)
