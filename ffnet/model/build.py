"""Build the layers of a net from its settings, with initial weights drawn from the seed."""

from __future__ import annotations

import torch
from torch import Tensor

from fflabels.arrays import Shape
from fflabels.errors import FFLabelsError
from ffnet.config import Config
from ffnet.labels.codes import Codes
from ffnet.model.forward_pass import Layers
from ffnet.model.goodness import CODE_POWER, get_goodness
from ffnet.model.layer import LocalLayer


def build_layers(config: Config, shape: Shape, *, label_channels: int = 0, codes: Codes | None = None) -> Layers:
    """Return the local layers, with initial weights drawn from the configuration's seed.

    Parameters
    ----------
    config, shape, label_channels, codes
        As for `Net`.

    Raises
    ------
    FFLabelsError
        If pooling and strides leave no pixel, a crop can remove a whole image, or a contrast has a single channel.
    """
    # Refuse settings that the loop below would not catch.
    net = config.net
    goodness = get_goodness(config.train.goodness)
    if config.algorithm == "ff" and min(net.widths) < goodness.min_channels:
        raise FFLabelsError(
            "a contrast compares two halves" if goodness.min_channels == 2 else "too few filters",
            where="net.widths", got=min(net.widths), expected=f"{goodness.min_channels} or more",
        )  # fmt: skip
    if config.train.crop >= min(shape[1:]):
        raise FFLabelsError(
            "leaves nothing of an image", where="train.crop", got=config.train.crop, expected=f"below {min(shape[1:])}"
        )

    # Build the layers; each receives the pooled maps of the previous one.
    generator = torch.Generator().manual_seed(config.seed)
    layers = Layers()
    channels, height, width = shape
    ones = (1,) * len(net.widths)
    for k, (filters, stride, pool) in enumerate(zip(net.widths, net.strides or ones, net.pools or ones, strict=True)):
        layer = LocalLayer(
            channels,
            filters,
            kernel=net.kernel,
            stride=stride,
            pool=pool,
            norm=net.norm,
            convolution=config.convolution,
            goodness_weight=_first_weights(config, config.code_lengths[k], codes),
            regions=(config.code_regions[k],) * 2,
            learn_goodness=codes is None or config.labels.goodness.learn,
            init=net.init,
            size=(height, width),
            full_gradient=config.train.relu_gradient == "full",
            generator=generator,
        )
        layers.append(layer)
        channels = filters + label_channels
        height, width = layer.pooled_size(height, width)
        if config.code_regions[k] > min(height, width) > 0:
            raise FFLabelsError(
                "more regions than pixels", where=f"labels.goodness.regions, layer {k + 1}", got=config.code_regions[k],
                expected=f"at most {min(height, width)}, the side of its pooled maps",
            )  # fmt: skip
        if height * width == 0:
            raise FFLabelsError(
                "no pixel is left after a layer",
                where=f"net.pools and net.strides, layer {k + 1}",
                got=f"images {shape[1]}×{shape[2]}",
                hint="pool less, or use larger images",
            )
    return layers


def _first_weights(config: Config, filters: int, codes: Codes | None) -> Tensor | None:
    """Return the initial weights of a layer's goodness, or its codes (labels, filters); None if it has neither."""
    if codes is not None:
        return codes.matrix(filters) * (config.labels.goodness.scale * float(filters**-CODE_POWER))
    first_weights = get_goodness(config.train.goodness).first_weights if config.algorithm == "ff" else None
    return first_weights(filters) if first_weights else None
