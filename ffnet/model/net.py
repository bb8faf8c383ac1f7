"""The base class of all nets, and the forward-forward net."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fflabels import LabelSet
from fflabels.arrays import Shape
from fflabels.errors import FFLabelsError
from ffnet.config import Config
from ffnet.data.images import check_images_fit, to_unit
from ffnet.labels.codes import Codes
from ffnet.labels.embed import Embedded, Embedder
from ffnet.labels.layers import choose_layer_labels, label_channels
from ffnet.model.build import build_layers
from ffnet.model.compute_type import with_dtype
from ffnet.model.fast_cpu.maps import mean_squares
from ffnet.model.forward_pass import ForwardPass
from ffnet.model.goodness import Goodness, code_goodness, get_goodness
from ffnet.model.heads import Forecast, LayerWeights, LinearHead
from ffnet.model.scores import flattened, scores_of
from ffnet.system.devices import DTYPES
from ffnet.system.ranks import SINGLE, Ranks

HEADS: dict[str, type[LinearHead | LayerWeights]] = {
    "linear": LinearHead, "forecast": Forecast, "layer_weights": LayerWeights
}  # fmt: skip
"""The heads that can be fitted to a net, by the attribute that holds them."""

OLD_KEYS = {"readout.": "linear.", "calibration.weight_L": "layer_weights.weight_L"}
"""Prefixes of names in the state dicts of version 0.1 → those of today."""


REMOVED_KEYS = ("calibration.offset_LC",)
"""Names in the state dicts of version 0.1 that are ignored."""


class Net(nn.Module):
    """Base class of all nets: settings, shape of the images, local layers.

    Parameters
    ----------
    config
        Layers, compute type and seed of the weights.
    shape
        (C, H, W) of the images.
    label_channels
        Number of label channels that every layer after the first receives.
    codes
        The labels, if they are codes over the layers' channels.

    Attributes
    ----------
    labels, layer_labels
        The labels, and the label set that later layers receive as channels; None for nets without.
    has_initial_weights
        Whether training starts from the weights that the net was made with, not from those of another run.
    """

    labels: LabelSet | Codes | None = None
    layer_labels: LabelSet | None = None
    has_initial_weights: bool = True

    def __init__(self, config: Config, shape: Shape, *, label_channels: int = 0, codes: Codes | None = None) -> None:
        super().__init__()
        config = with_dtype(config, torch.device("cpu"), shape)
        self.config, self.shape, self.dtype = config, shape, DTYPES[config.dtype]
        self.layers = build_layers(config, shape, label_channels=label_channels, codes=codes)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.layers[0].weight.device

    @property
    def accumulate_dtype(self) -> torch.dtype:
        """Type of images, goodness and weights: float32 (float64 for a float64 net)."""
        return torch.float64 if self.dtype == torch.float64 else torch.float32

    @property
    def has_codes(self) -> bool:
        """Whether labels are codes over the layers' channels: then images carry none, and one pass scores all."""
        return isinstance(self.labels, Codes)

    @property
    def inference(self) -> str:
        """The name of the inference method that is used unless another is named."""
        raise NotImplementedError

    def scores(self, inference: str, images_NCHW: Tensor) -> Tensor:
        """Return the score of each class, (N, classes), of images (N, C, H, W), bytes or floats in [0, 1].

        All images pass through the net at once, on its device, and nothing is checked: compilers and exporters trace
        this. With ``inference.mirror`` the scores are the mean over both views.
        """
        raise NotImplementedError

    def evidence(self, images: Tensor) -> tuple[dict[int, Tensor], Tensor]:
        """Return what the net's linear classifier sees, and its logits, for activation maps.

        These are activities by the layer's number from 1, as leaves of a graph that leads to the logits.

        Raises
        ------
        FFLabelsError
            If the linear classifier was not fitted, or the images do not fit the net.
        """
        raise NotImplementedError

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Put the net into evaluation mode within this context."""
        training = self.training
        self.eval()
        try:
            yield
        finally:
            self.train(training)

    def prepare(self, images: Tensor) -> Tensor:
        """Return images (N, C, H, W), bytes or floats in [0, 1], as floats on the net's device.

        Raises
        ------
        FFLabelsError
            If their shape is not the net's, or they are neither bytes nor floats in [0, 1].
        """
        check_images_fit(images, self.shape)
        return to_unit(images.to(self.device), self.accumulate_dtype)


class FFNet(Net):
    """A forward-forward CNN: local layers, and the labels that they are trained with.

    Parameters
    ----------
    config
        Layers, goodness, label intensity K, compute type and seed of the weights.
    shape
        (C, H, W) of the images.
    labels
        The label set, one label per class. Labels that cannot be computed at this shape are refused. `Codes` if the
        labels are codes over the layers' channels (``labels.goodness``).
    layer_labels
        The label set that later layers receive as channels; default: as ``labels.layers`` says.

    Attributes
    ----------
    layers
        The local layers.
    counted
        Indices of the layers that count in inference: all but the first, or all with ``first_layer="include"``.
    embedder
        Embeds the labels in images; None where labels are codes.
    linear
        The linear classifier, or None before it is fitted.
    forecast
        The forecast that halving starts with, or None before it is fitted.
    layer_weights
        The weights of the layers' goodness, or None if they are not fitted: then all are 1.
    layer_labels
        The label set that later layers receive as channels, or None.

    Examples
    --------
    >>> import torch, ffnet
    >>> from fflabels import named_set
    >>> net = ffnet.FFNet(ffnet.Config(), (1, 16, 16), named_set("fourier:paper10"))
    >>> images = torch.rand(3, 1, 16, 16)
    >>> net(images).shape
    torch.Size([3, 10])
    >>> [tuple(y.shape) for y in net.activities(net.embed(images, torch.tensor([0, 1, 2])))]
    [(3, 16, 16, 16), (3, 32, 8, 8), (3, 64, 4, 4)]
    """

    labels: LabelSet | Codes
    offered_code: Tensor | None

    def __init__(
        self, config: Config, shape: Shape, labels: LabelSet | Codes, layer_labels: LabelSet | None = None
    ) -> None:
        codes = labels if isinstance(labels, Codes) else None
        check_kind(config, labels)
        super().__init__(config, shape, label_channels=config.labels.layers.count, codes=codes)
        self.labels = labels
        first = config.net.first_layer
        self.counted = range(0 if first == "include" else 1, len(self.layers))
        self.linear: LinearHead | None = None
        self.forecast: Forecast | None = None
        self.layer_weights: LayerWeights | None = None
        self.layer_labels = layer_labels or choose_layer_labels(config, len(labels))
        if config.dtype == "float64":
            self.double()
        self.embedder: Embedder | None = None
        if isinstance(labels, LabelSet):
            intensity, own_imprint = config.labels.intensity, config.labels.layers.set == "imprint"
            self.embedder = Embedder(labels, shape, intensity, self.accumulate_dtype, own_imprint=own_imprint)
        self.register_buffer("offered_code", None)  # see load_state_dict
        self._draw_label_channels(self.accumulate_dtype)

    def _draw_label_channels(self, dtype: torch.dtype) -> None:
        """Draw the label channels of every label, at the size of the second layer's input."""
        if self.embedder and self.layer_labels:
            size = self.layers[0].pooled_size(*self.shape[1:])
            patterns = label_channels(self.layer_labels, self.shape[1:], size, dtype)
            self.embedder.label_patterns = patterns.to(self.device, self.dtype)

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Load a state dict, including the heads that it contains, such as the linear classifier.

        The nets of version 0.1 drew their label channels in float32 and had the waves of each label in their state:
        where these are found, they are kept, and the label channels are drawn as they were.
        """
        state = {_new_key(key): value for key, value in state_dict.items() if key not in REMOVED_KEYS}
        for name, head in HEADS.items():
            prefix = f"{name}."
            head_state = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
            if head_state:
                setattr(self, name, head.from_state(head_state).to(self.device))
        self.offered_code = state.get("offered_code")
        if self.offered_code is not None:
            self._draw_label_channels(torch.float32)
        self.has_initial_weights = False
        return super().load_state_dict(state, *args, **kwargs)

    @property
    def inference(self) -> str:
        """The default inference method: goodness where it takes one pass, else linear if that was fitted."""
        return "goodness" if self.has_codes or self.linear is None else "linear"

    def fitted_linear(self, where: str = "inference") -> LinearHead:
        """Return the linear classifier; if it was not fitted, raise an error at `where`."""
        if self.linear is None:
            raise FFLabelsError("no linear classifier", where=where, expected="a net whose classifier was fitted")
        return self.linear

    def embed(self, images_NCHW: Tensor, labels_N: Tensor) -> Embedded:
        """Return images, floats in [0, 1], each with its own label; where labels are codes, the images alone."""
        return Embedded(images_NCHW) if self.embedder is None else self.embedder.embed(images_NCHW, labels_N)

    def neutral(self, images_NCHW: Tensor) -> Embedded:
        """Return images, floats in [0, 1], with the mean imprint of the labels; where labels are codes, alone."""
        return Embedded(images_NCHW) if self.embedder is None else self.embedder.neutral(images_NCHW)

    def activities(self, embedded: Embedded | Tensor) -> Iterator[Tensor]:
        """Yield each layer's activity y (N, C, H, W), before pooling; earlier activities are not kept."""
        forward_pass = self.forward_pass(embedded)
        for _, layer in forward_pass:
            forward_pass.y = layer(forward_pass.x)
            yield forward_pass.y

    def forward_pass(self, embedded: Embedded | Tensor) -> ForwardPass:
        """Return a pass of embedded images through all layers, in the compute type.

        Raises
        ------
        FFLabelsError
            If later layers receive label channels and `embedded` has none.
        """
        images, label = embedded if isinstance(embedded, Embedded) else (embedded, None)
        if label is None and self.config.labels.layers.count:
            raise FFLabelsError(
                "nothing for later layers", where="embedded images", got=type(embedded).__name__,
                expected="the result of net.embedder.embed, which has the label channels of later layers",
            )  # fmt: skip
        return ForwardPass(
            self.layers, Embedded(images.to(self.dtype), None if label is None else label.to(self.dtype))
        )

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Return the score of each class, (N, labels), of images (N, C, H, W), bytes or floats in [0, 1].

        As in `ffnet.predict`, these are goodness where labels are codes; else the logits of the linear classifier if it
        is fitted, or goodness. All images pass through the net at once, on its device, and nothing is checked:
        compilers and exporters trace this.
        """
        return self.scores(self.inference, images_NCHW)

    def scores(self, inference: str, images_NCHW: Tensor) -> Tensor:
        """Return the scores by ``goodness`` or ``linear``: see `Net.scores`."""
        return scores_of(self, images_NCHW, goodness=inference == "goodness")

    def evidence(self, images: Tensor) -> tuple[dict[int, Tensor], Tensor]:
        """Return the activities that the linear classifier uses, and its logits: see `Net.evidence`."""
        linear = self.fitted_linear("net")
        with torch.no_grad():
            activities = list(self.activities(self.neutral(self.prepare(images))))
        leaves = {k + 1: activities[k].float().requires_grad_() for k in self.counted}
        return leaves, linear(torch.cat([flattened(self, y_NCHW) for y_NCHW in leaves.values()], 1))

    @torch.no_grad()
    def scale_weights(self, embedded: Embedded | Tensor, ranks: Ranks = SINGLE) -> None:
        """Scale the weights of each layer by one number, so that mean y² over these embedded images is 1.

        The net must be in training mode, so that the norms use the statistics of these images. Biases are unchanged:
        ``net.init=measured`` starts them at 0. Means and statistics are over the images of all ranks.
        """
        forward_pass = self.forward_pass(embedded)
        for _, layer in forward_pass:
            y_NCHW = layer.activity(layer.normalize(forward_pass.x, ranks))
            square = ranks.mean(mean_squares(y_NCHW).mean())
            scale = torch.where(square > 0, square, 1).rsqrt()
            layer.weight.mul_(scale)
            forward_pass.y = y_NCHW.mul_(scale)

    @property
    def goodness(self) -> Goodness:
        """The registered goodness of the configuration."""
        return get_goodness(self.config.train.goodness)

    def goodness_of(self, k: int, s_NC: Tensor, pixels: int) -> Tensor:
        """Return the goodness of layer k, from 0, given the mean squares of its channels.

        (N,), that of the embedded labels; where labels are codes (N, labels), given the mean squares after pooling.
        """
        weight = self.layers[k].goodness_weight
        if self.has_codes and weight is not None and self.goodness.energy:
            return code_goodness(self.goodness.energy(s_NC), weight)
        return self.goodness.of(s_NC, pixels) if weight is None else self.goodness.of(s_NC, pixels, weight)

    def goodness_of_activity(self, k: int, y_NCHW: Tensor) -> Tensor:
        """Return the goodness of layer k, from 0, given its activity; for the shape see `goodness_of`."""
        layer = self.layers[k]
        y_NCHW = layer.pooled(y_NCHW) if self.has_codes else y_NCHW
        return self.goodness_of(k, layer.squares(y_NCHW), layer.goodness_pixels(y_NCHW))

    def weighed(self, k: int, goodness: Tensor) -> Tensor:
        """Return goodness of layer k, from 0, times the layer's weight, if weights were fitted."""
        return goodness * self.layer_weights.weight_L[k] if self.layer_weights else goodness


def _new_key(key: str) -> str:
    for old, new in OLD_KEYS.items():
        if key.startswith(old):
            return new + key.removeprefix(old)
    return key


def check_kind(config: Config, labels: LabelSet | Codes) -> None:
    """Refuse codes where the configuration asks for labels in the image, and the reverse."""
    expected = "Codes: a label set per width of the layers" if config.has_codes else "a LabelSet for images"
    if isinstance(labels, Codes):
        fits, got = config.has_codes, "Codes"
    elif labels.labeler.pattern == "code":
        fits, got = False, "a LabelSet of codes"
    else:
        fits, got = not config.has_codes, "a LabelSet for images"
    if not fits:
        raise FFLabelsError("not what labels.goodness asks for", where="labels", got=got, expected=expected)
