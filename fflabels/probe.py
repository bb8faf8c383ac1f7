"""How well a linear classifier reads the label off an embedded image, and the class under the label [ours]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.linalg import solve

from fflabels.arrays import Array
from fflabels.codes import is_code
from fflabels.errors import FFLabelsError
from fflabels.guard import checked_embed, checked_imprint, not_finite
from fflabels.images import References
from fflabels.labelset import LabelSet
from fflabels.observer import CELLS, DEFAULT_INTENSITY, FILTERS, SEED, Observer, pooling
from fflabels.progress import Progress, silent
from fflabels.scores import Pair

Features: TypeAlias = npt.NDArray[np.float32]
Indices: TypeAlias = npt.NDArray[np.int64]

NEEDED = 4
"""The fewest reference images: each half must vary."""

RIDGE = 1e-3
"""The penalty of the classifier's weights, per training sample."""

MAX_FEATURES = 1 << 27
"""The most features of all embedded images: half a GiB."""

SHOWN = 5
"""How many of the most often confused pairs of labels are reported."""


class Probe(msgspec.Struct, frozen=True):
    """How well labels and classes are read off embedded images that the classifier was not trained on.

    Attributes
    ----------
    references, images, intensity
        The images' name, their number, and the label intensity K.
    label_accuracy, label_chance
        Share of embedded images whose label is classified correctly, and 1/n.
    confused
        The most often confused pairs (i, j, share of their images).
    classes
        The number of classes; None if unknown, as are the next three.
    class_accuracy, plain_accuracy, class_chance
        Share of images whose class is classified correctly with a label embedded and without; share of the largest
        class.
    """

    references: str
    images: int
    intensity: float
    label_accuracy: float
    label_chance: float
    confused: list[Pair]
    classes: int | None = None
    class_accuracy: float | None = None
    plain_accuracy: float | None = None
    class_chance: float | None = None

    @property
    def lines(self) -> list[str]:
        """The result in two sentences."""
        often = ", ".join(f"{i}–{j} {share:.2f}" for i, j, share in self.confused)
        first = (
            f"label probe: {self.label_accuracy:.3f} of labels are read right (chance {self.label_chance:.3f}) "
            f"on {self.images} {self.references}; taken for one another: {often or 'none'}"
        )
        if self.class_accuracy is None:
            return [
                first,
                "class probe: no classes; digits, class folders and an .npz with images and classes have them",
            ]
        return [
            first,
            f"class probe: {self.class_accuracy:.3f} of {self.classes} classes are read right under the labels, "
            f"{self.plain_accuracy:.3f} without one (chance {self.class_chance:.3f})",
        ]


def probe(
    labels: LabelSet,
    references: References,
    *,
    intensity: float = DEFAULT_INTENSITY,
    seed: int = 0,
    progress: Progress = silent,
) -> Probe:
    """Return how well a linear classifier reads labels, and classes, off embedded images.

    It is trained on half of the images and tested on the other half, both ways round, with all labels on all images.
    Its features are 64 random filters with ReLU, other filters than those of `dprime`. The label is predicted from
    their mean and RMS over the image, because a label is everywhere; the class from their means in 4×4 cells, because
    it depends on the place.

    Parameters
    ----------
    labels
        The set.
    references
        The images, with or without classes; see `load_classed`.
    intensity
        The label intensity K.
    seed
        Of the filters, and of which images are in which half.
    progress
        Called with the name of the step, the number of labels done, and their total.

    Raises
    ------
    FFLabelsError
        When there are too few images (of a class), too many labels, or an imprint is not finite.
    """
    halves = check_probe(labels, references, seed)
    eye = Observer(references, intensity, seed=SEED + 1 + seed)
    cells = pooling(references.shape)
    seen = _look(labels, eye, cells, progress)
    n, count = seen.shape[:2]
    labels_NM: Indices = np.repeat(np.arange(n), count).reshape(n, count)
    whole = np.concatenate([seen[..., :-1] @ np.count_nonzero(cells, axis=0) / len(cells), seen[..., -1]], axis=2)
    read = _read_off(whole, labels_NM, n, halves)
    result = Probe(
        references.name, count, intensity, _share(read == labels_NM), round(1 / n, 6), _confused(read, n)
    )  # fmt: skip
    if references.classes is None:
        return result
    names, classes = np.unique(references.classes, return_inverse=True)
    there = seen[..., :-1].reshape(n, count, -1)
    under = _read_off(there, np.broadcast_to(classes, (n, count)), len(names), halves)
    bare = eye.cells(references.images, cells)[..., :-1].reshape(1, count, -1)
    plain = _read_off(bare, classes[None], len(names), halves)
    return msgspec.structs.replace(
        result,
        classes=len(names),
        class_accuracy=_share(under == classes),
        plain_accuracy=_share(plain == classes),
        class_chance=round(float(np.bincount(classes).max() / count), 6),
    )


def ridge(x: Features, classes: Indices, count: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return weights (features + 1, count) of the least-squares fit to each class's indicator, and features' means.

    Features are centred; the last row is the intercept. Weights are penalised by `RIDGE` per sample, the unit being the
    features' mean variance.
    """
    mean = x.mean(axis=0, dtype=np.float64)
    centred = x - mean
    covariance = centred.T @ centred
    target = np.eye(count)[classes]
    share = target.mean(axis=0)
    penalty = max(RIDGE * float(np.trace(covariance)) / len(covariance), np.finfo(np.float32).tiny)
    covariance[np.diag_indices_from(covariance)] += penalty
    weights = solve(covariance, centred.T @ (target - share), assume_a="pos")
    return np.vstack([weights, share]), mean


def _read_off(seen: Features, classes: Indices, count: int, halves: Sequence[Indices]) -> Indices:
    """Return the prediction for each embedded image (n, M) by the classifier that was trained on the other half."""
    read = np.empty(classes.shape, np.int64)
    for train, test in (halves, halves[::-1]):
        x = seen[:, train].reshape(-1, seen.shape[2])
        weights, mean = ridge(x, classes[:, train].ravel(), count)
        read[:, test] = ((seen[:, test] - mean) @ weights[:-1] + weights[-1]).argmax(axis=2)
    return read


def _look(labels: LabelSet, eye: Observer, cells: Features, progress: Progress) -> Features:
    """Return the features (n, M, 64, 16 + 1) of every image with every label."""
    x = eye.references.images.view()
    x.flags.writeable = False
    seen = np.empty((len(labels), len(x), FILTERS, cells.shape[1] + 1), np.float32)
    for k, recipe in enumerate(labels.recipes):
        imprints: Array = checked_imprint(labels.labeler, x, recipe)
        seen[k] = eye.cells(np.asarray(checked_embed(labels.labeler, x, imprints, eye.intensity)), cells)
        if not np.isfinite(seen[k]).all():
            raise not_finite(labels.labeler, recipe)
        progress("probe features", k + 1, len(labels))
    return seen


def check_probe(labels: LabelSet, references: References, seed: int = 0) -> tuple[Indices, Indices]:
    """Return the images of each half: shuffled, each class halved if classes are known.

    Raises
    ------
    FFLabelsError
        When there are too few images (of a class), or too many labels.
    """
    if is_code(labels.labeler):
        raise FFLabelsError("codes are not drawn in images", where="probe", got=labels.labeler.name)
    count = len(references.images)
    if count < NEEDED:
        raise FFLabelsError(
            "too few reference images for the probe", where=references.name, got=count,
            expected=f"at least {NEEDED}: it is trained on half of them and tested on the other half",
        )  # fmt: skip
    most = MAX_FEATURES // (FILTERS * (CELLS**2 + 1) * count)
    if len(labels) > most:
        raise FFLabelsError(
            "too many labels for the probe", where=references.name, got=len(labels),
            expected=f"at most {most} on {count} images",
        )  # fmt: skip
    order = np.random.default_rng(seed).permutation(count)
    if (classes := references.classes) is not None:
        names, sizes = np.unique(classes, return_counts=True)
        if len(names) < 2 or sizes.min() < 2:
            raise FFLabelsError(
                "too few images with classes for the probe", where=references.name,
                got=f"{len(names)} classes, {sizes.min()} images of the smallest",
                expected="at least 2 classes, and 2 images of each",
            )  # fmt: skip
        order = order[np.argsort(classes[order], kind="stable")]
    return np.sort(order[::2]), np.sort(order[1::2])


def _confused(read: Indices, n: int) -> list[Pair]:
    """Return the most often confused pairs, worst first, ties by index."""
    times = np.zeros((n, n), np.int64)
    np.add.at(times, (np.arange(n)[:, None], read), 1)
    rows, columns = np.triu_indices(n, 1)
    taken = (times + times.T)[rows, columns]
    order = [k for k in np.argsort(-taken, kind="stable")[:SHOWN] if taken[k]]
    return [(int(rows[k]), int(columns[k]), round(float(taken[k]) / (2 * read.shape[1]), 6)) for k in order]


def _share(right: npt.NDArray[np.bool_]) -> float:
    return round(float(right.mean()), 6)
