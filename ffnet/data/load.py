"""Load a data set by its name, or a folder of class folders.

A new data set is a function that is decorated with `register`; see `ffnet.data.sources`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ffnet.data.sources  # noqa: F401 - registers the built-in data sets
from fflabels.errors import FFLabelsError, nearest
from ffnet.config import Config, DataConfig
from ffnet.data.dataset import Data
from ffnet.data.folders import load_folder
from ffnet.data.registry import DATASETS, register
from ffnet.data.splits import SplitRule

__all__ = ["DATASETS", "KNOWN", "load_data", "register"]

KNOWN = DATASETS.keys()
"""The names of all registered data sets."""


BUILT_IN = frozenset(DATASETS)
"""Those of ffnet itself, whose range of values is known."""


def check_range(config: DataConfig) -> None:
    """Refuse ``data.range`` for a built-in data set."""
    if config.range != "type" and config.name in BUILT_IN:
        why = f"does not apply to {config.name}"
        hint = "it is for images of your own"
        raise FFLabelsError(why, where="data.range", got=config.range, expected="type", hint=hint)


def load_data(config: DataConfig | str, splits: SplitRule = "by class", **settings: Any) -> Data:
    """Return a data set.

    A fixed draw sets the validation images apart [ours: 10,000 of MNIST's, Fashion-MNIST's and the pairs' and 5,000 of
    CIFAR's training images, an eighth of others'].

    Parameters
    ----------
    config
        The settings ``data.*``, or only the name of a data set or a folder of class folders.
    splits
        How the splits of a folder of pictures are drawn; a run folder records it. Data sets that have a name draw
        theirs in one way, always.
    **settings
        Other settings ``data.*``: ``load_data("mnist", limit=1000)``.

    Raises
    ------
    FFLabelsError
        For an unknown name, a data set that is not there and cannot be downloaded, or a folder without classes.

    Examples
    --------
    >>> import ffnet
    >>> ffnet.load_data("digits", limit=100)
    Data('digits', 1×16×16, 10 classes, 100 training, 180 validation, 360 test images)
    """
    base = Config(data=DataConfig(name=config) if isinstance(config, str) else config)
    config = base.replaced({f"data.{key}": value for key, value in settings.items()}).data
    if dataset := DATASETS.get(config.name):
        return dataset.load(config)
    if config.name and Path(config.name).is_dir():
        return load_folder(Path(config.name), config, splits)
    moved = "--data says where the folder is now" if Path(config.name).is_absolute() else nearest(config.name, KNOWN)
    raise FFLabelsError("neither a data set nor a folder", where="data.name", got=config.name, hint=moved)
