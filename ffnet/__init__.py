"""Train, evaluate and explain forward-forward networks with any label set of fflabels. Needs PyTorch.

The public names are listed in ``__init__.pyi``. Each is imported when it is first used, so that what needs no PyTorch
starts without it, and only `FFClassifier` needs scikit-learn.
"""

from importlib.util import find_spec
from typing import Any

import lazy_loader

import fflabels
from fflabels.errors import MissingExtraError

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def needs_torch() -> MissingExtraError:
    """Return the error that says how to install PyTorch."""
    return MissingExtraError("ffnet needs PyTorch", extra="net")


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return fflabels.__version__
    if name in __all__ and find_spec("torch") is None:
        raise needs_torch()
    return _load(name)
