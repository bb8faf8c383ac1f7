"""Checks before training starts: settings, data, labels and ranks must fit each other."""

from __future__ import annotations

import math
import warnings

import numpy as np
import numpy.typing as npt
import torch

from fflabels import LabelSet, guard
from fflabels.errors import FFLabelsError
from fflabels.progress import Progress, silent
from ffnet.config import Config
from ffnet.data.dataset import Data
from ffnet.data.images import check_images_fit
from ffnet.labels.choose import check_count, choose_labels
from ffnet.labels.codes import Codes
from ffnet.labels.kinds import is_labeler
from ffnet.labels.layers import choose_layer_labels
from ffnet.model.baseline import Baseline
from ffnet.model.build import build_layers
from ffnet.model.goodness import GOODNESS, get_goodness
from ffnet.model.initial import get_init
from ffnet.model.net import Net
from ffnet.model.norms import get_norm
from ffnet.system.ranks import SINGLE, Ranks
from ffnet.training.loop import check_ranks
from ffnet.training.losses import get_loss


class MissingClassWarning(UserWarning):
    """Some class has no training image."""


def check_run(config: Config, data: Data, ranks: Ranks = SINGLE, layer_labels: LabelSet | None = None) -> None:
    """Refuse settings that cannot be trained, before labels are designed or a folder is made.

    Where the labels of later layers are there already, as `layer_labels`, their name is not looked up.

    Raises
    ------
    FFLabelsError
        For an unregistered name, missing images, layers that leave no pixel, a number of labels other than the number
        of classes, or a batch that the ranks cannot share equally.
    """
    check_names(config)
    check_data_set(data)
    if not len(data.train):
        raise FFLabelsError("no training images", where=f"data set {data.name}")
    if weights_are_fitted(config) and not len(data.validation):
        hint = "data.validation sets some apart; FFClassifier has none"
        raise FFLabelsError("needs validation images", where="inference.layers", got="none", hint=hint)
    _check_counts(config, data)
    check_ranks(config, len(data.train), ranks)
    _check_kernel(config, data)
    if config.has_codes:
        if config.labels.n:
            check_count(config, config.labels.n, data)
    elif config.algorithm == "ff":
        _check_labels(config, data, layer_labels)
    _warn_of_missing_classes(data)


def check_data_set(data: Data) -> None:
    """Refuse splits whose images and classes a net cannot be trained on.

    Raises
    ------
    FFLabelsError
        For images that are not (N, C, H, W), of one shape, as bytes or floats in [0, 1]; for classes that are not (N,)
        int64, or not below the number of class names. Names the split.
    """
    if repeated := sorted({name for name in data.class_names if data.class_names.count(name) > 1}):
        raise FFLabelsError("two classes of one name", where=f"data set {data.name}", got=", ".join(repeated))
    for name in ("train", "validation", "test"):
        split = getattr(data, name)
        images, classes = split.images, split.classes
        where = f"data set {data.name}, {name}"
        if images.ndim != 4:
            shape = f"shape {tuple(images.shape)}"
            raise FFLabelsError("not images", where=where, got=shape, expected="(N, C, H, W)")
        try:
            check_images_fit(images, data.shape)
        except FFLabelsError as error:
            raise FFLabelsError(str(error), where=where) from None
        if classes.dtype != torch.int64 or classes.shape != (len(images),):
            raise FFLabelsError(
                "not one class per image", where=where, got=f"{classes.dtype} of shape {tuple(classes.shape)}",
                expected=f"torch.int64 of shape ({len(images)},)", hint="classes.long() converts other integers",
            )  # fmt: skip
        if len(classes) and not (classes.min() >= 0 and classes.max() < data.classes):
            raise FFLabelsError(
                "no such class", where=where, got=f"classes from {classes.min()} to {classes.max()}",
                expected=f"0 to {data.classes - 1}, one for each of the {data.classes} class names",
            )  # fmt: skip


def check_evaluation(config: Config, data: Data) -> None:
    """Refuse a run that no image could be evaluated on.

    Raises
    ------
    FFLabelsError
        When there are neither validation nor test images, or only test images and ``inference.test = false``.
    """
    if len(data.validation) or (config.inference.test and len(data.test)):
        return
    where, got = ("test split", "0 images") if config.inference.test else ("inference.test", "false")
    raise FFLabelsError("no images to evaluate on", where=where, got=got, hint="data.validation sets some apart")


def check_net(net: Net, data: Data) -> None:
    """Refuse data of another shape or number of classes than a net's.

    Raises
    ------
    FFLabelsError
        Names the data set, its shape and classes, and those of the net.
    """
    classes = net.classes if isinstance(net, Baseline) else len(net.labels or ())
    if (data.shape, data.classes) != (tuple(net.shape), classes):
        got, expected = (
            f"{'×'.join(map(str, shape))}, {count} classes"
            for shape, count in ((data.shape, data.classes), (net.shape, classes))
        )
        raise FFLabelsError("not for this net", where=f"data set {data.name}", got=got, expected=expected)


@torch.no_grad()
def check_drawing(net: Net) -> None:
    """Draw every label of a net once, on two images on its device; nets without labels have nothing to check.

    A labeler is tried with NumPy before it is imported. That says nothing of how it draws on tensors: a wrong range,
    NaN or images changed in place would spoil the training silently.

    Raises
    ------
    FFLabelsError
        Names the labeler, its distribution and version, and what is wrong.
    """
    for labels in sets_of(net):
        shape = net.shape if labels is net.labels else labels.shape
        images = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0), dtype=net.accumulate_dtype)
        guard.check_drawing(labels.labeler, labels.recipes, images.to(net.device))


def sets_of(net: Net) -> list[LabelSet]:
    """Return the label sets of a net: of its images, or one per width of its layers; and that of later layers."""
    sets = net.labels.sets.values() if isinstance(net.labels, Codes) else [net.labels]
    return [labels for labels in (*sets, net.layer_labels) if labels]


def check_names(config: Config) -> None:
    """Refuse an unregistered goodness, loss, norm or distribution of initial weights, and a goodness not for codes."""
    get_goodness(config.train.goodness)
    get_loss(config.train.loss)
    get_norm(config.net.norm)
    get_init(config.net.init)
    if config.has_codes and get_goodness(config.train.goodness).energy is None:
        raise FFLabelsError(
            "not a sum over channels", where="train.goodness", got=config.train.goodness,
            expected=", ".join(name for name, goodness in GOODNESS.items() if goodness.energy),
        )  # fmt: skip


def weights_are_fitted(config: Config) -> bool:
    """Return whether the layers' goodness is summed with weights fitted on validation images."""
    return config.algorithm == "ff" and config.inference.layers == "weighted"


def label_set(config: Config, data: Data, *, progress: Progress = silent) -> LabelSet | Codes:
    """Return the labels of a configuration: designed on the first training images, built in, or read from a file.

    A label set for the image, or `Codes` (one label set per width of the layers) with ``labels.goodness.set``.

    With ``labels.assign = "alike"`` classes that look alike (on training images) get similar labels. A set that was
    scored at another shape is scored again, at the shape of the data.

    Raises
    ------
    FFLabelsError
        If the set does not have one label per class, or the settings do not fit the data (checked before the design).

    Examples
    --------
    >>> import ffnet
    >>> config = ffnet.Config().override(["labels.set=fourier:paper10"])
    >>> len(ffnet.label_set(config, ffnet.load_data(config.data)))
    10
    """
    check_run(config, data)
    return choose_labels(config, data, progress=progress)


def _check_counts(config: Config, data: Data) -> None:
    """Refuse batches and classes that are too few for the settings."""
    if data.classes < 2:
        raise FFLabelsError("nothing to tell apart", where="classes", got=data.classes, expected="2 or more")
    layers = build_layers(config, data.shape)
    size = data.shape[1:]
    for layer in layers:
        if config.net.norm == "batch" and min(config.train.batch, len(data.train)) * math.prod(size) == 1:
            raise FFLabelsError(
                "one value per channel has no variance", where="net.norm", got="batch, with one image on maps of 1×1",
                expected="another norm, or a larger train.batch",
            )  # fmt: skip
        size = layer.pooled_size(*size)


def _check_kernel(config: Config, data: Data) -> None:
    """Refuse filters of which the outermost taps never meet a pixel: padding keeps the size of the maps."""
    _, height, width = data.shape
    if config.net.kernel > (largest := 2 * max(height, width) - 1):
        raise FFLabelsError(
            "larger than the image", where="net.kernel", got=config.net.kernel,
            expected=f"at most {largest} for images {height}×{width}",
        )  # fmt: skip


def _missing_classes(data: Data) -> npt.NDArray[np.int64]:
    """Return the classes without a training image."""
    return np.setdiff1d(np.arange(data.classes), data.train.classes.numpy())


def _warn_of_missing_classes(data: Data) -> None:
    """Warn of classes that cannot be learned."""
    missing = _missing_classes(data)
    if not len(missing):
        return
    named = ", ".join(data.class_names[k] for k in missing[:10]) + (", …" if len(missing) > 10 else "")
    warnings.warn(
        f"{data.name}: {len(missing)} of {data.classes} classes have no training image, and will not be learned: "
        f"{named} (more images; raise data.limit or lower data.validation where these are set)",
        MissingClassWarning, stacklevel=3,
    )  # fmt: skip


def _check_labels(config: Config, data: Data, layer_labels: LabelSet | None) -> None:
    if config.labels.n and is_labeler(config.labels.set):
        check_count(config, config.labels.n, data)
    if layer_labels is None:
        choose_layer_labels(config, data.classes)
    missing = _missing_classes(data)
    if config.labels.assign == "alike" and len(missing):
        raise FFLabelsError(
            "a class without a training image", where="labels.assign", got=f"class {missing[0]} of {data.name}",
            hint="raise data.limit, or set labels.assign=order",
        )  # fmt: skip
