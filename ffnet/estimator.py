"""A scikit-learn classifier: construct, fit, predict. Needs scikit-learn (extra ``sklearn``)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import softmax

from fflabels.arrays import Shape
from fflabels.errors import FFLabelsError, MissingExtraError
from ffnet.config import Config, Inference
from ffnet.config.toml import typed
from ffnet.data.arrays import TableImages, images_of
from ffnet.data.dataset import Data, Split
from ffnet.fitting import fit, fit_forecast
from ffnet.inference.predict import check_inference, scores
from ffnet.inference.registry import get_inference
from ffnet.model.compute_type import with_dtype
from ffnet.model.net import FFNet
from ffnet.prepare import label_set, weights_are_fitted
from ffnet.runs.start import starting_settings
from ffnet.system.devices import memory_errors, resolve_device

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise MissingExtraError("FFClassifier needs scikit-learn", extra="sklearn") from error

Images = Any
"""Array-like: images or rows of a table."""

Settings = Mapping[str, Any] | Sequence[str]


class FFClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A forward-forward network as a scikit-learn classifier.

    It is meant for images. Rows of a table are accepted, too, and drawn as images (see `fit`), so that it works in
    pipelines and wherever scikit-learn flattens images.

    Parameters
    ----------
    labels
        A labeler (which designs a set on the training images), a built-in set such as ``fourier:paper10``, or a
        label-set file; labels for the image, or codes (``code``). Default: the preset's, else ``fourier``.
    preset
        Name of the preset that the settings start from; see `ffnet.list_presets`. Its data set is ignored, and
        layers that it weights on validation images are summed, since there are none. Default: the settings of `Config`,
        which embed labels in the image only, without label channels.
    epochs
        Number of training epochs. Default: the preset's, else 30.
    inference
        ``goodness`` (one pass per class), ``linear`` (one pass), ``cascade:k`` or ``halving``: see `ffnet.predict`.
    random_state
        Seed of weights, order, negatives and label design: an integer, a NumPy ``RandomState``, or None for a new seed
        in every fit.
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:i``.
    settings
        Other settings, which override the parameters above: a mapping such as ``{"train.lr": 1e-3}``, or a list such as
        ``["net.widths=[32,64,64]"]``. `set_params` and grid searches take them by their dotted names.
    image_shape
        (C, H, W) of the images, if `X` has them flattened, one per row; else it must be their shape.
    seed
        Old name of `random_state`.

    Attributes
    ----------
    classes_
        The classes, sorted.
    n_features_in_
        Number of values per image, C·H·W, or of columns of a table.
    net_
        The trained `FFNet`.
    history_
        The metrics of each epoch.

    Examples
    --------
    >>> import numpy as np, ffnet
    >>> X, y = np.random.default_rng(0).random((40, 12, 12)), np.arange(40) % 10
    >>> classifier = ffnet.FFClassifier("fourier:paper10", epochs=1).fit(X, y)
    >>> classifier.predict(X[:3]).shape, classifier.predict_proba(X[:3]).shape
    ((3,), (3, 10))
    """

    def __init__(
        self,
        labels: str | None = None,
        *,
        preset: str | None = None,
        epochs: int | None = None,
        inference: Inference = "goodness",
        random_state: int | np.random.RandomState | None = 0,
        device: str = "auto",
        settings: Settings = (),
        image_shape: Shape | None = None,
        seed: int | None = None,
    ) -> None:
        self.labels, self.preset, self.epochs, self.inference = labels, preset, epochs, inference
        self.random_state, self.device, self.settings = random_state, device, settings
        self.image_shape, self.seed = image_shape, seed

    def fit(self, X: Images, y: npt.ArrayLike) -> Self:
        """Train on images and their classes, of any type.

        Parameters
        ----------
        X
            Images (N, H, W) or (N, C, H, W), bytes or floats in [0, 1]. Or rows (N, F) of any range: flattened images
            if F is a square of 64 or more, or `image_shape` is given, scaled by the range of the training images;
            otherwise each row is drawn as a bar chart.
        y
            The classes, (N,): numbers or strings.

        Raises
        ------
        FFLabelsError
            For images of another shape or range, a single class, or settings that do not fit the data. Checked before
            training starts.
        ValueError
            For missing or infinite values, and not one class per image (by scikit-learn).
        """
        # A fit that fails leaves no net, rather than an earlier one with the new classes.
        self.__dict__.pop("net_", None)

        # Check the data.
        X, y = validate_data(self, X, y, dtype=None, allow_nd=True)
        check_classification_targets(y)
        self._table = TableImages.of(X.astype(np.float64), self.image_shape) if X.ndim == 2 else None
        images = self._table.draw(X.astype(np.float64)) if self._table else images_of(X)
        if not self._table:
            if self.image_shape is not None and tuple(self.image_shape) != tuple(images.shape[1:]):
                got, shape = tuple(self.image_shape), tuple(images.shape[1:])
                raise FFLabelsError("not that of the images", where="image_shape", got=got, expected=f"{shape}")
            self.n_features_in_ = images[0].numel()
        self.classes_, index = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise FFLabelsError("a single class", where="y", got="1 class", expected="2 or more")

        # Check the settings.
        config = self._config()
        _, method, _ = get_inference(self.inference)
        device = resolve_device(config.device)
        order = torch.from_numpy(np.random.default_rng(0).permutation(len(images)))  # they may come class by class
        train = Split(images[order], torch.from_numpy(index.astype(np.int64))[order])
        data = Data("X", train, train[:0], train[:0], tuple(map(str, self.classes_)))

        # Train.
        with memory_errors():
            self.net_ = FFNet(with_dtype(config, device, data.shape), data.shape, label_set(config, data)).to(device)
            check_inference(self.net_, self.inference)
            self.history_ = fit(self.net_, data)
            if method.needs == "forecast":
                self.net_.forecast = fit_forecast(self.net_, train.images)
        self.n_iter_ = len(self.history_)
        return self

    def decision_function(self, X: Images) -> npt.NDArray[np.float32]:
        """Return the score of each class (goodness or logit), (N, classes).

        ``cascade`` and ``halving`` drop classes without a score: these get 1 less than the lowest score of the image.
        For two classes: how far the second is ahead of the first, (N,), as everywhere in scikit-learn.
        """
        scores_NC = self._scores(X)
        dropped_NC = np.isneginf(scores_NC)
        least_N1 = np.where(dropped_NC, np.inf, scores_NC).min(1, keepdims=True)
        scores_NC = np.where(dropped_NC, least_N1 - 1, scores_NC)
        return scores_NC[:, 1] - scores_NC[:, 0] if scores_NC.shape[1] == 2 else scores_NC

    def predict(self, X: Images) -> npt.NDArray[Any]:
        """Return the predicted classes, (N,)."""
        index_N = self._scores(X).argmax(1)  # first: it refuses a classifier that is not fitted
        predicted: npt.NDArray[Any] = self.classes_[index_N]
        return predicted

    def predict_proba(self, X: Images) -> npt.NDArray[np.float64]:
        """Return the softmax of the scores of all classes, (N, classes).

        With ``inference="linear"`` these are the linear classifier's probabilities. Those of
        goodness are not calibrated; ``sklearn.calibration.CalibratedClassifierCV`` can do that.
        """
        probability_NC: npt.NDArray[np.float64] = softmax(self._scores(X).astype(np.float64), axis=1)
        return probability_NC

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's parameters and, with `deep`, a mapping's `settings` by their dotted names."""
        params: dict[str, Any] = super().get_params(deep=deep)
        return {**params, **self.settings} if deep and isinstance(self.settings, Mapping) else params

    def set_params(self, **params: Any) -> Self:
        """Set parameters and settings by name, for instance ``set_params(labels="morph", **{"train.lr": 1e-3})``."""
        settings = {name: value for name, value in params.items() if "." in name}  # those in a section of `Config`
        super().set_params(**{name: value for name, value in params.items() if name not in settings})
        if settings:
            self.settings = {**_as_mapping(self.settings), **settings}
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _config(self) -> Config:
        """Return the settings of the net and its training."""
        seed = self.random_state
        if self.seed is not None:
            warnings.warn("FFClassifier: seed= is now random_state=", DeprecationWarning, stacklevel=3)
            seed = self.seed
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(2**31)
        values: dict[str, Any] = {"data": {}, "train.epochs": self.epochs, "seed": int(seed), "device": self.device}
        start = starting_settings(self.preset or Config(), labels=self.labels, values=values).config
        if weights_are_fitted(start):  # there are no validation images
            start = start.replaced({"inference.layers": "sum"})
        config = start.override(self.settings)
        if config.data != start.data:
            raise FFLabelsError("the data are X and y", where="settings", got="data.…", expected="other settings")
        if config.algorithm != "ff":
            hint = "ffnet.BPNet is the baseline"
            raise FFLabelsError("not forward-forward", where="settings", got=f"algorithm={config.algorithm}", hint=hint)
        return config

    def _scores(self, X: Images) -> npt.NDArray[np.float32]:
        """Return the score of each class, (N, classes)."""
        check_is_fitted(self, "net_", msg="This %(name)s is not fitted: call fit first.")
        if self._table:
            images = self._table.draw(validate_data(self, X, dtype=np.float64, reset=False))
        else:
            images = images_of(X)
        return scores(self.net_, images, inference=self.inference).float().cpu().numpy()


def _as_mapping(settings: Settings) -> dict[str, Any]:
    """Return settings as a mapping from ``section.key`` to the value, or to its text."""
    if isinstance(settings, Mapping):
        return dict(settings)
    if isinstance(settings, str):
        raise FFLabelsError("one text", where="settings", got=settings, expected="a list of section.key=value")
    return {name.strip(): typed(text) for name, _, text in (setting.partition("=") for setting in settings)}
