"""A scikit-learn style classifier: construct, fit, predict."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fflabels.errors import FFLabelsError
from ffnet.config import Config, Inference
from ffnet.data.dataset import Data, Split
from ffnet.fitting import fit, fit_forecast
from ffnet.inference.predict import scores
from ffnet.inference.registry import get_inference
from ffnet.model.compute_type import with_dtype
from ffnet.model.net import FFNet
from ffnet.prepare import check_run, label_set
from ffnet.system.devices import memory_errors, resolve_device

Images = npt.NDArray[Any]


class FFClassifier:
    """A forward-forward network as a scikit-learn estimator.

    Parameters
    ----------
    labels
        A labeler (which designs a set on the training images), a built-in set such as ``fourier:paper10``, or a
        label-set file.
    epochs
        Number of training epochs.
    inference
        ``goodness`` (one pass per class), ``linear`` (one pass), ``cascade:k`` or ``halving``: see `ffnet.predict`.
    seed
        Seed of weights, order, negatives and label design.
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:i``.
    settings
        Settings as ``section.key=value``, for instance ``["net.widths=[32,64,64]"]``; they override the other
        parameters. All other settings are the defaults of `Config`, which embed labels in the image only, without
        label channels.

    Attributes
    ----------
    classes_
        The classes, sorted.
    net_
        The trained `FFNet`.
    history_
        The metrics of each epoch.

    Examples
    --------
    >>> import numpy as np, ffnet
    >>> X, y = np.random.default_rng(0).random((40, 12, 12)), np.arange(40) % 10
    >>> classifier = ffnet.FFClassifier("fourier:paper10", epochs=1).fit(X, y)
    >>> classifier.predict(X[:3]).shape
    (3,)
    """

    def __init__(
        self,
        labels: str = "fourier",
        *,
        epochs: int = 30,
        inference: Inference = "goodness",
        seed: int = 0,
        device: str = "auto",
        settings: Sequence[str] = (),
    ) -> None:
        self.labels, self.epochs, self.inference = labels, epochs, inference
        self.seed, self.device, self.settings = seed, device, settings

    def fit(self, X: Images, y: npt.ArrayLike) -> Self:
        """Train on images (N, H, W) or (N, C, H, W), bytes or floats in [0, 1], and their classes, of any type.

        Raises
        ------
        FFLabelsError
            For images of another shape or range, not one class per image, a single class, or settings that do not fit
            the data. Checked before training starts.
        """
        images = _images(X)
        self.classes_, index = np.unique(np.asarray(y), return_inverse=True)
        if index.shape != (len(images),):
            raise FFLabelsError("not one class an image", where="y", got=index.shape, expected=f"({len(images)},)")
        if len(self.classes_) < 2:
            raise FFLabelsError("a single class", where="y", expected="2 or more")
        values = {"labels.set": self.labels, "train.epochs": self.epochs, "seed": self.seed, "device": self.device}
        config = Config().replaced(values).override(self.settings)
        _, method, _ = get_inference(self.inference)
        if config.data != Config().data:
            raise FFLabelsError("the data are X and y", where="settings", got="data.…", expected="other settings")
        if config.algorithm != "ff":
            raise FFLabelsError(
                "not forward-forward", where="settings", got="algorithm=bp", hint="ffnet.BPNet is the baseline"
            )
        device = resolve_device(config.device)
        train = Split(images, torch.from_numpy(index.astype(np.int64)))
        data = Data("X", train, train[:0], train[:0], tuple(map(str, self.classes_)))
        check_run(config, data)
        with memory_errors():
            self.net_ = FFNet(with_dtype(config, device, data.shape), data.shape, label_set(config, data)).to(device)
            self.history_ = fit(self.net_, data)
            if method.needs == "forecast":
                self.net_.forecast = fit_forecast(self.net_, images)
        return self

    def decision_function(self, X: Images) -> npt.NDArray[np.float32]:
        """Return the score of each class (goodness or logit), (N, classes)."""
        if not hasattr(self, "net_"):
            raise FFLabelsError("not fitted", where="FFClassifier", hint="call fit first")
        scores_NC = scores(self.net_, _images(X), inference=self.inference)
        return cast(npt.NDArray[np.float32], scores_NC.float().cpu().numpy())

    def predict(self, X: Images) -> npt.NDArray[Any]:
        """Return the predicted classes, (N,)."""
        index_N = self.decision_function(X).argmax(1)
        return cast(npt.NDArray[Any], self.classes_[index_N])

    def score(self, X: Images, y: npt.ArrayLike) -> float:
        """Return the accuracy: the share of images whose class is predicted."""
        return float((self.predict(X) == np.asarray(y)).mean())

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's parameters, as scikit-learn's tools expect."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name."""
        names = self.get_params()
        for name, value in params.items():
            if name not in names:
                raise FFLabelsError("no such parameter", where="FFClassifier", got=name, expected=", ".join(names))
            setattr(self, name, value)
        return self


def _images(X: Images) -> Tensor:
    """Return images (N, C, H, W), uint8 or float32; refuse other shapes and ranges."""
    images = np.asarray(X)
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or not len(images):
        raise FFLabelsError("not images", where="X", got=f"shape {images.shape}", expected="(N, H, W) or (N, C, H, W)")
    if images.shape[-1] in (3, 4) and images.shape[1] > 4:
        raise FFLabelsError("channels last", where="X", got=f"shape {images.shape}", expected="(N, C, H, W)")
    if images.dtype == np.uint8:
        return torch.from_numpy(np.ascontiguousarray(images))
    low, high = float(images.min()), float(images.max())
    if not (low >= 0 and high <= 1):
        raise FFLabelsError("out of range", where="X", got=f"{low:g} to {high:g}", expected="0 to 1, or uint8")
    return torch.from_numpy(images.astype(np.float32))
