"""Train and explain forward-forward networks with any label set of fflabels. Needs PyTorch."""

from importlib.metadata import version
from importlib.util import find_spec

__version__ = version("fflabels")

if find_spec("torch") is None:
    raise ImportError('ffnet needs PyTorch: pip install "fflabels[net]"')
