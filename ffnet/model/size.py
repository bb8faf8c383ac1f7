"""The number of parameters of a net, by its settings alone. Imports no PyTorch."""

from __future__ import annotations

from fflabels.arrays import Shape
from ffnet.config import Config
from ffnet.model.goodness import get_goodness

REGIONS = 2
"""The classifier of a `LocalNet`'s layer sees the mean activity of this many regions along each side."""


def parameters(config: Config, shape: Shape, classes: int) -> int:
    """Return the number of parameters of a net, without the heads that are fitted after training.

    Parameters
    ----------
    config
        Algorithm, layers, labels and goodness.
    shape
        (C, H, W) of the images.
    classes
        Number of classes.

    Raises
    ------
    FFLabelsError
        If no goodness of the name is registered.
    """
    forward_forward, codes = config.algorithm == "ff", config.labels.goodness
    first_weights = get_goodness(config.train.goodness).first_weights
    label_channels = config.labels.layers.count if forward_forward else 0
    count, channels = 0, shape[0]
    for filters, code_length in zip(config.net.widths, config.code_lengths, strict=True):
        count += filters * (channels * config.net.kernel**2 + 1)
        channels = filters + label_channels
        if config.has_codes:
            count += classes * code_length if codes.learn else 0
        elif forward_forward and first_weights:
            count += first_weights(filters).numel()
        elif config.algorithm == "local":
            count += classes * (REGIONS**2 * filters + 1)
    if config.algorithm == "bp":
        count += classes * (config.net.widths[-1] + 1)
    return count
