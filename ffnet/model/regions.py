"""The input of a goodness that has a number for each region of each channel, and the gradient of that input [ours].

Letters of shapes: N samples, C channels, H×W pixels, R×R regions (or another number along each side).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ffnet.model.fast_cpu.maps import accumulate_dtype, mean_squares

Regions = tuple[int, int]
WHOLE: Regions = (1, 1)
"""One region: the whole map."""


def region_squares(y_NCHW: Tensor, regions: Regions) -> Tensor:
    """Return s, (N, channels × regions): the mean of y² over each region's pixels."""
    if regions == WHOLE:
        return mean_squares(y_NCHW)
    return F.adaptive_avg_pool2d(y_NCHW.to(accumulate_dtype(y_NCHW)).square(), regions).flatten(1)


def region_means(y_NCHW: Tensor, regions: Regions) -> Tensor:
    """Return the mean activity of each region, (N, C, R, R); its gradient is summed in a fixed order on a GPU too."""
    height, width = y_NCHW.shape[2:]
    overlap = height % regions[0] or width % regions[1]
    if not overlap or y_NCHW.device.type == "cpu":
        return F.adaptive_avg_pool2d(y_NCHW, regions)
    return _pooled_by_matrices(y_NCHW, regions)


def _pooled_by_matrices(y_NCHW: Tensor, regions: Regions) -> Tensor:
    """Return adaptive average pooling, as products with two matrices."""
    sides = zip(y_NCHW.shape[2:], regions, strict=True)
    rows_RH, columns_RW = (_pooling_matrix(side, count, y_NCHW) for side, count in sides)
    return rows_RH @ y_NCHW @ columns_RW.T


def times_slope(y_NCHW: Tensor, regions: Regions, slope_NC: Tensor) -> Tensor:
    """Return ∂loss/∂y = 2·y·∂loss/∂s ÷ pixels per region, given y and ∂loss/∂s with s from `region_squares`."""
    (height, width), (down, across) = y_NCHW.shape[2:], regions
    slope_NCRR = 2 * slope_NC.view(*y_NCHW.shape[:2], *regions)
    if height % down or width % across:  # regions overlap
        rows_RH, columns_RW = (_pooling_matrix(*sides, slope_NC) for sides in ((height, down), (width, across)))
        return y_NCHW * (rows_RH.T @ (slope_NCRR @ columns_RW)).to(y_NCHW.dtype)
    slope_NCRR = (slope_NCRR * (down * across / (height * width))).to(y_NCHW.dtype)
    if regions == WHOLE:
        return y_NCHW * slope_NCRR
    # Repeat the slopes over the pixels of their regions: on a CPU much faster than a product that broadcasts them.
    slope_NCRR = slope_NCRR.contiguous(memory_format=torch.channels_last)
    return y_NCHW * F.interpolate(slope_NCRR, (height, width))


def _pooling_matrix(side: int, count: int, like: Tensor) -> Tensor:
    """Return adaptive average pooling along one axis as a matrix (regions, pixels).

    A matrix, because the gradient of PyTorch's pooling is summed in no fixed order on a GPU.
    """
    region_R1, pixel_S = torch.arange(count, device=like.device)[:, None], torch.arange(side, device=like.device)
    inside_RS = (pixel_S >= region_R1 * side // count) & (pixel_S < -(-(region_R1 + 1) * side // count))
    inside_RS = inside_RS.to(like.dtype)
    return inside_RS / inside_RS.sum(1, keepdim=True)
