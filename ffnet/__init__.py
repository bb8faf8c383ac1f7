"""Train and explain forward-forward networks with any label set of fflabels. Needs PyTorch."""

from importlib.metadata import version
from importlib.util import find_spec

__version__ = version("fflabels")

if find_spec("torch") is None:
    raise ImportError('ffnet needs PyTorch: pip install "fflabels[net]"')

from ffnet.baseline import BPNet
from ffnet.config import Config
from ffnet.data import Data, load_data
from ffnet.embedding import EmbedLabel, LabelledPairs
from ffnet.inference import goodness_scores, predict
from ffnet.metrics import evaluate
from ffnet.network import FFNet
from ffnet.training import fit, label_set

__all__ = [
    "BPNet",
    "Config",
    "Data",
    "EmbedLabel",
    "FFNet",
    "LabelledPairs",
    "evaluate",
    "fit",
    "goodness_scores",
    "label_set",
    "load_data",
    "predict",
]
