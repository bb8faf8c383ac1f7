"""Presets: named configurations, one TOML file per experiment, based on another preset or on the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import Any, NamedTuple

from fflabels.errors import FFLabelsError, nearest
from ffnet.config.config import Config, convert
from ffnet.config.toml import read_toml


class Preset(NamedTuple):
    """A named configuration.

    Attributes
    ----------
    name, about
        The name, and one line that describes the experiment.
    ours
        Whether the settings are this project's own, not the paper's.
    config
        The settings.
    """

    name: str
    about: str
    ours: bool
    config: Config


def list_presets(pattern: str = "*") -> list[Preset]:
    """Return the presets whose names match a pattern such as ``paper-*``.

    Examples
    --------
    >>> import ffnet
    >>> [preset.name for preset in ffnet.list_presets("paper-mnist*")]
    ['paper-mnist', 'paper-mnist-bp']
    """
    return [load_preset(name) for name in _names() if fnmatchcase(name, pattern)]


def load_preset(name: str) -> Preset:
    """Return the preset of this name.

    Raises
    ------
    FFLabelsError
        For an unknown name; the error suggests the nearest.

    Examples
    --------
    >>> import ffnet
    >>> ffnet.load_preset("paper-mnist").config.net.widths
    (128, 128, 128)
    """
    if name not in _names():
        raise FFLabelsError("no such preset", where="preset", got=name, hint=nearest(name, _names()))
    tree = _tree(name)
    about, ours = tree.pop("about"), tree.pop("ours")
    return Preset(name, about, ours, convert(tree, f"preset {name}"))


def quick_preset(dataset: str, *, pairs: bool = False) -> Preset:
    """Return the quick preset that a data set is registered with; quick-digits for a folder.

    With `pairs` its counterpart for labels in the image, such as pairs-digits.
    """
    from ffnet.data.load import DATASETS  # imports PyTorch, which presets do not need

    known = DATASETS.get(dataset)
    name = known.preset if known else "quick-digits"
    preset = load_preset(name.replace("quick-", "pairs-", 1) if pairs else name)
    return preset._replace(config=preset.config.replaced({"data.name": dataset, **(known.settings if known else {})}))


def _names() -> list[str]:
    return sorted(f.name.removesuffix(".toml") for f in files(__name__).iterdir() if f.name.endswith(".toml"))


def _tree(name: str) -> dict[str, Any]:
    """Return the settings of a preset, merged into those of the preset that it is based on."""
    tree = read_toml(files(__name__).joinpath(f"{name}.toml").read_bytes(), f"preset {name}")
    base = tree.pop("base", None)
    return merged(_tree(base), tree) if base else tree


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested tables with changes: tables are merged, anything else is replaced."""
    both = dict(base)
    for key, value in changes.items():
        both[key] = merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return both
