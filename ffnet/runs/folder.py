"""The run folder: what is in it, and a run read from it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from fflabels import LabelSet
from fflabels.arrays import Shape
from fflabels.errors import FFLabelsError
from fflabels.files import write_whole
from fflabels.progress import Progress, silent
from ffnet.config import Config, Inference
from ffnet.data.dataset import Data
from ffnet.data.load import KNOWN, load_data
from ffnet.evaluation.accuracy import Evaluation, SplitName, evaluate
from ffnet.fitting import fit_forecast, untrained
from ffnet.inference.predict import check_inference, predict, renamed_method
from ffnet.inference.registry import get_inference
from ffnet.model.baseline import BPNet
from ffnet.model.heads import Forecast
from ffnet.model.net import FFNet
from ffnet.runs.checkpoint import net_state, newest_checkpoint, on_host
from ffnet.runs.log import METRICS, read_lines
from ffnet.system.devices import device_name, memory_errors, resolve_device
from ffnet.training.learner import Metrics

FORMAT = 1
CONFIG, LABELS, ABOUT, RESULTS, READS = "config.toml", "labels.json", "run.json", "results.json", "reads.json"
MODEL, UNTRAINED, CHECKPOINTS = "model.safetensors", "untrained.safetensors", "checkpoints"
FORECAST = "forecast.safetensors"

S = TypeVar("S", bound=msgspec.Struct)


class DataMark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which images a run has seen: their hash, (C, H, W), classes, and how many in each split."""

    name: str
    sha256: str
    shape: tuple[int, int, int]
    class_names: list[str]
    counts: dict[str, int]

    def __str__(self) -> str:
        return f"{self.name}, {'x'.join(map(str, self.shape))}, {self.counts}, {self.sha256[:12]}"

    @classmethod
    def of(cls, data: Data) -> DataMark:
        """Return the mark of a data set."""
        counts = {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)}
        return cls(data.name, data.digest, data.shape, list(data.class_names), counts)


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is true of a run from its first second: format, data, and what it began on."""

    format: int
    data: DataMark
    device: str
    versions: dict[str, str]

    @classmethod
    def of(cls, data: Data, device: torch.device, ranks: int = 1) -> About:
        """Return it for a run that begins here and now, on so many ranks."""
        versions = {name: version(name) for name in ("fflabels", "torch", "numpy")}
        name = device_name(device) + (f", {ranks} ranks" if ranks > 1 else "")
        return cls(FORMAT, DataMark.of(data), name, versions | {"python": platform.python_version()})


class Results(msgspec.Struct, frozen=True):
    """The accuracies of a finished run."""

    validation: Evaluation | None
    test: Evaluation

    def to_builtins(self) -> dict[str, Any]:
        """Return what results.json holds."""
        validation = self.validation.to_builtins() if self.validation else None
        return {"validation": validation, "test": self.test.to_builtins()}

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        write_whole(path, msgspec.json.format(msgspec.json.encode(self.to_builtins()), indent=1) + b"\n")

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read the file; errors name it."""
        try:
            value = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Any] | None])
            parts = {name: Evaluation.from_builtins(part) for name, part in value.items() if part}
            return cls(parts.get("validation"), parts["test"])
        except (OSError, msgspec.DecodeError, LookupError) as error:
            reason = getattr(error, "strerror", None) or error
            raise FFLabelsError(f"cannot be read: {reason}", where=str(path)) from None


class Reads(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often the test images were looked at."""

    test: int


@dataclass
class Run:
    """A run: its folder, settings, net, diary and, when it is finished, results.

    Attributes
    ----------
    folder
        Where it lives.
    config, about
        Its settings; its data and what it began on.
    net
        `FFNet` or `BPNet`; of an unfinished run, as of its newest checkpoint.
    metrics
        Each epoch's figures.
    results
        None until it is finished.
    """

    folder: Path
    config: Config
    about: About
    net: FFNet | BPNet
    metrics: list[Metrics] = field(default_factory=list)
    results: Results | None = None

    def check_trained(self) -> None:
        """Refuse a net that is as it began, or not far from it."""
        if not self.metrics and not self.results:
            raise FFLabelsError(
                "no epoch was trained yet", where=str(self.folder), hint="ffnet resume goes on with it"
            )  # fmt: skip

    def predict(self, images: Tensor, *, inference: Inference | None = None, method: Inference | None = None) -> Tensor:
        """Return the predicted classes of images, (N,) int64; see `ffnet.predict`. `method` is its old name.

        Raises
        ------
        FFLabelsError
            Before an epoch was trained, and as `ffnet.predict` does.
        """
        self.check_trained()
        return predict(self.net, images, inference=renamed_method(inference, method))

    @property
    def test_reads(self) -> int:
        """How often the test images were looked at, by this run and after it."""
        return read_json(self.folder / READS, Reads).test if (self.folder / READS).exists() else 0

    def count_test_read(self) -> None:
        """Count a look at the test images: before it is taken."""
        write_json(self.folder / READS, Reads(self.test_reads + 1))

    def data(self, root: str | None = None) -> Data:
        """Return the data set of the run, from the folder `root` if one is given: torchvision's, or the images' own.

        Raises
        ------
        FFLabelsError
            When it cannot be read, or is not the one that the run began with.
        """
        return checked(load_data(with_root(self.config, root).data), self.about, self.folder)

    @memory_errors()
    def fit_forecast(self, data: Data, *, progress: Progress = silent) -> None:
        """Fit what a halving begins with, unless the folder holds it already, and keep it there."""
        if isinstance(self.net, FFNet) and self.net.forecast is None:
            self.net.forecast = fit_forecast(self.net, data.train.images, progress=progress)
            write_whole(self.folder / FORECAST, save(on_host(self.net.forecast.state_dict())))

    @memory_errors()
    def control(self, data: Data) -> FFNet | None:
        """Return the net as it was before training, its classifier fitted, from the folder or made anew.

        None for back-propagation's.
        """
        return _load_control(self) or untrained(self.net, data) if isinstance(self.net, FFNet) else None

    @memory_errors()
    def evaluate(self, data: Data, split: SplitName, *, inference: Inference | None = None) -> Evaluation:
        """Return accuracies on a split; a look at the test images is counted in the folder.

        A halving's forecast is fitted where there is none yet.

        Raises
        ------
        FFLabelsError
            For an empty split, a reading that the net does not have, before an epoch was trained, and before the run is
            finished for the test split and a linear reading.
        """
        check_inference(self.net, inference)  # before a look is counted
        self.check_trained()
        if not len(getattr(data, split, [0])):
            raise FFLabelsError("no images", where=f"split {split}", hint="data.validation sets some apart")
        finished = self.results is not None
        if split == "test" and not finished:
            raise FFLabelsError(
                "the test images are for the end", where=str(self.folder), hint="ffnet resume finishes the run"
            )
        if isinstance(self.net, FFNet) and not finished and inference != "goodness":
            raise FFLabelsError(
                "other readings than goodness are fitted at the end",
                where=str(self.folder),
                hint="ffnet resume finishes the run; --inference goodness works now",
            )
        method = get_inference(inference)[1] if inference else None
        if method and method.needs == "forecast":
            self.fit_forecast(data)
        if split == "test":
            self.count_test_read()
        control = self.control(data) if method is None or method.control else None
        return evaluate(self.net, data, split, inference=inference, control=control)


def load_run(folder: str | Path, *, device: str = "cpu") -> Run:
    """Return a run, finished or not.

    Raises
    ------
    FFLabelsError
        When the folder holds none, or something in it is damaged.
    """
    folder = Path(folder)
    config, about, labels = read_settings(folder)
    net = build(config, about.data.shape, labels, len(about.data.class_names)).to(resolve_device(device))
    metrics = read_lines(folder / METRICS)
    if (folder / MODEL).exists():
        load_weights(net, folder / MODEL)
        if isinstance(net, FFNet) and (folder / FORECAST).exists():
            net.forecast = load_forecast(folder / FORECAST).to(net.device)
    elif (folder / RESULTS).exists():
        raise FFLabelsError("is missing", where=str(folder / MODEL), hint="ffnet resume makes it again")
    elif found := newest_checkpoint(folder / CHECKPOINTS, settings_digest(folder)):
        state, position = found
        net.load_state_dict(net_state(state))
        del metrics[position.epoch :]
    results = Results.read(folder / RESULTS) if (folder / RESULTS).exists() else None
    net.eval()
    return Run(folder, config, about, net, metrics, results)


def is_finished(folder: Path) -> bool:
    """Return whether a folder holds a run's results and the net that they belong to."""
    return (folder / RESULTS).exists() and (folder / MODEL).exists()


def build(config: Config, shape: Shape, labels: LabelSet | None, classes: int) -> FFNet | BPNet:
    """Return the net of a configuration with its first weights; without labels, the baseline."""
    return FFNet(config, shape, labels) if labels else BPNet(config, shape, classes)


def with_root(config: Config, root: str | None) -> Config:
    """Return the configuration with another place of its data, if one is given.

    That is the folder of torchvision's data sets or, for a folder of class folders, that folder.
    """
    if not root:
        return config
    return config.replaced({"data.root" if config.data.name in KNOWN else "data.name": root})


def settings_digest(folder: Path) -> str:
    """Return a hash of what decides a run: its settings and its labels."""
    found = hashlib.sha256((folder / CONFIG).read_bytes())
    if (folder / LABELS).exists():
        found.update((folder / LABELS).read_bytes())
    return found.hexdigest()


def read_settings(folder: Path) -> tuple[Config, About, LabelSet | None]:
    """Return what a run began with."""
    if not (folder / CONFIG).is_file():
        raise FFLabelsError("no run there", where=str(folder), expected=f"a folder with {CONFIG}")
    config = Config.from_toml((folder / CONFIG).read_bytes(), str(folder / CONFIG))
    about = read_json(folder / ABOUT, About)
    if about.format != FORMAT:
        raise FFLabelsError(
            "unknown format", where=str(folder / ABOUT), got=about.format, expected=str(FORMAT), hint="a newer ffnet?"
        )
    if config.algorithm == "bp":
        return config, about, None
    labels = LabelSet.load(folder / LABELS)
    if len(labels) != len(about.data.class_names):
        raise FFLabelsError(
            "not one label a class",
            where=str(folder / LABELS),
            got=len(labels),
            expected=f"{len(about.data.class_names)}",
        )
    return config, about, labels


def checked(data: Data, about: About, folder: Path) -> Data:
    """Return the data set if it is the one that the run began with."""
    mark = DataMark.of(data)
    if mark.sha256 != about.data.sha256:
        raise FFLabelsError(
            "the data set is not the one that the run began with",
            where=str(folder),
            got=str(mark),
            expected=str(about.data),
        )
    return data


def check_alike(runs: Sequence[Run]) -> None:
    """Refuse runs of different data sets, one that is not finished, and one that is there twice."""
    if len({run.folder.resolve() for run in runs}) < len(runs):
        raise FFLabelsError("the same run twice", where="runs")
    for run in runs:
        if run.results is None:
            raise FFLabelsError("not finished", where=str(run.folder), hint="ffnet resume finishes it")
        if run.about.data.sha256 != runs[0].about.data.sha256:
            got, expected = str(run.about.data), str(runs[0].about.data)
            raise FFLabelsError("another data set", where=str(run.folder), got=got, expected=expected)


def save_weights(net: FFNet | BPNet, path: Path) -> None:
    """Write a net's state, classifier included, as safetensors."""
    write_whole(path, save(on_host(net.state_dict())))


def load_weights(net: FFNet | BPNet, path: Path) -> None:
    """Put a net into the state in a file."""
    try:
        net.load_state_dict(load(path.read_bytes()))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise FFLabelsError(f"damaged: {error}", where=str(path)) from None


def load_forecast(path: Path) -> Forecast:
    """Return the forecast in a file."""
    try:
        return Forecast.from_state(load(path.read_bytes()))
    except (OSError, SafetensorError, RuntimeError, LookupError, ValueError) as error:
        raise FFLabelsError(f"damaged: {error}", where=str(path), hint="remove it: ffnet eval fits it anew") from None


def write_json(path: Path, value: msgspec.Struct) -> None:
    """Write a struct as JSON, whole or not at all."""
    write_whole(path, msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")


def read_json(path: Path, kind: type[S]) -> S:
    """Read a struct; errors name the file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FFLabelsError(f"cannot be read: {reason}", where=str(path)) from None


def _load_control(run: Run) -> FFNet | None:
    path = run.folder / UNTRAINED
    if not path.exists() or not isinstance(run.net, FFNet):
        return None
    control = FFNet(run.config, run.net.shape, run.net.labels).to(run.net.device)
    load_weights(control, path)
    control.eval()
    return control
