"""Config: everything that decides a run, typed; TOML in and out; overrides as ``section.key=value``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
import tomli_w

from fflabels.errors import FFLabelsError, nearest
from fflabels.metrics import check_metric

REMOVED: dict[str, Any] = {
    "labels.cache": 0, "net.regions": 1, "inference.offsets": False, "inference.channel_images": 0,
}  # fmt: skip
"""Settings of earlier versions → the only value that is still read, and ignored: their default."""

Positive = Annotated[int, msgspec.Meta(ge=1)]
Natural = Annotated[int, msgspec.Meta(ge=0)]
Rate = Annotated[float, msgspec.Meta(gt=0)]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]

Algorithm: TypeAlias = Literal["ff", "bp"]
Inference: TypeAlias = str
"""``linear``, ``goodness``, ``cascade`` or ``cascade:k``, ``halving``: see `ffnet.predict`."""
Convolution: TypeAlias = Literal["auto", "direct"]
FirstLayer: TypeAlias = Literal["local", "random", "include", "with_next"]


NO_MATTER = (
    ("data", "root"), ("data", "offline"), ("train", "checkpoint_seconds"), ("train", "validate_every"),
    ("inference", "chunk"),
)  # fmt: skip
"""Settings that change no result."""


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the configuration file."""


class LabelsConfig(_Section, frozen=True):
    """Which labels, and how strongly they are drawn."""

    set: str = "fourier"
    """A labeler (designs a set), ``labeler:name`` (a built-in set) or a label-set file."""
    n: Positive | None = None
    """How many labels to design; one a class unless given."""
    params: dict[str, Any] = {}
    """Parameters of the labeler, where a set is designed."""
    intensity: Fraction = 0.35
    """The label intensity K."""
    assign: Literal["order", "alike"] = "order"
    """Which class carries which label: ``order``, class k label k; ``alike``, classes that look alike labels that are
    alike by `shift` (`fflabels.assign`, on training images) [ours]."""
    candidates: Positive = 2000
    metric: str = "pearson"
    """How alike labels are, where a set is designed: a registered metric (`fflabels.metrics`)."""
    method: Literal["best", "greedy", "random"] = "best"

    def __post_init__(self) -> None:
        check_metric(self.metric, "labels.metric")


class DataConfig(_Section, frozen=True):
    """Which images."""

    name: str = "digits"
    """A registered data set (`ffnet.data.load`), such as ``digits`` or ``cifar10``, or a folder of class folders."""
    root: str | None = None
    """The folder that torchvision's data sets are in; environment FFNET_DATA or ~/.cache/ffnet unless given."""
    offline: bool = False
    """Never download."""
    size: Positive | None = None
    """Height and width to resize to; as they are unless given (digits: 16)."""
    validation: Natural | None = None
    """How many training images are set apart for choices; the data set's custom unless given."""
    limit: Positive | None = None
    """Use only the first so many training images (after the split)."""


class NetConfig(_Section, frozen=True):
    """The stack of layers."""

    widths: Annotated[tuple[Positive, ...], msgspec.Meta(min_length=1, max_length=64)] = (16, 32, 64)
    """Filters a layer."""
    kernel: Positive = 5
    """Height and width of the filters; odd, the maps keep their size."""
    strides: tuple[Positive, ...] = ()
    """One a layer; 1 unless given."""
    pools: tuple[Positive, ...] = (2, 2, 1)
    """Width of the max pooling behind each layer; empty: none."""
    norm: str = "batch"
    """Before each convolution: ``layer`` y/√mean y² a sample (paper, MNIST), ``batch`` (paper, CIFAR), ``rms`` one
    running scalar a layer [ours], ``none``."""
    init: str = "torch"
    """Initial weights (`ffnet.model.initial`): ``torch``, uniform within ±1/√fan-in; ``base``, N(0, 1/filters) [base];
    ``unit``, so that E y² = 1 [ours]; ``measured``, scaled layer by layer so that mean y² of the first training batch
    is 1 [ours]. Biases are 0, but for ``torch``."""
    first_layer: FirstLayer = "local"
    """What trains layer 1: its own loss (``local``, not counted in goodness or classifier), nothing (``random``), its
    own and it counts (``include``), or layer 2's loss by autograd (``with_next``: not layer-local)."""
    label_every_layer: bool = False
    """Whether the label is offered to every layer [ours]: its pattern, average-pooled to the layer's size, is one more
    input channel of layers 2 and up."""
    offered_waves: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0
    """What is offered with ``label_every_layer``: so many of the lowest waves, drawn for each label, a channel each
    (`ffnet.labels.waves`) [ours]; 0: the label's own imprint, the mean of its channels."""
    detach: bool = True
    """Whether activations are cut between layers. False: the summed loss reaches back (not layer-local)."""

    @property
    def offered(self) -> int:
        """How many channels each layer but the first receives beside the activity of the one before."""
        return max(1, self.offered_waves) if self.label_every_layer else 0


class TrainConfig(_Section, frozen=True):
    """How the layers learn."""

    epochs: Positive = 30
    batch: Positive = 32
    """Images a step; each is seen with its own label and with wrong ones."""
    lr: Rate = 2e-3
    schedule: Literal["cooldown", "constant", "linear", "cosine"] = "linear"
    """``cooldown`` (paper): constant, then 2·lr/E·(1+E−e) from half the epochs on. The others fall to 0, by step."""
    goodness: str = "log-contrast"
    loss: str = "softmax"
    theta: float | None = None
    """Threshold of the BCE loss; the goodness's own (number of neurons for ``sum``) unless given."""
    temperature: Rate = 1.0
    """Divides the BCE loss's logit; 1 in the paper."""
    alpha: Rate = 8.0
    """Multiplies goodness in the softmax and softplus losses."""
    peer: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Strength of peer normalisation, which pulls the mean activities of a layer's channels towards each other
    (`ffnet.training.peer`) [base: 0.03]; 0: none."""
    relu_gradient: Literal["true", "full"] = "true"
    """``full``: relu's gradient is taken as 1 also where the activity is 0 [base]. The slope of Σy² is 0 there, so that
    this changes a step with peer normalisation only, or where gradients cross layers."""
    weight_decay: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Times the weights, added to their gradient (coupled) [base: 3e-4]; biases do not decay."""
    negatives: Literal["uniform", "hard", "balanced"] = "hard"
    """How wrong labels are drawn: ``uniform`` (paper); ``hard``, those that the net takes for right, by the goodness of
    its last layer when it saw the image with them; ``balanced``, each as often as it is right."""
    negatives_each: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """Wrong labels an image and step."""
    crop: Natural = 0
    """Pixels that a training image is moved by, at most, before the label is drawn; black comes in from outside."""
    flip: bool = False
    """Whether training images are mirrored left to right, every second by chance, before the label is drawn."""
    validate_every: Natural = 0
    """After every so many epochs accuracy is taken on the validation images; 0: after the last one only."""
    checkpoint_seconds: Annotated[float, msgspec.Meta(ge=0)] = 60.0
    """A checkpoint is written when the last one is so old; 0: after every step."""


class InferenceConfig(_Section, frozen=True):
    """How the answer is read."""

    layers: Literal["sum", "last", "weighted"] = "sum"
    """Goodness of which layers: the sum over those that count (paper), the last one's, or a sum whose weights are
    fitted on validation images."""
    mirror: bool = False
    """Whether every reading is the mean over an image and its mirror image, which takes twice the passes [ours]."""
    linear_epochs: Positive = 20
    linear_lr: Rate = 1e-3
    linear_batch: Positive = 128
    linear_pool: Natural = 0
    """Features are average-pooled to at most so many pixels a side; 0: every pixel (paper)."""
    linear_decay: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Weight decay (decoupled) of the classifier."""
    chunk: Positive = 512
    """Embedded images that pass through the net at once; on a CPU at most 128."""


class Config(_Section, frozen=True):
    """One run."""

    algorithm: Algorithm = "ff"
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    device: str = "auto"
    """``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:1``."""
    dtype: Literal["float32", "bfloat16", "float64", "auto"] = "float32"
    """What activations are computed in; weights and goodness stay float32 (float64). ``auto``: bfloat16 where the
    processor has it, float32 elsewhere."""
    convolution: Convolution = "auto"
    """``auto``: by Fourier transforms where that saves time, on a processor, in the type of the weights, equal but for
    rounding; ``direct``: never."""
    labels: LabelsConfig = LabelsConfig()
    data: DataConfig = DataConfig()
    net: NetConfig = NetConfig()
    train: TrainConfig = TrainConfig()
    inference: InferenceConfig = InferenceConfig()

    def __post_init__(self) -> None:
        depth = len(self.net.widths)
        for name in ("strides", "pools"):
            given = getattr(self.net, name)
            if given and len(given) != depth:
                raise FFLabelsError(
                    "one a layer", where=f"net.{name}", got=f"{len(given)} values", expected=f"{depth}, as net.widths"
                )
        if self.net.offered_waves and not self.net.label_every_layer:
            raise FFLabelsError(
                "nothing is offered", where="net.offered_waves", got=self.net.offered_waves,
                expected="0, or net.label_every_layer=true",
                hint="for labels in the image alone also net.offered_waves=0 and labels.intensity=0.35",
            )  # fmt: skip
        if self.net.kernel % 2 == 0:
            raise FFLabelsError("even", where="net.kernel", got=self.net.kernel, expected="an odd number")
        if self.net.init == "unit" and self.net.norm == "none":
            raise FFLabelsError(
                "needs inputs of mean square 1", where="net.init", got="unit with net.norm=none",
                expected="net.init=measured, or another net.norm",
            )  # fmt: skip
        if self.algorithm == "bp" and self.net.init == "measured":
            raise FFLabelsError(
                "scales layers for their goodness", where="net.init", got="measured with algorithm=bp",
                expected="torch, base or unit",
            )  # fmt: skip
        if self.algorithm == "bp" and self.train.peer:
            raise FFLabelsError(
                "forward-forward layers only",
                where="train.peer",
                got=f"{self.train.peer} with algorithm=bp",
                expected="0",
            )
        if depth == 1 and self.net.first_layer != "include" and self.algorithm == "ff":
            raise FFLabelsError(
                "a single layer that does not count",
                where="net.first_layer",
                got=self.net.first_layer,
                expected="include, or more layers",
            )

    @property
    def layer_local(self) -> bool:
        """Whether no gradient crosses layers: each has a loss of its own activity.

        Hard negatives let one thing else reach a layer: which wrong label an image carries is drawn by the last layer's
        goodness of earlier steps, for all layers.
        """
        return self.algorithm == "ff" and self.net.first_layer != "with_next" and self.net.detach

    def override(self, assignments: Sequence[str]) -> Config:
        """Return the configuration with ``section.key=value`` assignments, in TOML or bare words.

        An empty value unsets what need not be set.

        Raises
        ------
        FFLabelsError
            For an unknown section or key (the nearest is named) or a value of a wrong type.
        """
        if isinstance(assignments, str):
            raise FFLabelsError("one text", where="--set", got=assignments, expected="a list of section.key=value")
        values = []
        for assignment in assignments:
            path, equals, text = assignment.partition("=")
            if not equals:
                raise FFLabelsError("no value", where="--set", got=assignment, expected="section.key=value")
            values.append((path.strip(), typed(text)))
        return self._with(values, "--set")

    def replaced(self, values: Mapping[str, Any], where: str = "settings") -> Config:
        """Return the configuration with values by ``section.key``; errors name `where` and the key (see `override`)."""
        return self._with(values.items(), where)

    def _with(self, values: Iterable[tuple[str, Any]], where: str) -> Config:
        tree: dict[str, Any] = msgspec.to_builtins(self)
        for path, value in values:
            target, names = tree, path.split(".")
            for name in names[:-1]:
                target = _entered(target, name, path, where)
            free = names[:-1] == ["labels", "params"]
            if names[-1] not in target and not free:
                raise FFLabelsError("no such setting", where=where, got=path, hint=nearest(names[-1], target))
            if isinstance(target.get(names[-1]), dict) and not isinstance(value, dict):
                raise FFLabelsError(
                    "a section",
                    where=where,
                    got=path,
                    expected=f"{path}.key=value",
                    hint=nearest("", target[names[-1]]),
                )
            if isinstance(value, bool) and isinstance(target.get(names[-1]), str):
                value = str(value).lower()  # train.relu_gradient=true is a word
            target[names[-1]] = value
        return convert(tree, where)

    @classmethod
    def from_toml(cls, data: bytes, where: str) -> Config:
        """Read a configuration file; errors name it and the field."""
        return convert(without_removed(read_toml(data, where), where), where)

    def to_toml(self) -> bytes:
        """Return the configuration file: every setting, but for those that are unset."""
        return tomli_w.dumps(_without_none(msgspec.to_builtins(self))).encode()


def read_toml(data: bytes, where: str) -> dict[str, Any]:
    """Return the tables of a TOML file; errors name it."""
    try:
        return tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FFLabelsError(f"not TOML: {error}", where=where) from None


def convert(tree: Mapping[str, Any], where: str) -> Config:
    """Return the configuration in a tree of tables; errors name `where` and the field."""
    try:
        return msgspec.convert(tree, Config)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, FFLabelsError):
            raise FFLabelsError(str(error.__cause__), where=where) from None
        raise FFLabelsError(f"bad setting: {error}", where=where, hint=_choices(str(error))) from None


def _choices(error: str) -> str | None:
    """Return a hint that names the words a setting may be, which msgspec's error does not; none for other errors."""
    found = re.match(r"Invalid enum value '(.*)' - at `\$\.([\w.]+)`", error)
    if not found:
        return None
    return nearest(found[1], type_of(found[2]).values)


def type_of(key: str) -> Any:
    """Return what msgspec knows of the type of a setting, by ``section.key``; None where there is no such setting."""
    kind: Any = msgspec.inspect.type_info(Config)
    for name in key.split("."):
        kind = next((field.type for field in getattr(kind, "fields", ()) if field.name == name), None)
    return kind


def _without_none(tree: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in tree.items()
        if value is not None
    }


def _entered(tree: dict[str, Any], name: str, path: str, where: str) -> dict[str, Any]:
    found = tree.get(name)
    if not isinstance(found, dict):
        sections = [key for key, value in tree.items() if isinstance(value, dict)]
        raise FFLabelsError("no such section", where=where, got=path, hint=nearest(name, sections))
    return found


def without_removed(tree: dict[str, Any], where: str) -> dict[str, Any]:
    """Return settings without those that were removed.

    Raises
    ------
    FFLabelsError
        When one of them was used: has another value than its default.
    """
    kept = {name: dict(value) if isinstance(value, dict) else value for name, value in tree.items()}
    for path, default in REMOVED.items():
        section, _, key = path.partition(".")
        own = kept.get(section)
        if isinstance(own, dict) and key in own and own.pop(key) != default:
            raise FFLabelsError("this setting was removed", where=where, got=path, expected=f"its default, {default}")
    return kept


def typed(text: str) -> Any:
    """Return a value as it is typed: TOML, or a bare word; None for nothing."""
    if not text.strip():
        return None
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def result_settings(config: Config, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the settings that matter, by ``section.key``: not where a net is computed, nor what is left out."""
    tree = msgspec.to_builtins(config)
    for name in ("device", *without):
        del tree[name]
    for section, name in NO_MATTER:
        if section in tree:
            del tree[section][name]
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found |= {f"{name}.{key}": v for key, v in value.items()} if isinstance(value, dict) else {name: value}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}
