"""Class activation maps: which pixels speak for a class and which against it (paper, section on CAMs)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from fflabels.errors import FFLabelsError
from ffnet.data.augment import views
from ffnet.data.images import check_images_fit
from ffnet.inference.passes import evaluating, flattened
from ffnet.model.baseline import BPNet
from ffnet.model.net import FFNet, Net
from ffnet.system.devices import memory_errors


@dataclass(frozen=True)
class ActivationMaps:
    """Maps of N images, each for one class.

    Attributes
    ----------
    classes
        (N,) int64: whose evidence is shown.
    layers
        The maps of each layer that the classifier reads, by the layer's number from 1: (N, h, w) float32, as many
        pixels as the layer has. What a pixel adds to the class's logit: positive speaks for the class.
    total
        (N, H, W) float32, the size of the images: the sum over layers, each spread over the pixels that it sees, so
        that a layer's sum stays the same, or nearly so where the sizes do not divide.
    """

    classes: Tensor
    layers: dict[int, Tensor]
    total: Tensor


@memory_errors()
def activation_maps(net: Net, images: Tensor, classes: Tensor | None = None) -> ActivationMaps:
    """Return the class activation maps of images: Σ over channels of weight × activity.

    Both classifiers are linear in what they read, so that the maps of all layers add up to the logit, but for a
    constant of the class. A forward-forward net is read as its linear classifier reads it: one neutral pass, the layers
    that count. A back-propagation net has one layer that is read, the last. With ``inference.mirror`` the maps are the
    mean of both sides'.

    Parameters
    ----------
    net
        `FFNet` with its classifier fitted, or `BPNet`.
    images
        (N, C, H, W), bytes or floats in [0, 1].
    classes
        (N,) integers; the predicted ones unless given.

    Raises
    ------
    FFLabelsError
        When the classifier was not fitted, or a class does not exist.
    """
    with evaluating(net), torch.enable_grad():
        seen = views(torch.as_tensor(images), net.config.inference.mirror)
        reads = [_read_bp(net, view) if isinstance(net, BPNet) else _read_ff(cast(FFNet, net), view) for view in seen]
        logits_NC = torch.stack([logits for _, logits in reads]).mean(0)
        chosen_N = logits_NC.argmax(1) if classes is None else _checked(classes, logits_NC)
        first, *mirrored = [_maps(read, logits, chosen_N) for read, logits in reads]
    layers = {
        number: torch.stack([map_NHW, *(side[number].flip(-1) for side in mirrored)]).mean(0)
        for number, map_NHW in first.items()
    }
    height, width = images.shape[2:]
    total_NHW = sum((_spread(map_NHW, height, width) for map_NHW in layers.values()), torch.zeros(1, height, width))
    return ActivationMaps(chosen_N.cpu(), layers, total_NHW)


def _read_ff(net: FFNet, images: Tensor) -> tuple[dict[int, Tensor], Tensor]:
    """Return the activities that the linear classifier reads, as leaves of a graph, and its logits."""
    if net.linear is None:
        raise FFLabelsError("no linear classifier", where="net", expected="a net whose classifier was fitted")
    with torch.no_grad():
        activities = list(net.activities(net.embedder.neutral(net.prepare(images))))
    read = {k + 1: activities[k].float().requires_grad_() for k in net.counted}
    return read, net.linear(torch.cat([flattened(net, y_NCHW) for y_NCHW in read.values()], 1))


def _read_bp(net: BPNet, images: Tensor) -> tuple[dict[int, Tensor], Tensor]:
    """Return the last layer's pooled activity, as a leaf of a graph, and the logits."""
    check_images_fit(images, net.shape)
    with torch.no_grad():
        maps_NCHW = net.last_maps(images.to(net.device))
    maps_NCHW = maps_NCHW.float().requires_grad_()
    return {len(net.layers): maps_NCHW}, net.logits_of_maps(maps_NCHW)


def _maps(read: dict[int, Tensor], logits_NC: Tensor, chosen_N: Tensor) -> dict[int, Tensor]:
    """Return what every pixel of the activities that were read adds to the logit of a class."""
    slopes = torch.autograd.grad(logits_NC.gather(1, chosen_N[:, None]).sum(), list(read.values()))
    return {
        number: (y_NCHW * slope_NCHW).sum(1).detach().float().cpu()
        for (number, y_NCHW), slope_NCHW in zip(read.items(), slopes, strict=True)
    }


def _spread(map_NHW: Tensor, height: int, width: int) -> Tensor:
    """Return maps at the images' size, smoothly, with the same sum (within a hundredth where sizes do not divide)."""
    large_NHW = F.interpolate(map_NHW[:, None], (height, width), mode="bilinear", align_corners=False)[:, 0]
    return large_NHW * (map_NHW.shape[1] * map_NHW.shape[2] / (height * width))


def _checked(classes: Tensor, logits_NC: Tensor) -> Tensor:
    count = logits_NC.shape[1]
    found = torch.as_tensor(classes).to(logits_NC.device)
    if found.shape != logits_NC.shape[:1] or found.is_floating_point() or not ((found >= 0) & (found < count)).all():
        raise FFLabelsError(
            "bad classes",
            where="classes",
            got=f"{classes}",
            expected=f"{len(logits_NC)} integers from 0 to {count - 1}",
        )
    return found.long()
