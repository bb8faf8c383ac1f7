"""What a run begins with: its settings, its labels, and a record of its data set and machine."""

from __future__ import annotations

import hashlib
import platform
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fflabels import LabelSet
from fflabels.errors import FFLabelsError
from fflabels.labelset import Changed
from fflabels.origin import LabelerMark
from ffnet.config import Config
from ffnet.data.splits import SplitRule
from ffnet.runs.files import ABOUT, CONFIG, LABELS, LAYER_LABELS, read_json, write_json

if TYPE_CHECKING:  # a record is read without PyTorch
    import torch

    from ffnet.data.dataset import Data
    from ffnet.labels.codes import Codes
    from ffnet.training.loop import Position

FORMAT = 2
"""The version of the layout of run folders; all since 1 are read. 2: sealed once finished, and a rule of splits."""

OLDEST = 1
"""The oldest format that is read."""

CANNOT_BE_MADE = "it cannot be rebuilt: put it back, or train in a new folder"


class ElsewhereWarning(UserWarning):
    """A run continues on another machine or with other versions, so that its last bits may differ."""


class _Format(msgspec.Struct, frozen=True):
    """The one field of run.json that all formats have."""

    format: int


class DataMark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Identifies a run's data set.

    Attributes
    ----------
    name, shape, class_names
        The name, (C, H, W), and the names of the classes.
    sha256
        A hash of all images and classes.
    counts
        The number of images per split.
    splits
        The rule by which the splits were drawn. Runs of older versions have none: theirs is ``by image``.
    """

    name: str
    sha256: str
    shape: tuple[int, int, int]
    class_names: list[str]
    counts: dict[str, int]
    splits: SplitRule = "by image"

    @property
    def identity(self) -> tuple[str, list[str]]:
        """What two runs on one data set have in common: the hash of the data, and the names of the classes."""
        return self.sha256, self.class_names

    def __str__(self) -> str:
        return f"{self.name}, {'x'.join(map(str, self.shape))}, {self.counts}, {self.sha256[:12]}"

    @classmethod
    def of(cls, data: Data) -> DataMark:
        """Return the mark of a data set."""
        counts = {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)}
        return cls(data.name, data.digest, data.shape, list(data.class_names), counts, data.splits)


class Continued(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run was resumed after `epoch` and `step`, on another device or with other versions."""

    epoch: int
    step: int
    device: str
    versions: dict[str, str]


class StartMark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which run a training started from.

    Attributes
    ----------
    run
        Its folder then.
    epochs
        How many epochs it had been trained for.
    settings
        A hash of its settings without the seed: runs that started alike have the same.
    """

    run: str
    epochs: int
    settings: str


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The record of a run.

    Attributes
    ----------
    format
        Of the folder.
    data
        The data set.
    device, versions
        What the run began on: the device, and the versions of packages.
    continued
        Device and versions after each time that it was resumed elsewhere.
    labelers
        Those that draw the labels, with distribution and version; none in older runs.
    started
        The run whose weights it started from; its folder keeps the weights.
    """

    format: int
    data: DataMark
    device: str
    versions: dict[str, str]
    labelers: list[LabelerMark] = []
    continued: list[Continued] = []
    started: StartMark | None = None

    @property
    def last(self) -> About | Continued:
        """The record of the last device and versions."""
        return self.continued[-1] if self.continued else self

    @property
    def devices(self) -> str:
        """The devices that the run was trained on, in the order of use."""
        return ", then ".join(dict.fromkeys([self.device, *(part.device for part in self.continued)]))

    @classmethod
    def of(
        cls,
        data: Data,
        device: torch.device,
        ranks: int = 1,
        sets: Sequence[LabelSet] = (),
        *,
        started: StartMark | None = None,
    ) -> About:
        """Return the record of a run that begins now, on this machine."""
        marks: list[LabelerMark] = []
        for labels in sets:
            if (mark := LabelerMark.of(labels.labeler)) not in marks:
                marks.append(mark)
        return cls(FORMAT, DataMark.of(data), *_machine(device, ranks), marks, started=started)


def _machine(device: torch.device, ranks: int) -> tuple[str, dict[str, str]]:
    """Return the name of the device, and the versions of packages."""
    from ffnet.system.devices import device_name

    versions = {name: version(name) for name in ("fflabels", "torch", "numpy")}
    name = device_name(device) + (f", {ranks} ranks" if ranks > 1 else "")
    return name, versions | {"python": platform.python_version()}


def record_machine(folder: Path, about: About, device: torch.device, ranks: int, position: Position) -> About:
    """Return the record of a run that continues; warn, and add to run.json, where it continues on another machine."""
    name, versions = _machine(device, ranks)
    before = about.last
    differences = [f"{name} (it was {before.device})"] if name != before.device else []
    for package in sorted(versions.keys() | before.versions.keys()):
        now, then = versions.get(package), before.versions.get(package)
        differences += [f"{package} {now} (it was {then})"] if now != then else []
    if not differences:
        return about
    message = f"{folder}: continues on {', '.join(differences)}; the result may differ in the last bits"
    warnings.warn(message, ElsewhereWarning, stacklevel=2)
    here = Continued(position.epoch, position.step, name, versions)
    about = msgspec.structs.replace(about, continued=[*about.continued, here])
    write_json(folder / ABOUT, about)
    return about


def read_config(folder: Path) -> tuple[Config, About]:
    """Return a run's settings and its record; no label is read, so no plugin is needed."""
    if not (folder / CONFIG).is_file():
        raise FFLabelsError("not a run folder", where=str(folder), expected=f"a folder with {CONFIG}")
    config = Config.from_toml((folder / CONFIG).read_bytes(), str(folder / CONFIG))
    about = _read_about(folder / ABOUT)
    return config, about


def read_settings(folder: Path, *, changed: Changed = "warn") -> tuple[Config, About, LabelSet | Codes | None]:
    """Return a run's settings, its record and its labels; baselines have no labels.

    `changed` says what to do when the labeler draws otherwise than when the run began; see `LabelSet.load`.
    """
    from ffnet.labels.codes import Codes

    config, about = read_config(folder)
    if config.algorithm != "ff":
        return config, about, None
    kind: type[LabelSet | Codes] = Codes if config.has_codes else LabelSet
    labels, classes = kind.load(folder / LABELS, changed=changed), len(about.data.class_names)
    if len(labels) != classes:
        raise FFLabelsError(
            "not one label per class", where=str(folder / LABELS), got=len(labels), expected=f"{classes}"
        )  # fmt: skip
    if isinstance(labels, Codes) and (missing := sorted(set(config.code_lengths) - set(labels.sets))):
        raise FFLabelsError(
            "no codes for a layer", where=str(folder / LABELS), got=f"codes of {', '.join(map(str, labels.sets))}",
            expected=f"of {missing[0]}",
        )  # fmt: skip
    return config, about, labels


def read_layer_labels(folder: Path, *, changed: Changed = "warn") -> LabelSet | None:
    """Return the label set that a run's later layers receive, or None if there is no file of it."""
    path = folder / LAYER_LABELS
    return LabelSet.load(path, changed=changed) if path.exists() else None


def _read_about(path: Path) -> About:
    """Return the record of a run; the format is read first, since other formats have other fields."""
    format_ = read_json(path, _Format, CANNOT_BE_MADE).format
    if not OLDEST <= format_ <= FORMAT:
        age, hint = ("an older", "train again") if format_ < OLDEST else ("a newer", "upgrade fflabels")
        raise FFLabelsError(
            f"a run folder of {age} ffnet", where=str(path), got=f"format {format_}",
            expected=f"{OLDEST} to {FORMAT}", hint=hint,
        )  # fmt: skip
    return read_json(path, About, CANNOT_BE_MADE)


def settings_digest(folder: Path) -> str:
    """Return a hash of the files that decide a run's result: its settings and its labels."""
    digest = hashlib.sha256((folder / CONFIG).read_bytes())
    for name in (LABELS, LAYER_LABELS):
        if (folder / name).exists():
            digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def with_root(config: Config, root: str | None) -> Config:
    """Return the configuration with its data in another place, if one is given.

    `root` is the folder of torchvision's data sets or, if the data set is a folder of class folders, that folder.
    """
    from ffnet.data.load import KNOWN

    name = config.data.name
    if root:
        return config.replaced({"data.root" if name in KNOWN else "data.name": root})
    if name not in KNOWN and not Path(name).is_absolute() and not Path(name).is_dir():
        hint = "pass them again: Run.evaluate(data, …), ffnet.resume(folder, data=data)"
        raise FFLabelsError("the run was trained on data from Python", where="data", got=name, hint=hint)
    return config


def check_data(data: Data, about: About, folder: Path) -> Data:
    """Return the data set, if it is the one that the run began with."""
    if data.digest != about.data.sha256:
        raise FFLabelsError(
            "the data set is not the one that the run began with",
            where=str(folder),
            got=str(DataMark.of(data)),
            expected=str(about.data),
        )
    if (names := list(data.class_names)) != (known := about.data.class_names):
        new, old = sorted(set(names) - set(known)), sorted(set(known) - set(names))
        raise FFLabelsError(
            "classes were renamed since the run began",
            where=str(folder),
            got=", ".join(new) or "another order",
            expected=", ".join(old) or "the order in run.json",
            hint="rename them back",
        )
    return data
