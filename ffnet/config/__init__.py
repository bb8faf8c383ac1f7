"""Settings: typed, read from TOML, overridden by ``section.key=value``.

Imports no other part of ffnet: it knows no data, net or run.
"""

from ffnet.config.config import (
    BASELINE_SETTINGS,
    PAIRS_ONLY,
    REMOVED,
    Config,
    convert,
    result_settings,
    type_of,
    used_settings,
)
from ffnet.config.sections import (
    Convolution,
    DataConfig,
    Fraction,
    Inference,
    InferenceConfig,
    Natural,
    Positive,
    TrainConfig,
)
from ffnet.config.toml import read_toml, typed

__all__ = [
    "BASELINE_SETTINGS",
    "PAIRS_ONLY",
    "REMOVED",
    "Config",
    "Convolution",
    "DataConfig",
    "Fraction",
    "Inference",
    "InferenceConfig",
    "Natural",
    "Positive",
    "TrainConfig",
    "convert",
    "read_toml",
    "result_settings",
    "type_of",
    "typed",
    "used_settings",
]
