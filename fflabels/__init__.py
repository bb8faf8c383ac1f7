"""Design the labels of forward-forward networks: propose candidates, score their diversity, select the most diverse.

The public names are listed in ``__init__.pyi``. Each is imported when it is first used, so that a command that needs no
arrays starts without NumPy.
"""

from typing import Any

import lazy_loader

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("fflabels")
    return _load(name)
