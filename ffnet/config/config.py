"""Config: the typed settings of a run, read from and written to TOML, overridden by ``section.key=value``."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
import tomli_w

from fflabels.errors import FFLabelsError, nearest
from ffnet.config.numbers import check_numbers, flat
from ffnet.config.sections import (
    Algorithm,
    Convolution,
    DataConfig,
    InferenceConfig,
    LabelsConfig,
    NetConfig,
    Section,
    TrainConfig,
)
from ffnet.config.toml import read_toml, refused_value, typed

REMOVED: dict[str, Any] = {
    "labels.cache": 0, "net.regions": 1, "inference.offsets": False, "inference.channel_images": 0,
}  # fmt: skip
"""Settings that were removed → their default, the only value that is still accepted (and ignored)."""

OLD_LABEL_CHANNELS = ("net.label_every_layer", "net.offered_waves")
"""Settings of version 0.1 that ``labels.layers`` replaces."""

NO_EFFECT = (
    "data.root", "data.offline", "train.checkpoint_seconds", "train.validate_every", "inference.chunk",
    "inference.test",
)  # fmt: skip
"""Settings that never change a result, but for the rounding of sums (``inference.chunk``)."""


PAIRS_ONLY = (
    "labels.set", "labels.intensity", "labels.assign", "labels.metric", "labels.min_visibility", "labels.layers.set",
    "labels.layers.channels", "net.detach",
    "train.loss", "train.theta", "train.temperature", "train.negatives", "train.negatives_each", "train.peer",
    "train.relu_gradient",
)  # fmt: skip
"""Settings of nets that compare a right label with wrong ones. With codes they must keep their defaults."""


BASELINE_SETTINGS = frozenset({
    "algorithm", "seed", "dtype", "convolution", "data.name", "data.size", "data.limit", "data.validation",
    "data.range", "net.widths", "net.kernel", "net.strides", "net.pools", "net.norm", "net.init", "train.epochs",
    "train.batch", "train.lr", "train.schedule", "train.weight_decay", "train.crop", "train.flip", "inference.mirror",
})  # fmt: skip
"""Settings that change a result of nets without labels (``algorithm`` bp or local)."""


EXAMPLES = {
    "float": "numbers are written like 0.3", "int": "whole numbers are written like 3",
    "array": "lists are written like [16,32,64]", "bool": "true or false",
}  # fmt: skip
"""How values of msgspec's types are written."""

_SECTIONS: dict[str, type[Section]] = {
    "labels": LabelsConfig, "data": DataConfig, "net": NetConfig, "train": TrainConfig, "inference": InferenceConfig,
}  # fmt: skip


class Config(Section, frozen=True):
    """All settings of a run.

    Examples
    --------
    >>> import ffnet
    >>> config = ffnet.Config().override(["net.widths=[8,16]", "net.pools=[2,1]", "train.epochs=5"])
    >>> config.net.widths, config.train.epochs
    ((8, 16), 5)
    """

    algorithm: Algorithm = "ff"
    """``ff``: forward-forward; ``bp``: back-propagation; ``local``: a linear classifier at each layer, whose gradient
    stays in the layer (Nøkland and Eidnes 2019)."""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    """Seed of the weights, the order of the images, augmentation, negatives, and the design of labels."""
    device: str = "auto"
    """``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:1``."""
    dtype: Literal["float32", "bfloat16", "float64", "auto"] = "float32"
    """Type of the activations; weights and goodness stay float32 (float64 for float64). ``auto``: bfloat16 if the
    hardware computes it natively, else float32."""
    convolution: Convolution = "auto"
    """``auto``: use Fourier transforms on a CPU where they are faster (equal up to rounding); ``direct``: never."""
    labels: LabelsConfig = LabelsConfig()
    data: DataConfig = DataConfig()
    net: NetConfig = NetConfig()
    train: TrainConfig = TrainConfig()
    inference: InferenceConfig = InferenceConfig()

    def __post_init__(self) -> None:
        if isinstance(self.labels, str):  # Config(labels="fourier")
            msgspec.structs.force_setattr(self, "labels", LabelsConfig(set=self.labels))
        if isinstance(self.data, str):
            msgspec.structs.force_setattr(self, "data", DataConfig(name=self.data))
        for name, kind in _SECTIONS.items():
            if not isinstance(value := getattr(self, name), kind):
                hint = f'ffnet.Config().replaced({{"{name}.KEY": value}})'
                raise FFLabelsError("not a section", where=name, got=value, expected=kind.__name__, hint=hint)
        check_numbers(self)
        depth = len(self.net.widths)
        of_labels = ["labels.goodness.regions"] if self.algorithm == "ff" else []  # the others use no labels
        for name in ("net.strides", "net.pools", *of_labels):
            count = len(operator.attrgetter(name)(self))
            if count not in (0, depth):
                expected = f"{depth}, as net.widths"
                raise FFLabelsError("needs one value per layer", where=name, got=f"{count} values", expected=expected)
        if self.net.kernel % 2 == 0:
            raise FFLabelsError("even", where="net.kernel", got=self.net.kernel, expected="an odd number")
        if self.net.init == "unit" and self.net.norm == "none":
            raise FFLabelsError(
                "needs inputs of mean square 1", where="net.init", got="unit with net.norm=none",
                expected="net.init=measured, or another net.norm",
            )  # fmt: skip
        if self.algorithm != "ff" and self.net.init == "measured":
            raise FFLabelsError(
                "scales layers for their goodness", where="net.init", got=f"measured with algorithm={self.algorithm}",
                expected="torch, base or unit",
            )  # fmt: skip
        for key in ("train.peer", "train.relu_gradient") if self.algorithm != "ff" else ():
            value, default = operator.attrgetter(key)(self), operator.attrgetter(key)(_DEFAULT)
            if value != default:
                raise FFLabelsError(
                    "forward-forward layers only", where=key, got=f"{value} with algorithm={self.algorithm}",
                    expected=default,
                )  # fmt: skip
        if self.has_codes:
            self._check_codes()
        elif self.labels.goodness.set == "none" and self.labels.goodness.regions:
            raise FFLabelsError(
                "only for codes", where="labels.goodness.regions", got=list(self.labels.goodness.regions),
                expected="[], because labels.goodness.set=none",
            )  # fmt: skip
        if depth == 1 and self.net.first_layer != "include" and self.algorithm == "ff":
            raise FFLabelsError(
                "the only layer does not count",
                where="net.first_layer",
                got=self.net.first_layer,
                expected="include, or more layers",
            )

    def _check_codes(self) -> None:
        """Refuse settings that only a net with labels in its images uses."""
        for key in PAIRS_ONLY:
            value, default = (operator.attrgetter(key)(config) for config in (self, _DEFAULT))
            if value != default:
                raise FFLabelsError(
                    "only for labels in the image", where=key, got=value,
                    expected=f"{'unset' if default is None else default}, because labels are codes",
                    hint="labels in the image: a pairs-… preset, or labels.goodness.set=none",
                )  # fmt: skip
        if not self.labels.goodness.scale and not self.labels.goodness.learn:
            raise FFLabelsError(
                "codes of zeros that are not learned", where="labels.goodness.scale", got=0, expected="more than 0"
            )
        if self.net.first_layer == "with_next":
            raise FFLabelsError(
                "not with codes", where="net.first_layer", got="with_next", expected="local, random or include"
            )

    @property
    def has_codes(self) -> bool:
        """Whether labels are codes over the layers' channels, so that one pass scores all of them."""
        return self.algorithm == "ff" and self.labels.goodness.set != "none"

    @property
    def code_regions(self) -> tuple[int, ...]:
        """Regions along each side of every layer's maps that its codes tell apart; 1 in nets without codes."""
        return (self.has_codes and self.labels.goodness.regions) or (1,) * len(self.net.widths)

    @property
    def code_lengths(self) -> tuple[int, ...]:
        """The number of entries of every layer's codes: one for each region of each channel."""
        return tuple(width * side**2 for width, side in zip(self.net.widths, self.code_regions, strict=True))

    @property
    def labels_seed(self) -> int:
        """The seed of the label design: ``labels.seed``, else that of the run."""
        return self.seed if self.labels.seed is None else self.labels.seed

    @property
    def layer_local(self) -> bool:
        """Whether no gradient crosses layers, so that each layer's loss depends on its own activity alone.

        Hard negatives still share one thing: all layers train on the wrong label drawn by the last layer's goodness in
        earlier steps.
        """
        if self.algorithm == "local":
            return True
        return self.algorithm == "ff" and self.net.first_layer != "with_next" and self.net.detach

    def override(self, assignments: Sequence[str] | Mapping[str, Any]) -> Config:
        """Return the configuration with ``section.key=value`` assignments; a value is TOML or a bare word.

        An empty value unsets an optional setting. Also accepts a mapping from ``section.key`` to values.

        Raises
        ------
        FFLabelsError
            For an unknown section or key (names the nearest) or a value of the wrong type.
        """
        if isinstance(assignments, str):
            raise FFLabelsError("one text", where="--set", got=assignments, expected="a list of section.key=value")
        if isinstance(assignments, Mapping):
            return self.replaced(assignments)
        values = []
        for assignment in assignments:
            path, equals, text = assignment.partition("=")
            if not equals:
                raise FFLabelsError("no value", where="--set", got=assignment, expected="section.key=value")
            values.append((path.strip(), typed(text)))
        return self._with(values, "--set")

    def replaced(self, values: Mapping[str, Any], where: str = "settings") -> Config:
        """Return the configuration with new values, by ``section.key``; errors name `where` and the key."""
        return self._with(values.items(), where)

    def _with(self, values: Iterable[tuple[str, Any]], where: str) -> Config:
        tree: dict[str, Any] = msgspec.to_builtins(self)
        for path, value in values:
            *sections, key = path.split(".")
            table = tree
            for name in sections:
                table = _subtable(table, name, path, where)
            if key not in table and sections != ["labels", "params"]:
                hint = "labels.layers.set" if path in OLD_LABEL_CHANNELS else _place_of(path, table)
                raise FFLabelsError("no such setting", where=where, got=path, hint=hint)
            if isinstance(table.get(key), dict) and not isinstance(value, dict):
                raise FFLabelsError(
                    "a section, not a setting", where=where, got=path, expected=f"{path}.key=value",
                    hint=nearest("", table[key]),
                )  # fmt: skip
            if isinstance(value, bool) and isinstance(table.get(key), str):
                value = str(value).lower()  # train.relu_gradient=true is a word
            table[key] = value
        return convert(tree, where)

    @classmethod
    def from_toml(cls, data: bytes, where: str) -> Config:
        """Return the configuration in a TOML file; errors name the file (`where`) and the field."""
        return convert(_migrated(read_toml(data, where), where), where)

    def to_toml(self) -> bytes:
        """Return the configuration as a TOML file: every setting except unset ones, and those that codes exclude."""
        tree = msgspec.to_builtins(self)
        for key in PAIRS_ONLY if self.has_codes else ():
            *sections, name = key.split(".")
            del functools.reduce(operator.getitem, sections, tree)[name]
        return tomli_w.dumps(_without_none(tree)).encode()


_DEFAULT = Config()


def convert(tree: Mapping[str, Any], where: str) -> Config:
    """Return the configuration in nested tables; errors name `where` and the field."""
    try:
        return msgspec.convert(tree, Config)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, FFLabelsError):
            raise FFLabelsError(str(error.__cause__), where=where) from None
        raise FFLabelsError(
            f"bad setting: {error}",
            where=where,
            got=refused_value(tree, str(error)),
            hint=_choices(str(error)) or _example(str(error)),
        ) from None


def _choices(error: str) -> str | None:
    """Return a hint that lists the words a setting accepts, if msgspec refused a word; else None."""
    match = re.match(r"Invalid enum value '(.*)' - at `\$\.([\w.]+)`", error)
    return nearest(match[1], type_of(match[2]).values) if match else None


def _example(error: str) -> str | None:
    """Return a hint on how a number, a list or a truth value is written, if msgspec refused a text for one."""
    match = re.match(r"Expected `(float|int|array|bool)[^`]*`.*, got `str`", error)
    return EXAMPLES[match[1]] if match else None


@functools.lru_cache(maxsize=1000)
def type_of(key: str) -> Any:
    """Return msgspec's type of a setting, by ``section.key``; None if there is no such setting."""
    kind: Any = _inspected(Config)
    for name in key.split("."):
        kind = next((field.type for field in getattr(kind, "fields", ()) if field.name == name), None)
    return kind


_inspected = functools.cache(msgspec.inspect.type_info)


def _place_of(path: str, table: Mapping[str, Any]) -> str:
    """Return a hint about an unknown setting: the sections that have one of this name, else the nearest names."""
    sections = [field for field in msgspec.structs.fields(Config) if isinstance(field.default, Section)]
    known = {f.name: [g.name for g in msgspec.structs.fields(f.default)] for f in sections}
    places = [f"{section}.{path}" for section, names in known.items() if path in names]
    return f"did you mean {' or '.join(map(repr, places))}?" if places else nearest(path.rpartition(".")[2], table)


def _without_none(tree: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in tree.items()
        if value is not None
    }


def _subtable(table: dict[str, Any], name: str, path: str, where: str) -> dict[str, Any]:
    subtable = table.get(name)
    if not isinstance(subtable, dict):
        sections = [key for key, value in table.items() if isinstance(value, dict)]
        raise FFLabelsError("no such section", where=where, got=path, hint=nearest(name, sections))
    return subtable


def _migrated(tree: dict[str, Any], where: str) -> dict[str, Any]:
    """Drop `REMOVED` settings; turn the label channels of version 0.1 into ``labels.layers``.

    Raises
    ------
    FFLabelsError
        If a removed setting differs from its default.
    """
    kept = {name: dict(value) if isinstance(value, dict) else value for name, value in tree.items()}
    for path, default in REMOVED.items():
        section, _, key = path.partition(".")
        table = kept.get(section)
        if isinstance(table, dict) and key in table and table.pop(key) != default:
            raise FFLabelsError("this setting was removed", where=where, got=path, expected=f"its default, {default}")

    # net.label_every_layer and net.offered_waves.
    net = kept.get("net", {})
    if not isinstance(net, dict):
        return kept
    every_layer, waves = net.pop("label_every_layer", False), net.pop("offered_waves", 0)
    if every_layer:
        layers = {"set": "waves:reed-solomon", "channels": waves} if waves else {"set": "imprint"}
        kept["labels"] = {**kept.get("labels", {}), "layers": layers}
    return kept


def result_settings(config: Config, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the settings that can change a result, by ``section.key``: without device, `NO_EFFECT` and `without`."""
    ignored = {"device", *NO_EFFECT, *without}
    settings = {key: value for key, value in flat(config) if key not in ignored}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}


def used_settings(config: Config, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the `result_settings` that this kind of net uses."""
    settings = result_settings(config, without)
    return {key: value for key, value in settings.items() if config.algorithm == "ff" or key in BASELINE_SETTINGS}
