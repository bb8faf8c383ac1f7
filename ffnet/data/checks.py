"""Checks of a data set that comes from Python, before anything is made of it."""

from __future__ import annotations

import torch

from fflabels.errors import FFLabelsError
from ffnet.data.dataset import Data
from ffnet.data.images import check_images_fit


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
