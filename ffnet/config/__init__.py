"""Settings: typed, read from TOML, overridden by ``section.key=value``.

Imports no other part of ffnet: it knows no data, net or run.
"""

from ffnet.config.config import Config, result_settings
from ffnet.config.sections import DataConfig, Inference

__all__ = ["Config", "DataConfig", "Inference", "result_settings"]
