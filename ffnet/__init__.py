"""Train, evaluate and explain forward-forward networks with any label set of fflabels. Needs PyTorch."""

from importlib.metadata import version
from importlib.util import find_spec

from fflabels.errors import MissingExtraError

__version__ = version("fflabels")

if find_spec("torch") is None:
    raise MissingExtraError('ffnet needs PyTorch: pip install "fflabels[net]"')

from ffnet.config import Config
from ffnet.data.dataset import Data
from ffnet.data.load import load_data
from ffnet.estimator import FFClassifier
from ffnet.evaluation.accuracy import evaluate
from ffnet.evaluation.activation_maps import activation_maps
from ffnet.evaluation.diagnosis import diagnose
from ffnet.evaluation.goodness_maps import code_correlations, goodness_maps
from ffnet.fitting import fit, fit_forecast
from ffnet.inference.passes import goodness_scores
from ffnet.inference.predict import predict
from ffnet.labels.torch_dataset import EmbedLabel, LabelledPairs
from ffnet.model.baseline import BPNet
from ffnet.model.net import FFNet
from ffnet.prepare import label_set
from ffnet.presets import list_presets, load_preset
from ffnet.runs.ensemble import Ensemble
from ffnet.runs.folder import Run, load_run
from ffnet.runs.session import resume, train
from ffnet.system.signals import Interrupted

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
    "code_correlations",
    "diagnose",
    "evaluate",
    "fit",
    "fit_forecast",
    "goodness_maps",
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
