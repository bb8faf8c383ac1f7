"""What a run begins with: its settings, its labels, and a record of its data set and machine."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec
import torch

from fflabels import LabelSet
from fflabels.errors import FFLabelsError
from fflabels.labelset import Changed
from fflabels.origin import LabelerMark
from ffnet.config import Config
from ffnet.data.dataset import Data
from ffnet.data.load import KNOWN
from ffnet.labels.codes import Codes
from ffnet.runs.files import ABOUT, CONFIG, LABELS, LAYER_LABELS, read_json
from ffnet.system.devices import device_name

FORMAT = 1
"""The version of the layout of run folders."""


class DataMark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Identifies a run's data set: a hash of all images and classes, (C, H, W), class names, images per split."""

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
    """What is known when a run begins: the folder's format, the data set, the device and the versions of packages.

    `labelers` are those that draw the labels, with distribution and version; none in older runs.
    """

    format: int
    data: DataMark
    device: str
    versions: dict[str, str]
    labelers: list[LabelerMark] = []

    @classmethod
    def of(cls, data: Data, device: torch.device, ranks: int = 1, sets: Sequence[LabelSet] = ()) -> About:
        """Return the record of a run that begins now, on this machine."""
        versions = {name: version(name) for name in ("fflabels", "torch", "numpy")}
        name = device_name(device) + (f", {ranks} ranks" if ranks > 1 else "")
        marks: list[LabelerMark] = []
        for labels in sets:
            if (mark := LabelerMark.of(labels.labeler)) not in marks:
                marks.append(mark)
        return cls(FORMAT, DataMark.of(data), name, versions | {"python": platform.python_version()}, marks)


def read_config(folder: Path) -> tuple[Config, About]:
    """Return a run's settings and its record; no label is read, so no plugin is needed."""
    if not (folder / CONFIG).is_file():
        raise FFLabelsError("no run there", where=str(folder), expected=f"a folder with {CONFIG}")
    config = Config.from_toml((folder / CONFIG).read_bytes(), str(folder / CONFIG))
    about = read_json(folder / ABOUT, About)
    if about.format != FORMAT:
        raise FFLabelsError(
            "unknown format", where=str(folder / ABOUT), got=about.format, expected=str(FORMAT), hint="a newer ffnet?"
        )
    return config, about


def read_settings(folder: Path, *, changed: Changed = "warn") -> tuple[Config, About, LabelSet | Codes | None]:
    """Return a run's settings, its record and its labels; back-propagation has no labels.

    `changed` says what to do when the labeler draws otherwise than when the run began; see `LabelSet.load`.
    """
    config, about = read_config(folder)
    if config.algorithm != "ff":
        return config, about, None
    kind: type[LabelSet | Codes] = Codes if config.has_codes else LabelSet
    labels, classes = kind.load(folder / LABELS, changed=changed), len(about.data.class_names)
    if len(labels) != classes:
        raise FFLabelsError(
            "not one label a class", where=str(folder / LABELS), got=len(labels), expected=f"{classes}"
        )  # fmt: skip
    return config, about, labels


def read_layer_labels(folder: Path, *, changed: Changed = "warn") -> LabelSet | None:
    """Return the label set that a run's later layers receive, or None if there is no file of it."""
    path = folder / LAYER_LABELS
    return LabelSet.load(path, changed=changed) if path.exists() else None


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
    if not root:
        return config
    return config.replaced({"data.root" if config.data.name in KNOWN else "data.name": root})


def check_data(data: Data, about: About, folder: Path) -> Data:
    """Return the data set, if it is the one that the run began with."""
    if data.digest != about.data.sha256:
        raise FFLabelsError(
            "the data set is not the one that the run began with",
            where=str(folder),
            got=str(DataMark.of(data)),
            expected=str(about.data),
        )
    return data
