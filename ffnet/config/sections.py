"""The sections of a configuration, and the types of their settings."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

Positive = Annotated[int, msgspec.Meta(ge=1)]
Natural = Annotated[int, msgspec.Meta(ge=0)]
Rate = Annotated[float, msgspec.Meta(gt=0)]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]

Algorithm: TypeAlias = Literal["ff", "bp", "local"]
Inference: TypeAlias = str
"""``linear``, ``goodness``, ``cascade``, ``cascade:k`` or ``halving``: see `ffnet.predict`."""
Convolution: TypeAlias = Literal["auto", "direct"]
FirstLayer: TypeAlias = Literal["local", "random", "include", "with_next"]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the configuration file."""


class CodesConfig(Section, frozen=True):
    """Labels as codes: patterns over the channels of a layer, which its goodness compares with its activity."""

    set: str = "none"
    """A labeler of codes (``code``), a built-in set (``code:hadamard``), codes that follow the likeness of the classes
    on training images (``code:classes``) or a label-set file; several with commas: each layer takes the first one that
    exists for its width. ``none``: labels are pictures."""
    learn: bool = False
    """Whether the codes learn together with their layer [ours]."""
    scale: Fraction = 1.0
    """Multiplies the initial codes; 0 with ``learn`` starts from codes of zeros."""
    regions: tuple[Positive, ...] = ()
    """Regions along each side of a layer's pooled maps, per layer: a code has an entry for each region of each channel,
    so that it can tell where a channel is active [ours]. Empty: 1 for all layers."""


class LayerLabelsConfig(Section, frozen=True):
    """Labels as extra channels that every layer after the first receives, drawn at the size of its input [ours]."""

    set: str = "none"
    """A labeler of channels (``waves``), a built-in set (``waves:reed-solomon``) or a label-set file; ``imprint``: one
    channel, the mean over the channels of the label's own imprint on the image; ``none``."""
    channels: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8
    """Number of channels of a set that is designed or built in."""

    @property
    def count(self) -> int:
        """Number of label channels that every layer after the first receives."""
        return {"none": 0, "imprint": 1}.get(self.set, self.channels)


class LabelsConfig(Section, frozen=True):
    """Which labels there are, and where they enter: at the image, unless there are codes."""

    set: str = "fourier"
    """Labels for the image: a labeler (which designs a set), ``labeler:name`` (a built-in set) or a label-set file."""
    layers: LayerLabelsConfig = LayerLabelsConfig()
    goodness: CodesConfig = CodesConfig()
    n: Positive | None = None
    """Number of labels to design; default: one per class."""
    params: dict[str, Any] = {}
    """Parameters of the labeler that designs the set."""
    intensity: Fraction = 0.35
    """The label intensity K."""
    assign: Literal["order", "alike"] = "order"
    """Which class gets which label. ``order``: class k gets label k. ``alike``: classes that look alike get labels that
    are similar by `shift` (`fflabels.assign`, on training images) [ours]."""
    candidates: Positive = 2000
    """Number of candidates that a set is selected from."""
    metric: str = "pearson"
    """The similarity metric that selection minimises: a registered one (`fflabels.metrics`)."""
    method: Literal["best", "greedy", "random"] = "best"
    """How a set is selected: ``best``, by tabu search; ``greedy``; ``random``, the control."""
    min_visibility: NotNegative | None = None
    """The least visibility of a candidate (`fflabels.propose`); default: that of the labeler."""
    seed: Natural | None = None
    """Seed of the design, so that nets of several seeds can share a label set; default: the run's seed."""

    def __post_init__(self) -> None:
        if self.metric != "pearson":
            from fflabels.metrics import get_metric  # imports NumPy

            get_metric(self.metric, "labels.metric")


class DataConfig(Section, frozen=True):
    """Which images to train and test on."""

    name: str = "digits"
    """A registered data set (`ffnet.data.load`), such as ``digits`` or ``cifar10``, or a folder of class folders."""
    root: str | None = None
    """Folder of torchvision's data sets; default: the environment variable FFNET_DATA, else ~/.cache/ffnet."""
    offline: bool = False
    """Never download."""
    size: Positive | None = None
    """Height and width to resize to; default: no resizing (digits: 16)."""
    range: str = "type"
    """Which stored values of pictures in a folder are black and white: ``type`` (the files' type), ``LOW:HIGH``, or
    ``auto`` (up to the largest value of all, rounded up to a power of two minus 1), which the run stores as numbers."""
    validation: Natural | None = None
    """Number of training images held out for validation; default: the usual number for the data set."""
    limit: Positive | None = None
    """Train on at most this many images, the first ones after the validation split."""

    def __post_init__(self) -> None:
        if self.range not in ("auto", "type"):
            from fflabels.images import Range  # imports NumPy

            Range.parse(self.range, where="data.range")


class NetConfig(Section, frozen=True):
    """The stack of layers."""

    widths: Annotated[tuple[Positive, ...], msgspec.Meta(min_length=1, max_length=64)] = (16, 32, 64)
    """Filters per layer."""
    kernel: Positive = 5
    """Height and width of the filters; must be odd. Padding keeps the size of the maps."""
    strides: tuple[Positive, ...] = ()
    """Stride per layer; empty: 1 for all layers."""
    pools: tuple[Positive, ...] = (2, 2, 1)
    """Width of the max pooling after each layer; empty: no pooling."""
    norm: str = "batch"
    """Norm before each convolution: ``layer``, y/√mean y² per sample (paper, MNIST); ``batch`` (paper, CIFAR); ``rms``,
    one running scalar per layer [ours]; ``none``."""
    init: str = "torch"
    """Initial weights (`ffnet.model.initial`): ``torch``, uniform within ±1/√fan-in; ``base``, N(0, 1/filters) [base];
    ``unit``, so that E y² = 1 [ours]; ``measured``, scaled layer by layer so that mean y² of the first training batch
    is 1 [ours]. Biases start at 0, except with ``torch``."""
    first_layer: FirstLayer = "local"
    """What trains layer 1: ``local``, its own loss, but its goodness and neurons do not count in inference; ``random``,
    nothing; ``include``, its own loss, and it counts; ``with_next``, layer 2's loss by autograd (not layer-local)."""
    detach: bool = True
    """Whether gradients stop between layers. False: the summed loss reaches all earlier layers (not layer-local)."""


class TrainConfig(Section, frozen=True):
    """How the layers learn."""

    epochs: Positive = 30
    """Passes over the training images."""
    batch: Positive = 32
    """Images per step. With labels in the image, each is embedded with its right label and with wrong ones."""
    lr: Rate = 2e-3
    """Learning rate of Adam at the start."""
    schedule: Literal["cooldown", "constant", "linear", "cosine"] = "linear"
    """Learning rate over time. ``cooldown`` (paper): constant, then 2·lr/E·(1+E−e) in the second half of the E epochs.
    ``linear`` and ``cosine`` fall to 0, step by step."""
    goodness: str = "log-contrast"
    """What a layer's goodness is (`ffnet.model.goodness`): ``sum`` (paper), ``mean``, ``log``, ``contrast``,
    ``log-contrast`` [ours], or a registered one. With codes it names the energy: ``log-contrast`` or ``mean``."""
    loss: str = "softmax"
    """How goodness is compared, with labels in the image: ``bce`` (paper), ``softplus``, ``softmax`` over a positive
    and its negatives, or a registered one. With codes it is softmax over all labels."""
    theta: float | None = None
    """Threshold of the BCE loss; default: that of the goodness (the number of neurons for ``sum``)."""
    temperature: Rate = 1.0
    """Divides the logit of the BCE loss; 1 in the paper."""
    alpha: Rate = 8.0
    """Multiplies goodness in the softmax and softplus losses, and where ``negatives=hard`` draws wrong labels."""
    peer: NotNegative = 0.0
    """Strength of peer normalisation, which pulls the mean activities of a layer's channels towards each other
    (`ffnet.training.peer`) [base: 0.03]; 0: off."""
    relu_gradient: Literal["true", "full"] = "true"
    """``full``: relu's gradient counts as 1 where the activity is 0, too [base]. The slope of Σy² is 0 there, so this
    only matters with peer normalisation, or where gradients cross layers."""
    weight_decay: NotNegative = 0.0
    """This times the weights is added to their gradient (coupled decay) [base: 3e-4]; biases do not decay."""
    negatives: Literal["uniform", "hard", "balanced"] = "hard"
    """How wrong labels are drawn: ``uniform`` (paper); ``hard``, by a softmax over the last layer's scaled goodness of
    each label, as of the last step that drew it on this image; ``balanced``, each about as often wrong as right."""
    negatives_each: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """Wrong labels per image and step."""
    crop: Natural = 0
    """Shift each training image by at most this many pixels before the label is embedded; the gap is black."""
    flip: bool = False
    """Mirror each training image left to right with probability ½, before the label is embedded."""
    validate_every: Natural = 0
    """Measure validation accuracy after every this many epochs; 0: only after the last epoch."""
    checkpoint_seconds: NotNegative = 60.0
    """Besides the checkpoint after each epoch, write one when the last is this old; 0: after every step."""


class InferenceConfig(Section, frozen=True):
    """How classes are predicted, and how the linear classifier is fitted."""

    layers: Literal["sum", "last", "weighted"] = "sum"
    """Which layers' goodness decides: ``sum``, all layers that count (paper); ``last``, the last layer; ``weighted``, a
    sum with weights fitted on validation images."""
    mirror: bool = False
    """Whether scores are averaged over an image and its mirror image, at twice the passes [ours]."""
    linear_images: Positive | None = None
    """The linear classifier is fitted on at most this many training images; default: all."""
    linear_epochs: Positive = 20
    """Epochs of the linear classifier."""
    linear_lr: Rate = 1e-3
    """Its learning rate."""
    linear_batch: Positive = 128
    """Images per step of the linear classifier."""
    linear_pool: Natural = 0
    """Average-pool each layer's activity to at most this many pixels per side before the linear classifier; 0: use
    every pixel (paper)."""
    linear_decay: NotNegative = 0.0
    """Weight decay (decoupled) of the linear classifier."""
    chunk: Positive = 512
    """Embedded images per pass through the net; on a CPU at most 128."""
    test: bool = True
    """Whether a finished run is evaluated on the test images, too; False: on the validation images only."""
