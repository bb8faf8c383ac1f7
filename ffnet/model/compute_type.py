"""Which type activations are computed in when the configuration leaves it open (``dtype = "auto"``)."""

from __future__ import annotations

import msgspec
import torch

from fflabels.arrays import Shape
from ffnet.config import Config
from ffnet.model.fast_cpu import spectral
from ffnet.system.devices import has_bfloat16

FLOAT32_SAVING = 5.0
"""Where Fourier transforms save more multiplications than this factor, float32 with them is faster on a CPU than
bfloat16 without. Measured on an AMD EPYC with avx512_bf16: at 11 (3×128 filters 7×7) a step takes half the time, at 7.5
(3×64) two thirds, at 3 (3×3 filters) 1.8 times as long. Not measured on a processor with AMX."""


def with_dtype(config: Config, device: torch.device, shape: Shape | None = None) -> Config:
    """Return the configuration with ``dtype = "auto"`` resolved to the faster type on a device.

    bfloat16 if the device computes it natively, unless `shape`, (C, H, W), shows that the net's costliest convolution
    is much cheaper by Fourier transforms, which are in float32. Goodness is summed in float32 either way.
    """
    if config.dtype != "auto":
        return config
    by_transforms = shape is not None and device.type == "cpu" and _largest_saving(config, shape) > FLOAT32_SAVING
    dtype = "bfloat16" if has_bfloat16(device) and not by_transforms else "float32"
    return msgspec.structs.replace(config, dtype=dtype)


def _largest_saving(config: Config, shape: Shape) -> float:
    """Return the factor by which transforms save multiplications in the convolution with the most of them."""
    if config.convolution == "direct":
        return 1.0
    net, (channels, height, width) = config.net, shape
    depth = len(net.widths)
    samples = config.train.batch * (1 if config.has_codes else 1 + config.train.negatives_each)
    strides, pools = net.strides or (1,) * depth, net.pools or (1,) * depth
    costs = []
    for filters, stride, pool, regions in zip(net.widths, strides, pools, config.code_regions, strict=True):
        multiplications = channels * filters * height * width / stride**2
        fits = stride == 1 and regions == 1
        saving = spectral.saving(samples, channels, filters, height, width, net.kernel) if fits else 1.0
        costs.append((multiplications, saving))
        height, width = (max(1, -(-side // stride) // pool) for side in (height, width))
        channels = filters
    return max(costs)[1]
