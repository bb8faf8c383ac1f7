"""Train and explain forward-forward networks with any label set of fflabels. Needs PyTorch."""

from importlib.metadata import version
from importlib.util import find_spec

from fflabels.errors import MissingExtraError

__version__ = version("fflabels")

if find_spec("torch") is None:
    raise MissingExtraError('ffnet needs PyTorch: pip install "fflabels[net]"')

from ffnet.baseline import BPNet
from ffnet.cam import activation_maps
from ffnet.classifier import FFClassifier
from ffnet.config import Config
from ffnet.data import Data, load_data
from ffnet.diagnosis import diagnose
from ffnet.embedding import EmbedLabel, LabelledPairs
from ffnet.ensemble import Ensemble
from ffnet.inference import predict
from ffnet.interrupts import Interrupted
from ffnet.metrics import evaluate
from ffnet.network import FFNet
from ffnet.presets import list_presets, load_preset
from ffnet.readings import goodness_scores
from ffnet.run import Run, load_run
from ffnet.session import resume, train
from ffnet.shortlists import fit_forecast
from ffnet.training import fit, label_set

__all__ = [
    "BPNet",
    "Config",
    "Data",
    "EmbedLabel",
    "Ensemble",
    "FFClassifier",
    "FFNet",
    "Interrupted",
    "LabelledPairs",
    "Run",
    "activation_maps",
    "diagnose",
    "evaluate",
    "fit",
    "fit_forecast",
    "goodness_scores",
    "label_set",
    "list_presets",
    "load_data",
    "load_preset",
    "load_run",
    "predict",
    "resume",
    "train",
]
