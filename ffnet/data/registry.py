"""The registry of data sets: `register` adds one by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from fflabels.errors import FFLabelsError
from ffnet.config import DataConfig
from ffnet.data.dataset import Data

Loader: TypeAlias = Callable[[DataConfig], Data]


@dataclass(frozen=True)
class DataSet:
    """A registered data set.

    Attributes
    ----------
    load
        Returns it, split, as the configuration says.
    about
        One line for users.
    preset
        The quick preset that ``ffnet train --dataset NAME`` starts from.
    settings
        What differs from that preset, by ``section.key``.
    """

    load: Loader
    about: str
    preset: str
    settings: Mapping[str, Any]


DATASETS: dict[str, DataSet] = {}
"""All registered data sets, by name."""


def register(
    name: str, about: str, *, preset: str = "quick-digits", settings: Mapping[str, Any] | None = None
) -> Callable[[Loader], Loader]:
    """Register the decorated function as the loader of a data set; see `DataSet` for the parameters.

    Raises
    ------
    FFLabelsError
        When the name is taken.
    """
    if name in DATASETS:
        raise FFLabelsError("the name is taken", where="data.name", got=name)

    def added(load: Loader) -> Loader:
        DATASETS[name] = DataSet(load, about, preset, settings or {})
        return load

    return added
