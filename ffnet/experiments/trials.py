"""One net of a study: trained, read on validation images, its figures kept in a file that is not written twice."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import torch
from torch import Tensor

from fflabels import LabelSet
from fflabels.errors import FFLabelsError
from fflabels.recipe import canonical_json, sha256
from ffnet.config import REMOVED, Config, DataConfig, result_settings
from ffnet.data.dataset import Data, Split
from ffnet.data.load import load_data
from ffnet.evaluation.accuracy import accuracy
from ffnet.fitting import fit_layer_weights, fit_linear, layer_weights_of, untrained
from ffnet.inference.linear import linear_scores
from ffnet.inference.passes import decision_scores, layer_goodness
from ffnet.model.compute_type import with_dtype
from ffnet.model.net import FFNet
from ffnet.runs.files import read_json, write_json
from ffnet.system.devices import device_name, resolve_device
from ffnet.training.loop import make_learner, steps

T = TypeVar("T")


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a net reaches on validation images, and where it was computed.

    Attributes
    ----------
    settings
        What decided them.
    labels
        Hash of the label set's recipes.
    images
        Validation images read; the test images are not.
    layers, goodness, linear
        Accuracy by goodness of each layer alone and of those that count summed, and by the linear classifier.
    untrained
        The same classifier's on the untrained net; None where it was not taken.
    cpu_seconds, device, dtype, versions
        How.
    corrected
        ``weighted``: accuracy by goodness with layers' weights, fitted on other validation images; empty where it was
        not taken.
    train_seconds
        Of the processor, for the training alone.
    """

    settings: dict[str, Any]
    labels: str
    images: int
    layers: list[float]
    goodness: float
    linear: float
    untrained: float | None
    cpu_seconds: float
    device: str
    dtype: str
    versions: dict[str, str]
    corrected: dict[str, float] = {}
    train_seconds: float = 0.0

    @property
    def last(self) -> float:
        """Accuracy by goodness of the last layer."""
        return self.layers[-1]

    def read(self, reading: str) -> float | None:
        """Return the accuracy by ``last``, ``goodness``, ``linear`` or ``weighted``; None if it was not taken."""
        return self.corrected.get(reading) if reading == "weighted" else getattr(self, reading)


def train_and_read(
    config: Config,
    data: Data,
    labels: LabelSet,
    settings: dict[str, Any],
    *,
    readout: int,
    validation: int,
    correct_on: int = 0,
    control: bool = False,
) -> Figures:
    """Return what a net reaches.

    Parameters
    ----------
    config, data, labels
        What is trained.
    settings
        Kept with the figures.
    readout
        The linear classifier is fitted to the first so many training images.
    validation
        Accuracies are taken on the first so many validation images.
    correct_on
        The next so many are those that goodness is corrected on; 0: it is not, and no setting may ask for it.
    control
        Whether the linear classifier of the untrained net is read too.
    """
    begin, device = time.process_time(), resolve_device(config.device)
    config = with_dtype(config, device, data.shape)
    net = FFNet(config, data.shape, labels).to(device)
    train, few = data.train.to(device), replace(data, train=data.train[:readout])
    for _ in steps(make_learner(net, len(train)), config, train, data.classes):
        pass
    trained = time.process_time() - begin
    net.linear = fit_linear(net.eval(), few.train.to(device))
    part, other = data.validation[:validation], data.validation[validation : validation + correct_on]
    net.layer_weights = fit_layer_weights(net, replace(data, validation=other))
    goodness_LNC = layer_goodness(net, part.images)
    first = _accuracy(linear_scores(untrained(net, few), part.images), part) if control else None
    return Figures(
        settings=settings,
        labels=digest(labels),
        images=len(part),
        layers=[_accuracy(layer, part) for layer in goodness_LNC],
        goodness=_accuracy(decision_scores(net, goodness_LNC), part),
        linear=_accuracy(linear_scores(net, part.images), part),
        untrained=first,
        cpu_seconds=round(time.process_time() - begin, 2),
        device=device_name(device),
        dtype=config.dtype,
        versions={name: version(name) for name in ("fflabels", "torch", "numpy")},
        corrected={"weighted": _weighted(net, goodness_LNC, part, other)} if len(other) else {},
        train_seconds=round(trained, 2),
    )


@torch.no_grad()
def _weighted(net: FFNet, goodness_LNC: Tensor, part: Split, other: Split) -> float:
    """Return the accuracy by goodness with layers' weights that are fitted on other images."""
    weights = layer_weights_of(layer_goodness(net, other.images), other.classes, net.counted)
    return _accuracy(weights(goodness_LNC[net.counted.start :], net.counted).sum(0), part)


def digest(labels: LabelSet) -> str:
    """Return a hash of a set's recipes in their order."""
    return sha256(canonical_json([msgspec.to_builtins(recipe) for recipe in labels.recipes]))


@lru_cache(maxsize=4)
def data_of(config: DataConfig) -> Data:
    """Return a data set that nets can be trained and read on; the last few are kept."""
    data = load_data(config)
    if not len(data.train):
        raise FFLabelsError("no training images", where=f"data set {data.name}")
    if not len(data.validation):
        raise FFLabelsError("no validation images", where=f"data set {data.name}")
    return data


def check_settings(found: Mapping[str, Any], wanted: Mapping[str, Any], path: Path) -> None:
    """Refuse what other settings decided; a setting that came later is at its default there."""
    found = {key: value for key, value in found.items() if key not in REMOVED or value != REMOVED[key]}
    known = {**result_settings(Config()), **found}
    for key in [*found, *wanted]:
        if key not in wanted or wanted[key] != known.get(key, wanted[key]):
            raise FFLabelsError(
                "was made with other settings", where=str(path), got=f"{key} = {known[key]}",
                expected=str(wanted.get(key, "no such setting")), hint="move it away, or choose another --out",
            )  # fmt: skip


def read_figures(path: Path, settings: Mapping[str, Any]) -> Figures | None:
    """Return the figures in a file, None where there is none; those of other settings are refused."""
    found = read(path, Figures)
    if found:
        check_settings(found.settings, settings, path)
    return found


def read(path: Path, kind: type[T]) -> T | None:
    """Return what is in a file, None where there is none."""
    return read_json(path, kind) if path.exists() else None


def write(path: Path, figures: msgspec.Struct) -> None:
    """Write a struct as JSON, whole or not at all."""
    write_json(path, figures, sort_keys=True)


def _accuracy(scores_NC: Tensor, part: Split) -> float:
    return accuracy(scores_NC.argmax(1), part.classes)


def place(found: Figures) -> str:
    """Return where a net was computed."""
    versions = ", ".join(f"{name} {number}" for name, number in sorted(found.versions.items()))
    return f"{found.device}, {found.dtype}, {versions}"


def done_lines(figures: Sequence[Figures]) -> list[str]:
    """Return the lines that say how many nets there are, what they took, and where."""
    hours = sum(one.cpu_seconds for one in figures) / 3600
    places = sorted({place(one) for one in figures})
    return [f"{len(figures)} nets, {hours:.1f} hours of processor time.", "", *(f"- {p}" for p in places), ""]
