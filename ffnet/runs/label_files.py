"""Label-set files that settings name: which labels a run has, and whether the file still holds them.

Files of codes (``labels.goodness.set``) are not looked at.
"""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any

import msgspec

from fflabels import LabelSet
from fflabels.label_set_file import parse, read_file
from fflabels.labelset import is_built_in
from fflabels.recipe import canonical_json, sha256
from ffnet.config import Config
from ffnet.labels.kinds import is_labeler
from ffnet.runs.files import LABELS, LAYER_LABELS

KEPT = {"labels.set": LABELS, "labels.layers.set": LAYER_LABELS}
"""The settings that may name a label-set file, and a run's copy of it."""


def digests(config: Config, folder: Path) -> dict[str, str]:
    """Return a hash of a run's labels for each setting that names a label-set file; needs no plugin."""
    files, ordered = _kept_files(config, folder), config.labels.assign == "order"
    return {key: sha256(canonical_json(_as_filed(kept, ordered))) for key, (_, kept) in files.items()}


def changed_file(config: Config, folder: Path) -> Path | None:
    """Return a label-set file that now holds other labels than the run that names it, or None."""
    ordered = config.labels.assign == "order"
    for path, kept in _kept_files(config, folder).values():
        if not path.is_file() or _as_filed(path, ordered) == _as_filed(kept, ordered):
            continue
        if _as_read(path, ordered) != _as_read(kept, ordered):
            return path
    return None


def _kept_files(config: Config, folder: Path) -> dict[str, tuple[Path, Path]]:
    """Return, for each setting that names a label-set file, that file and the run's copy, which exists."""
    if config.algorithm != "ff":
        return {}
    keys = KEPT.keys() - {"labels.set"} if config.has_codes else KEPT.keys()
    named = {key: operator.attrgetter(key)(config) for key in sorted(keys)}
    kept = {key: folder / KEPT[key] for key, name in named.items() if not (is_labeler(name) or is_built_in(name))}
    return {key: (Path(named[key]), path) for key, path in kept.items() if path.exists()}


def _as_filed(path: Path, ordered: bool) -> list[str]:
    """Return the labels of a file as text, sorted unless their order counts: a run may assign them to classes."""
    document = parse(read_file(path), str(path))
    return _labels(document.labeler.name, document.labeler.params, document.recipes, ordered)


def _as_read(path: Path, ordered: bool) -> list[str]:
    """Return the same as the labeler reads them: a file by hand, or of an older version, may leave out defaults."""
    labels = LabelSet.load(path, changed="ignore")
    recipes = [msgspec.to_builtins(recipe) for recipe in labels.recipes]
    return _labels(labels.labeler.name, msgspec.to_builtins(labels.labeler.params), recipes, ordered)


def _labels(name: str, params: Any, recipes: list[Any], ordered: bool) -> list[str]:
    texts = [canonical_json(recipe).decode() for recipe in recipes]
    return [name, canonical_json(params).decode(), *(texts if ordered else sorted(texts))]
