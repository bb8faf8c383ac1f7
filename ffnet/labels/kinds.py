"""What a name of labels in the settings stands for: a labeler, or a built-in set or a file."""

from __future__ import annotations

from pathlib import Path

from fflabels import LabelSet, get_labeler, registry
from fflabels.errors import FFLabelsError
from ffnet.config import Config

CODES_FORMAT = "ffnet codes"
"""The format of a run's file of codes, which holds one label set per width of its layers."""


def is_labeler(name: str) -> bool:
    """Return whether a name is that of a labeler (or ``path/to/file.py:Class``), not of a built-in set or a file."""
    if registry.IN_A_FILE.fullmatch(name):
        return True
    try:
        registry.find(name)
    except FFLabelsError:
        return not (":" in name or "/" in name or Path(name).suffix == ".json" or Path(name).is_file())
    return True


def names_codes(name: str) -> bool:
    """Return whether labels of this name are codes: a labeler or built-in set of codes, or a file of them.

    Of several names with commas the first decides. An unknown name names no codes.

    Raises
    ------
    FFLabelsError
        If the code of a labeler's file fails.
    """
    first = name.split(",")[0].strip()
    if registry.IN_A_FILE.fullmatch(first):
        return get_labeler(first).pattern == "code"
    try:
        if Path(first).is_file():
            return is_codes_file(Path(first)) or LabelSet.load(first).labeler.pattern == "code"
        kind = first if is_labeler(first) else first.rpartition(":")[0]
        return get_labeler(kind).pattern == "code"
    except FFLabelsError:
        return False


def offer_files(config: Config, source: Config | None = None) -> None:
    """Run the labeler files that these settings name, except those that `source` names, and offer their labelers."""
    theirs = _named_files(source) if source else []
    for name in _named_files(config):
        if name not in theirs:
            registry.offer_file(name)


def _named_files(config: Config) -> list[str]:
    if config.algorithm != "ff":  # labels are not used
        return []
    settings = config.labels
    names = [settings.set, settings.layers.set, *settings.goodness.set.split(",")]
    return [name.strip() for name in names if registry.IN_A_FILE.fullmatch(name.strip())]


def is_codes_file(path: Path) -> bool:
    """Return whether a file says that it holds a run's codes."""
    with path.open("rb") as file:
        return f'"format": "{CODES_FORMAT}"'.encode() in file.read(200)
