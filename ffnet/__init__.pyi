# The public names. Each is imported when it is first used: see __init__.py.
from .config import Config as Config
from .data.dataset import Data as Data
from .data.load import load_data as load_data
from .estimator import FFClassifier as FFClassifier
from .evaluation.accuracy import evaluate as evaluate
from .evaluation.activation_maps import activation_maps as activation_maps
from .evaluation.diagnosis import diagnose as diagnose
from .evaluation.goodness_maps import code_correlations as code_correlations
from .evaluation.goodness_maps import goodness_maps as goodness_maps
from .fitting import fit as fit
from .fitting import fit_forecast as fit_forecast
from .inference.export import export_net as export_net
from .inference.passes import goodness_scores as goodness_scores
from .inference.predict import predict as predict
from .labels.torch_dataset import CollatePairs as CollatePairs
from .labels.torch_dataset import EmbedLabel as EmbedLabel
from .labels.torch_dataset import LabelledPairs as LabelledPairs
from .model.baseline import BPNet as BPNet
from .model.baseline import LocalNet as LocalNet
from .model.net import FFNet as FFNet
from .prepare import label_set as label_set
from .presets import list_presets as list_presets
from .presets import load_preset as load_preset
from .runs.ensemble import Ensemble as Ensemble
from .runs.folder import Run as Run
from .runs.folder import load_run as load_run
from .runs.session import resume as resume
from .runs.session import train as train
from .system.signals import Interrupted as Interrupted

__version__: str

def needs_torch() -> ImportError: ...
