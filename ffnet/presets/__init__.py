"""Presets: a TOML file an experiment, each on top of another one's settings or of the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import Any, NamedTuple

from fflabels.errors import FFLabelsError, nearest
from ffnet.config import Config, convert, read_toml
from ffnet.data.load import DATASETS


class Preset(NamedTuple):
    """A named configuration.

    Attributes
    ----------
    name, about
        What it is called, and one line on what it reproduces.
    ours
        Whether the recipe is this project's own, and not the paper's.
    config
        The settings.
    """

    name: str
    about: str
    ours: bool
    config: Config


def list_presets(pattern: str = "*") -> list[Preset]:
    """Return the presets whose names match a pattern such as ``paper-*``."""
    return [load_preset(name) for name in _names() if fnmatchcase(name, pattern)]


def load_preset(name: str) -> Preset:
    """Return a preset.

    Raises
    ------
    FFLabelsError
        For an unknown name: the nearest is named.
    """
    if name not in _names():
        raise FFLabelsError("no such preset", where="preset", got=name, hint=nearest(name, _names()))
    tree = _tree(name)
    about, ours = tree.pop("about"), tree.pop("ours")
    return Preset(name, about, ours, convert(tree, f"preset {name}"))


def quick_preset(dataset: str) -> Preset:
    """Return the quick preset that a data set is registered with; quick-digits for a folder."""
    known = DATASETS.get(dataset)
    preset = load_preset(known.preset if known else "quick-digits")
    return preset._replace(config=preset.config.replaced({"data.name": dataset, **(known.settings if known else {})}))


def _names() -> list[str]:
    return sorted(f.name.removesuffix(".toml") for f in files(__name__).iterdir() if f.name.endswith(".toml"))


def _tree(name: str) -> dict[str, Any]:
    own = read_toml(files(__name__).joinpath(f"{name}.toml").read_bytes(), f"preset {name}")
    base = own.pop("base", None)
    return _merged(_tree(base), own) if base else own


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(base)
    for key, value in own.items():
        found[key] = _merged(base[key], value) if isinstance(value, dict) and key in base else value
    return found
