"""Explanations of a net whose labels are codes: which pixels decide between two labels, and which labels are alike.

Letters of shapes: N images, C channels, L labels, H×W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fflabels.errors import FFLabelsError
from ffnet.data.augment import views
from ffnet.evaluation.activation_maps import ActivationMaps, checked_classes, summed
from ffnet.inference.passes import decision_scores, layer_goodness
from ffnet.model.net import FFNet, Net
from ffnet.model.regions import times_slope
from ffnet.model.scores import scored_layers
from ffnet.system.devices import memory_errors


@dataclass(frozen=True)
class GoodnessMaps(ActivationMaps):
    """What each pixel adds to the goodness of a class, less that of a rival class.

    Attributes
    ----------
    rivals
        The class that each class is compared with, (N,) int64.
    """

    rivals: Tensor

    def titles(self, names: Sequence[str], right: Tensor | None = None) -> list[str]:
        """Return the titles of `ActivationMaps`, with the rival on one more line."""
        titles = super().titles(names, right)
        return [f"{title}\nnot {names[z]}" for title, z in zip(titles, self.rivals, strict=True)]


@memory_errors()
@torch.no_grad()
def goodness_maps(
    net: Net, images: Tensor, classes: Tensor | None = None, rivals: Tensor | None = None
) -> GoodnessMaps:
    """Return, for each layer whose goodness decides, which pixels favour a class over its rival [ours].

    With log-contrast, a pixel is, up to a constant, Σ over channels of (L_yc − L_zc)·y_c²/(s_c + 0.01) / pixels, after
    pooling: L are the codes of class and rival, y² is the squared activity, s its mean over the pixels. This is the
    share of the pixel in g_y − g_z, to first order. With ``inference.mirror`` the maps are the mean over both views.

    Parameters
    ----------
    net
        A net whose labels are codes.
    images
        (N, C, H, W), bytes or floats in [0, 1].
    classes, rivals
        (N,) integers; default: the class with the largest goodness, and the one with the largest of the others.

    Raises
    ------
    FFLabelsError
        If the labels of the net are pictures, or a class does not exist.

    Examples
    --------
    >>> import torch, ffnet
    >>> config = ffnet.load_preset("quick-digits").config
    >>> data = ffnet.load_data(config.data)
    >>> net = ffnet.FFNet(config, data.shape, ffnet.label_set(config, data))
    >>> maps = ffnet.goodness_maps(net, data.test.images[:2])
    >>> maps.total.shape, sorted(maps.layers)
    (torch.Size([2, 16, 16]), [2, 3])
    """
    net = _with_codes(net)
    # Which two classes to compare.
    images = net.prepare(torch.as_tensor(images))
    scores_NL = decision_scores(net, layer_goodness(net, images))
    classes_N = scores_NL.argmax(1) if classes is None else checked_classes(classes, scores_NL)
    others_NL = scores_NL.scatter(1, classes_N[:, None], -torch.inf)
    rivals_N = others_NL.argmax(1) if rivals is None else checked_classes(rivals, scores_NL)

    # The maps of each view, turned back, and their mean.
    layers: dict[int, Tensor] = {}
    with net.evaluating():
        all_views = views(images, net.config.inference.mirror)
        for mirrored, view_NCHW in enumerate(all_views):
            for k, y_NCHW in enumerate(net.activities(view_NCHW)):
                if k in scored_layers(net):
                    map_NHW = _layer_maps(net, k, y_NCHW, classes_N, rivals_N) / len(all_views)
                    map_NHW = map_NHW.flip(-1) if mirrored else map_NHW
                    layers[k + 1] = layers[k + 1] + map_NHW if mirrored else map_NHW
    return GoodnessMaps(classes_N.cpu(), layers, summed(layers, *images.shape[2:]), rivals_N.cpu())


def _layer_maps(net: FFNet, k: int, y_NCHW: Tensor, classes_N: Tensor, rivals_N: Tensor) -> Tensor:
    """Return the maps (N, h, w) of layer k, from 0, on the CPU."""
    layer = net.layers[k]
    pooled_NCHW = layer.pooled(y_NCHW)
    with torch.enable_grad():
        s_NC = layer.squares(pooled_NCHW).requires_grad_()
        g_NL = net.weighed(k, net.goodness_of(k, s_NC, layer.goodness_pixels(pooled_NCHW)))
        lead_N = (g_NL.gather(1, classes_N[:, None]) - g_NL.gather(1, rivals_N[:, None]))[:, 0]
        (slope_NC,) = torch.autograd.grad(lead_N.sum(), [s_NC])
    share_NCHW = times_slope(pooled_NCHW.to(slope_NC.dtype).square(), layer.regions, slope_NC) / 2
    return share_NCHW.sum(1).float().cpu()


@torch.no_grad()
def code_correlations(net: Net) -> dict[int, Tensor]:
    """Return the correlation of the codes of any two labels, (L, L), by the layer's number from 1.

    Codes that were learned show which classes a layer finds similar.

    Raises
    ------
    FFLabelsError
        If the labels of the net are pictures.
    """
    net = _with_codes(net)
    correlations = {}
    for k, layer in enumerate(net.layers):
        assert layer.goodness_weight is not None
        code_LC = layer.goodness_weight - layer.goodness_weight.mean(1, keepdim=True)
        unit_LC = code_LC / code_LC.norm(dim=1, keepdim=True).clamp_min(1e-12)
        correlations[k + 1] = (unit_LC @ unit_LC.T).cpu()
    return correlations


def _with_codes(net: Net) -> FFNet:
    """Return a net whose labels are codes; refuse others."""
    if not (isinstance(net, FFNet) and net.has_codes):
        raise FFLabelsError(
            "this net does not use codes", where="net", expected="a net trained with labels.goodness.set"
        )
    return net
