"""What a training starts from: settings built from a few arguments, and the weights of another run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch.utils.data import Dataset

from fflabels.errors import FFLabelsError
from fflabels.recipe import canonical_json, sha256
from ffnet.config import Config, result_settings
from ffnet.config.sections import DataConfig
from ffnet.data.dataset import Data
from ffnet.data.load import KNOWN
from ffnet.labels.kinds import names_codes
from ffnet.model.baseline import BPNet, LocalNet
from ffnet.model.net import Net
from ffnet.presets import Preset, load_preset, quick_preset
from ffnet.runs.files import STARTED
from ffnet.runs.folder import Run
from ffnet.runs.settings import StartMark
from ffnet.runs.weights import load_weights, save_weights

UNREAD = {f"data.{key}": getattr(DataConfig(), key) for key in ("size", "limit", "validation", "range")}
"""Settings of how a data set is read and split, which have no effect on data that are given, with their defaults."""

Start: TypeAlias = Config | Preset | str | Mapping[str, Any] | None


def starting_settings(
    start: Start = None,
    source: Run | None = None,
    *,
    dataset: str | None = None,
    labels: str | None = None,
    values: Mapping[str, Any] | None = None,
    pairs: bool = False,
) -> Preset:
    """Return the settings of a training, with the name of the preset that they come from.

    Parameters
    ----------
    start
        Settings, a preset or its name; or only a mapping of values, by ``section.key``. Default: those of `source`,
        else the quick preset of the data set, or its counterpart for labels in the image if `labels` are not codes.
    source
        The run whose weights the training starts from.
    dataset
        Name of the data set, or a folder.
    labels
        A labeler, a built-in set or a file: labels for the image, or codes.
    values
        Other settings by ``section.key``; None leaves a setting as it is.
    pairs
        Whether other settings ask for labels in the image, where no `labels` are given.
    """
    if labels is not None and not isinstance(labels, str):
        hint = 'labels.save("labels.json"), then labels="labels.json"'
        raise FFLabelsError(
            "not a name", where="labels", got=type(labels).__name__, expected="a name or file", hint=hint
        )
    values = {**(start if isinstance(start, Mapping) else {}), **(values or {})}
    codes = labels is not None and names_codes(labels)
    match start:
        case Config():
            preset = Preset("", "", True, start)
        case Preset():
            preset = start
        case str():
            preset = load_preset(start)
        case _ if source:
            name, theirs = values.get("data.name") or dataset, source.config.data.name
            # The range of one folder is not that of another.
            elsewhere = name and Path(name).expanduser().resolve() != Path(theirs).resolve()
            changes = {"data.range": "type"} if elsewhere else {}
            preset = Preset("", "", True, source.config.replaced(changes))
        case _:
            preset = quick_preset(dataset or "digits", pairs=not codes if labels else pairs)
    if labels is not None and not codes and preset.config.has_codes:
        preset = preset._replace(config=preset.config.replaced({"labels.goodness": {}}))
    given = {"data.name": dataset, "labels.goodness.set" if codes else "labels.set": labels, **values}
    changed = {name: value for name, value in given.items() if value is not None}
    return preset._replace(config=preset.config.replaced(changed))


def with_data(
    config: Config, data: Data | Dataset[Any] | None, values: Mapping[str, Any] | None = None
) -> tuple[Config, Data | None]:
    """Return the data that a training was given as `Data`, and settings that name them.

    Settings of how to read them go back to their defaults, unless the data are those that the settings name.

    Raises
    ------
    FFLabelsError
        If the data are no `Data`, or `values`, the settings that the user gave, say how to read them.
    """
    given = Data.from_dataset(data) if isinstance(data, Dataset) else data
    if given is not None and not isinstance(given, Data):
        hint = "ffnet.Data.from_arrays(X, y) makes them"
        raise FFLabelsError("not data", where="data", got=type(given).__name__, expected="ffnet.Data", hint=hint)
    if given and given.name != Path(config.data.name).name:
        for key in UNREAD:
            if values and values.get(key) is not None:
                raise FFLabelsError(
                    "without effect on data that are given", where=key, got=values[key],
                    expected="ffnet.Data.from_arrays of the images, sizes and splits wanted",
                )  # fmt: skip
        config = config.replaced({"data.name": given.name, **UNREAD})
    return config, given


def same_labels(run: Run, config: Config, data: Data) -> bool:
    """Return whether a new training takes a run's labels: its classes and the settings of labels are the same."""
    theirs = run.config
    return (
        theirs.algorithm == config.algorithm == "ff"
        and theirs.labels == config.labels
        and theirs.code_lengths == config.code_lengths
        and run.net.shape == data.shape
        and run.about.data.class_names == list(data.class_names)
    )


@torch.no_grad()
def start_from(run: Run, net: Net, data: Data, folder: Path) -> None:
    """Start a net from the layers of a run's net, and write these weights into its run folder.

    Heads that are fitted after training are fitted anew. The classifiers of a baseline are kept if the classes are the
    same; codes are kept if the settings of labels are the same, too.

    Raises
    ------
    FFLabelsError
        When the layers differ.
    """
    run.check_trained()
    if run.net.shape[0] != net.shape[0]:
        raise FFLabelsError(
            "images of other channels", where=f"start {run.folder}", got=f"{run.net.shape[0]} channels",
            expected=f"{net.shape[0]}, as {data.name}",
        )  # fmt: skip
    same_classes = list(data.class_names) == run.about.data.class_names
    keep_codes = same_classes and net.config.labels == run.config.labels
    ours, theirs = net.layers.state_dict(), run.net.layers.state_dict()
    for name, tensor in ours.items():
        code = name.endswith("goodness_weight")
        if code and not (keep_codes and name in theirs and theirs[name].shape == tensor.shape):
            continue
        if name not in theirs or theirs[name].shape != tensor.shape:
            shape = tuple(theirs[name].shape) if name in theirs else "nothing"
            raise FFLabelsError(
                "the layers differ", where=f"start {run.folder}", got=f"{name}: {shape}",
                expected=f"{tuple(tensor.shape)}", hint="keep the net settings of that run",
            )  # fmt: skip
        tensor.copy_(theirs[name])
    if same_classes and isinstance(net, BPNet) and isinstance(run.net, BPNet):
        net.head.load_state_dict(run.net.head.state_dict())
    if same_classes and isinstance(net, LocalNet) and isinstance(run.net, LocalNet):
        net.heads.load_state_dict(run.net.heads.state_dict())
    net.has_initial_weights = False
    save_weights(net, folder / STARTED)


def load_start_weights(net: Net, folder: Path) -> None:
    """Give a net the weights of the run that its own run started from, as its folder keeps them.

    Raises
    ------
    FFLabelsError
        When the file is damaged.
    """
    load_weights(net, folder / STARTED, hint="put it back, or train again from the other run")
    net.has_initial_weights = False


def mark_of(run: Run | None) -> StartMark | None:
    """Return the mark of a run that a training starts from."""
    if run is None:
        return None
    settings = canonical_json(result_settings(run.config, without=("seed",)))
    return StartMark(str(run.folder), len(run.metrics), sha256(settings))


def with_absolute_paths(config: Config) -> Config:
    """Return the configuration with absolute paths to the data, so that a run continues from any working directory."""
    name, root = config.data.name, config.data.root
    folder = name if name and name not in KNOWN and Path(name).is_dir() else None
    paths = {"data.root": root, "data.name": folder}
    return config.replaced({key: str(Path(path).expanduser().resolve()) for key, path in paths.items() if path})
