"""Class activation maps: which pixels are evidence for a class, and which against it (paper, section on CAMs).

Letters of shapes: N images, C channels or classes, H×W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from fflabels.errors import FFLabelsError
from ffnet.data.augment import views
from ffnet.model.net import Net
from ffnet.system.devices import memory_errors


@dataclass(frozen=True)
class ActivationMaps:
    """Class activation maps of N images, each for one class.

    Attributes
    ----------
    classes
        The class that each map is for, (N,) int64.
    layers
        The maps of each layer that the classifier uses, by the layer's number from 1: (N, h, w) float32 at the size of
        the layer. A value is the pixel's contribution to the class's logit; positive is evidence for the class.
    total
        The sum over layers at the size of the images, (N, H, W) float32. Each layer is resized so that its sum stays
        the same (within a few hundredths if the sizes do not divide).
    """

    classes: Tensor
    layers: dict[int, Tensor]
    total: Tensor

    def titles(self, names: Sequence[str], right: Tensor | None = None) -> list[str]:
        """Return a title per image: its class or, if the right classes (N,) are given, "right → predicted".

        `names` are those of all classes. The predicted class is on a line of its own.
        """
        if right is None:
            return [names[y] for y in self.classes]
        return [f"{names[r]}\n→ {names[y]}" for r, y in zip(right, self.classes, strict=True)]


@memory_errors()
def activation_maps(net: Net, images: Tensor, classes: Tensor | None = None) -> ActivationMaps:
    """Return the class activation maps of images: Σ over channels of weight × activity.

    The linear classifier of an `FFNet` uses the layers that count in a neutral pass; the head of a `BPNet` or of a
    `LocalNet` uses the last layer. Both are linear in these activities, so the maps of all layers add up to the logit,
    up to a constant per class. With ``inference.mirror`` the maps are the mean over both views.

    Parameters
    ----------
    net
        `FFNet` with its linear classifier fitted, `BPNet` or `LocalNet`.
    images
        (N, C, H, W), bytes or floats in [0, 1].
    classes
        (N,) integers; default: the predicted classes.

    Raises
    ------
    FFLabelsError
        If the linear classifier was not fitted, or a class does not exist.

    Examples
    --------
    >>> import torch, ffnet
    >>> net = ffnet.BPNet(ffnet.Config(algorithm="bp"), (1, 16, 16), classes=10)
    >>> maps = ffnet.activation_maps(net, torch.rand(3, 1, 16, 16))
    >>> maps.total.shape, maps.layers[3].shape
    (torch.Size([3, 16, 16]), torch.Size([3, 4, 4]))
    """
    # One forward pass per view, and its maps for the given or predicted classes.
    with net.evaluating(), torch.enable_grad():
        passes = [net.evidence(view) for view in views(torch.as_tensor(images), net.config.inference.mirror)]
        logits_NC = torch.stack([logits for _, logits in passes]).mean(0)
        classes_N = logits_NC.argmax(1) if classes is None else checked_classes(classes, logits_NC)
        first, *mirrored = [_maps(activities, logits, classes_N) for activities, logits in passes]

    # The mean over views, then the sum over layers at the size of the images.
    layers = {
        number: torch.stack([map_NHW, *(view_maps[number].flip(-1) for view_maps in mirrored)]).mean(0)
        for number, map_NHW in first.items()
    }
    return ActivationMaps(classes_N.cpu(), layers, summed(layers, *images.shape[2:]))


def _maps(activities: dict[int, Tensor], logits_NC: Tensor, classes_N: Tensor) -> dict[int, Tensor]:
    """Return the contribution of every pixel of these activities to the logit of one class per image."""
    slopes = torch.autograd.grad(logits_NC.gather(1, classes_N[:, None]).sum(), list(activities.values()))
    return {
        number: (y_NCHW * slope_NCHW).sum(1).detach().float().cpu()
        for (number, y_NCHW), slope_NCHW in zip(activities.items(), slopes, strict=True)
    }


def summed(layers: Mapping[int, Tensor], height: int, width: int) -> Tensor:
    """Return the sum of maps, each resized bilinearly with the same sum (nearly, if sizes do not divide)."""
    total_NHW = torch.zeros(1, height, width)
    for map_NHW in layers.values():
        large_NHW = F.interpolate(map_NHW[:, None], (height, width), mode="bilinear", align_corners=False)[:, 0]
        total_NHW = total_NHW + large_NHW * (map_NHW.shape[1] * map_NHW.shape[2] / (height * width))
    return total_NHW


def checked_classes(classes: Tensor, logits_NC: Tensor) -> Tensor:
    """Return classes (N,) int64 on the device of the logits; refuse ones that do not exist."""
    images, count = logits_NC.shape
    classes_N = torch.as_tensor(classes).to(logits_NC.device)
    integers = classes_N.shape == (images,) and not classes_N.is_floating_point()
    if not integers or not ((classes_N >= 0) & (classes_N < count)).all():
        expected = f"{images} integers from 0 to {count - 1}"
        raise FFLabelsError("bad classes", where="classes", got=f"{classes}", expected=expected)
    return classes_N.long()
