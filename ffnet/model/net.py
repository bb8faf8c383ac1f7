"""The stack of local layers, the labels it reads, and which layers count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fflabels import LabelSet
from fflabels.arrays import Shape
from fflabels.errors import FFLabelsError
from ffnet.config import Config
from ffnet.inference.linear import Forecast, Readout
from ffnet.inference.weights import Calibration
from ffnet.labels.embed import Embedded, Embedder, check_images_fit, unit
from ffnet.labels.waves import code, patterns
from ffnet.model.goodness import get_goodness
from ffnet.model.layer import LocalLayer, mean_squares
from ffnet.system.devices import with_dtype
from ffnet.system.ranks import ALONE, Ranks

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}


class FFNet(nn.Module):
    """A forward-forward CNN: layers that learn alone, and the label set that it was trained with.

    Parameters
    ----------
    config
        Decides layers, goodness, intensity K, compute type and the weights' seed.
    shape
        (C, H, W) of the images.
    labels
        One a class.

    Attributes
    ----------
    layers
        The local layers.
    counted
        Indices of the layers whose goodness and neurons count: all but the first, unless ``first_layer="include"``.
    readout
        The linear classifier, or None before it was fitted.
    forecast
        What a halving begins with, or None before it was fitted.
    calibration
        What goodness is corrected by, or None where it is not, or before it was fitted.
    channel_weight
        The fitted weight of every channel of the layers that count, layer after layer; None before it was fitted.
    offered_code
        Which waves later layers are offered for each label (`ffnet.labels.waves.code`), or None where they are not.
    """

    def __init__(self, config: Config, shape: Shape, labels: LabelSet) -> None:
        super().__init__()
        config = with_dtype(config, torch.device("cpu"))
        self.config, self.shape, self.labels = config, shape, labels
        self.dtype = DTYPES[config.dtype]
        self.goodness = get_goodness(config.train.goodness)
        self.layers = build_layers(config, shape, offered=config.net.offered)
        first = config.net.first_layer
        self.counted = range(0 if first == "include" else 1, len(self.layers))
        self.readout: Readout | None = None
        self.forecast: Forecast | None = None
        self.calibration: Calibration | None = None
        self.channel_weight: Tensor | None
        self.register_buffer("channel_weight", None)
        waves = config.net.offered_waves
        self.offered_code: Tensor | None
        self.register_buffer("offered_code", code(len(labels), waves, config.seed) if waves else None)
        if config.dtype == "float64":
            self.double()
        self._embedder: Embedder | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def wide(self) -> torch.dtype:
        """What images, goodness and weights are in: float32, or float64 where everything is."""
        return torch.float64 if self.dtype == torch.float64 else torch.float32

    @property
    def embedder(self) -> Embedder:
        """Draws the label set on the net's device."""
        if self._embedder is None or self._embedder.device != self.device:
            self._embedder = Embedder(
                self.labels, self.shape, self.config.labels.intensity, self.device, self.wide, offered=self._offered()
            )
        return self._embedder

    def _offered(self) -> Tensor | bool:
        """Return what stands for each label in layers behind the first: patterns, or whether its imprint does."""
        if self.offered_code is None:
            return self.config.net.label_every_layer
        _, height, width = self.shape
        size = cast(LocalLayer, self.layers[0]).pooled_size(height, width)
        return patterns(self.offered_code, (height, width), size).to(self.dtype)  # as the second layer is offered them

    def prepare(self, images: Tensor) -> Tensor:
        """Return images (N, C, H, W), bytes or floats in [0, 1], as the label is drawn on them: floats, on the device.

        Raises
        ------
        FFLabelsError
            When their shape is not the net's, or they are neither bytes nor floats in [0, 1].
        """
        check_images_fit(images, self.shape)
        return unit(images.to(self.device), self.wide)

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Load a state; what was fitted to the net, such as the classifier, comes along."""
        if "readout.weight" in state_dict:
            classes, features = state_dict["readout.weight"].shape
            self.readout = Readout(features, classes).to(self.device)
        if "forecast.weight" in state_dict:
            classes, features = state_dict["forecast.weight"].shape
            self.forecast = Forecast(features, classes, len(state_dict["forecast.margins"])).to(self.device)
        if "calibration.weight_L" in state_dict:
            parts = (state_dict[f"calibration.{name}"].to(self.device) for name in ("weight_L", "offset_LC"))
            self.calibration = Calibration(*parts)
        if "channel_weight" in state_dict:
            self.channel_weight = torch.empty_like(state_dict["channel_weight"], device=self.device)
        self._embedder = None  # what is offered may be another
        return super().load_state_dict(state_dict, *args, **kwargs)

    def activities(self, embedded: Embedded | Tensor) -> Iterator[Tensor]:
        """Yield every layer's activity y (N, C, H, W), before pooling; earlier ones are not kept."""
        x_NCHW, label_NCHW = self.received(embedded)
        for k, layer in enumerate(self.layers):
            layer = cast(LocalLayer, layer)
            if k:
                x_NCHW, label_NCHW = offer(x_NCHW, label_NCHW)
            y_NCHW = layer(x_NCHW)
            yield y_NCHW
            x_NCHW = layer.pooled(y_NCHW)

    @torch.no_grad()
    def scale_weights(self, embedded: Embedded | Tensor, ranks: Ranks = ALONE) -> None:
        """Scale the weights of every layer by one number, so that mean y² of images that carry a label is 1.

        In training mode: the norms use these images' statistics. Biases are left alone: 0, as ``net.init=measured``
        draws them. With several ranks the mean is over the images of all.
        """
        for layer, y_NCHW in zip(self.layers, self.activities(embedded), strict=True):
            square = ranks.mean(mean_squares(y_NCHW).mean())
            scale = torch.where(square > 0, square, 1).rsqrt()
            cast(LocalLayer, layer).weight.mul_(scale)
            y_NCHW.mul_(scale)  # what the next layer receives

    def goodness_of(self, k: int, s_NC: Tensor, pixels: int) -> Tensor:
        """Return the goodness (N,) of layer k, from 0, given its channels' mean squares."""
        weight_C = cast(LocalLayer, self.layers[k]).goodness_weight
        return self.goodness.of(s_NC, pixels) if weight_C is None else self.goodness.of(s_NC, pixels, weight_C)

    def received(self, embedded: Embedded | Tensor) -> Embedded:
        """Return what the first layer sees, and what later ones are offered, if anything, in the compute type."""
        images, offered = embedded if isinstance(embedded, Embedded) else (embedded, None)
        if offered is None and self.config.net.offered:
            raise FFLabelsError(
                "nothing for later layers", where="embedded images", got=type(embedded).__name__,
                expected="what net.embedder.embed returns: later layers are offered the label too",
            )  # fmt: skip
        return Embedded(images.to(self.dtype), None if offered is None else offered.to(self.dtype))

    def forward(self, embedded: Embedded | Tensor) -> list[Tensor]:
        """Return every layer's activity for images that carry a label, (N, C, H, W) where nothing else is offered."""
        return list(self.activities(embedded))


def offer(x_NCHW: Tensor, label_NCHW: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return a layer's input with what is offered, if anything is, and this, average-pooled to its size."""
    if label_NCHW is not None:
        height, width = x_NCHW.shape[2:]
        if label_NCHW.shape[2:] != (height, width):
            label_NCHW = F.adaptive_avg_pool2d(label_NCHW, (height, width))
        x_NCHW = torch.cat([x_NCHW, label_NCHW], 1)
    return x_NCHW, label_NCHW


def build_layers(config: Config, shape: Shape, *, offered: int = 0) -> nn.ModuleList:
    """Return the local layers, their weights drawn by the configuration's seed.

    Parameters
    ----------
    config, shape
        As for `FFNet`.
    offered
        Channels that every layer but the first receives beside the activity of the one before.

    Raises
    ------
    FFLabelsError
        When pooling and strides leave no pixel, or crops none of an image, or a contrast has a single channel.
    """
    net = config.net
    if config.algorithm == "ff" and config.train.goodness.endswith("contrast") and min(net.widths) < 2:
        raise FFLabelsError("a contrast compares two halves", where="net.widths", got="1", expected="2 or more")
    if config.train.crop >= min(shape[1:]):
        raise FFLabelsError(
            "leaves nothing of an image", where="train.crop", got=config.train.crop, expected=f"below {min(shape[1:])}"
        )
    begin = get_goodness(config.train.goodness).begin if config.algorithm == "ff" else None
    generator = torch.Generator().manual_seed(config.seed)
    layers = nn.ModuleList()
    channels, height, width = shape
    depth = len(net.widths)
    for k, (filters, stride, pool) in enumerate(
        zip(net.widths, net.strides or (1,) * depth, net.pools or (1,) * depth, strict=True)
    ):
        rows, columns = (min(net.regions, -(-side // stride)) for side in (height, width))
        layer = LocalLayer(
            channels,
            filters,
            kernel=net.kernel,
            stride=stride,
            pool=pool,
            norm=net.norm,
            convolution=config.convolution,
            regions=(rows, columns),
            goodness_weight=begin(filters * rows * columns) if begin else None,
            init=net.init,
            size=(height, width),
            full_gradient=config.train.relu_gradient == "full",
            generator=generator,
        )
        layers.append(layer)
        channels = filters + offered
        height, width = layer.pooled_size(height, width)
        if height * width == 0:
            raise FFLabelsError(
                "no pixel is left behind a layer",
                where=f"net.pools and net.strides, layer {k + 1}",
                got=f"images {shape[1]}×{shape[2]}",
                hint="pool less, or use larger images",
            )
    return layers
