"""What can be said of a label set before a net has seen it, and which of these statistics predicts accuracy."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata, spearmanr

from fflabels import LabelSet, References
from fflabels.errors import FFLabelsError
from fflabels.files import write_whole
from fflabels.labeler import Labeler
from fflabels.metrics.dprime import NEEDED, dprime
from fflabels.observer import RIDGE, Observer
from fflabels.probe import probe
from fflabels.recipe import Recipe, canonical_json, sha256
from ffnet.data.dataset import Data, Split
from ffnet.data.images import to_unit
from ffnet.data.load import load_data
from ffnet.evaluation.statistics import LEVEL
from ffnet.experiments.factors import Experiment, Job, slug
from ffnet.labels.choose import references_of
from ffnet.report import figures
from ffnet.report.tables import markdown
from ffnet.runs.files import LABELS, read_json

Values = npt.NDArray[np.float64]

STATISTICS = {
    "pearson": "largest pearson similarity",
    "shift": "largest shift similarity",
    "visibility": "least visibility",
    "pixel": "least pixel distance",
    "dprime": "least d′",
    "mean_dprime": "mean d′",
    "probe": "label probe accuracy",
    "class_probe": "class probe accuracy",
    "class_least": "least d′ of two classes",
    "class_mean": "mean d′ of two classes",
    "coarse_dprime": "least d′, images halved",
    "together": "least d′ of label and class",
}
"""The statistics, and what tables call them."""

PREDICTED = ("goodness, last layer", "linear")
"""Accuracies that correlations are taken with."""

RESAMPLES = 2000
"""Draws of sets, with replacement, that the interval of a rank correlation is taken from."""

FEWEST = 7
"""With fewer sets a bootstrap interval means nothing, and no rank correlation is shown."""

CACHE = "label-statistics.json"
AT_ONCE = 8
"""Reference images that all labels are drawn on together."""
SHOWN_CLASSES = 10
"""Classes, the first ones, whose images tell how well the class survives."""
SHOWN = (8, 20)
"""Range of the number of images per class; fewer if a class has fewer."""
EMBEDDED = 4000
"""About this many embedded images are looked at."""
OTHER_FILTERS = 1
"""Seed of the filters that read label and class: others than those of `Observer`, which selects."""
COARSE = 2
"""The coarse observer sees images this many times smaller, as the next layer of a net with pools does."""


class Rank(NamedTuple):
    """A rank correlation over label sets, with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        text = f"{self.value:+.2f} ({self.low:+.2f} … {self.high:+.2f})"
        return f"**{text}**" if self.low > 0 or self.high < 0 else text


class _Set(NamedTuple):
    """A label set and what its nets reach: the mean over seeds of each of `PREDICTED`."""

    data: str
    labeler: str
    statistics: dict[str, float]
    accuracies: dict[str, float]


def show_statistics(
    experiment: Experiment, finished: Sequence[Job], folder: Path, rows: Sequence[dict[str, Any]]
) -> list[str]:
    """Return the lines of a report on which statistics predict accuracy, by data set; draw a scatter plot for each."""
    sets, lines = _sets(experiment, finished, folder, rows), ["## Which statistics predict accuracy", ""]
    for data in dict.fromkeys(one.data for one in sets):
        of_data = [one for one in sets if one.data == data]
        families = list(dict.fromkeys(one.labeler for one in of_data))
        groups = {name: [one for one in of_data if name in ("all", one.labeler)] for name in (*families, "all")}
        groups = {name: some for name, some in groups.items() if len(some) >= FEWEST}
        head = ["statistic", *(f"{name}, {len(some)} sets" for name, some in groups.items())]
        for accuracy in PREDICTED:
            table = [
                [title, *(str(rank_of(some, key, accuracy) or "–") for some in groups.values())]
                for key, title in STATISTICS.items()
            ]
            words = "Spearman's rank correlation over label sets, 95 % bootstrap interval; bold: it leaves zero out."
            lines += [f"{data}, {accuracy}. {words}", "", *markdown(head, table), ""]
        points = {
            title: {
                name: [(one.statistics[key], one.accuracies[PREDICTED[0]]) for one in of_data if one.labeler == name]
                for name in families
            }
            for key, title in STATISTICS.items()
        }
        picture = figures.scatter_by_kind(points, f"{PREDICTED[0]}, %", f"{data}: a point is a label set")
        name = f"scatter-{slug(data)}.png"
        write_whole(folder / name, picture)
        lines += [f"![{data}: accuracy against each statistic]({name})", ""]
    return lines


def rank_of(sets: Sequence[_Set], statistic: str, accuracy: str) -> Rank | None:
    """Return the rank correlation of a statistic with an accuracy."""
    return rank_correlation([one.statistics[statistic] for one in sets], [one.accuracies[accuracy] for one in sets])


def rank_correlation(statistic: Sequence[float], accuracies: Sequence[float]) -> Rank | None:
    """Return Spearman's correlation, and its interval from draws with replacement; None for a constant or few sets."""
    x, y = np.asarray(statistic, float), np.asarray(accuracies, float)
    if len(x) < FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    drawn = np.random.default_rng(0).integers(len(x), size=(RESAMPLES, len(x)))
    a, b = (rankdata(values[drawn], axis=1) for values in (x, y))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    lengths = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    correlations = (a * b).sum(axis=1)[lengths > 0] / lengths[lengths > 0]
    low, high = np.quantile(correlations, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Rank(float(spearmanr(x, y).statistic), float(low), float(high))


def _sets(experiment: Experiment, finished: Sequence[Job], folder: Path, rows: Sequence[dict[str, Any]]) -> list[_Set]:
    """Return the label sets of all runs, each once though several levels chose it."""
    known = read_json(folder / CACHE, dict[str, dict[str, float]]) if (folder / CACHE).exists() else {}
    loaded = lru_cache(maxsize=1)(load_data)
    chosen: dict[tuple[str, str], tuple[Job, LabelSet, list[dict[str, Any]]]] = {}
    for job, row in zip(finished, rows, strict=True):
        if job.config.algorithm != "ff" or job.config.has_codes:
            continue  # no picture of a label
        measured = all(f"{experiment.split} {name}" in row for name in PREDICTED)
        if not (measured and 0 < job.config.labels.intensity < 1):
            continue  # no accuracy to compare with, or no d′
        labels = LabelSet.load(folder / job.folder / LABELS)
        recipes = [msgspec.to_builtins(recipe) for recipe in labels.recipes]
        images = msgspec.to_builtins(job.config.replaced({"data.root": None}).data)
        key = sha256(canonical_json([images, job.config.labels.intensity, labels.labeler.name, recipes]))
        chosen.setdefault((job.config.data.name, key), (job, labels, []))[2].append(row)
    sets = []
    for (data, key), (job, labels, of_set) in chosen.items():
        if known.get(key, {}).keys() != STATISTICS.keys():
            known[key] = statistics(labels, loaded(job.config.data), job.config.labels.intensity)
        read = {name: mean(row[f"{experiment.split} {name}"] for row in of_set) for name in PREDICTED}
        sets.append(_Set(data, labels.labeler.name, known[key], read))
    write_whole(folder / CACHE, msgspec.json.encode(known))
    return sets


def statistics(labels: LabelSet, data: Data, intensity: float) -> dict[str, float]:
    """Return the statistics of a set on the data set's reference images and its first classes' images.

    d′ of classes: after embedding, on features of other filters than `Observer`'s, in standard deviations within class
    and label, without the part that chance gives; the mean over labels. Probes: see `fflabels.probe`. ``together``: the
    harmonic mean of ``dprime`` and ``class_mean``.
    """
    references = references_of(data)
    report = labels.score(references.shape, references, intensity=intensity)
    assert report.scores.visibility
    if "dprime" not in report.matrices:
        raise FFLabelsError(
            "too few training images for the statistics of labels", where=f"data set {data.name}",
            got=len(references.images), expected=f"at least {NEEDED}",
        )  # fmt: skip
    upper = np.triu_indices(len(labels), 1)
    apart = np.array([dprime(float(s)) for s in report.matrices["dprime"][upper]])
    pixels = pixel_distances(labels.labeler, labels.recipes, references, intensity)[upper]
    shown = shown_images(data, len(labels))
    class_least, class_mean = class_dprime(seen(labels, shown, intensity), shown.classes.numpy())
    coarse = seen(labels, shown, intensity, halved=True)
    images = References(to_unit(shown.images).numpy(), data.name, shown.classes.numpy())
    read = probe(labels, images, intensity=intensity)
    assert read.class_accuracy is not None
    least = float(apart.min())
    values = {
        "pearson": report.scores.similarity["pearson"].max,
        "shift": report.scores.similarity["shift"].max,
        "visibility": min(report.scores.visibility),
        "pixel": float(pixels.min()),
        "dprime": least,
        "mean_dprime": float(apart.mean()),
        "probe": read.label_accuracy,
        "class_probe": read.class_accuracy,
        "class_least": class_least,
        "class_mean": class_mean,
        "coarse_dprime": float(np.sqrt(_squares(coarse.mean(axis=1)[:, None], _within(coarse, 1))[0].min())),
        "together": 2 * least * class_mean / max(least + class_mean, 1e-12),
    }
    return {name: round(value, 6) for name, value in values.items()}


def pixel_distances(
    labeler: Labeler[Any], recipes: Sequence[Recipe], references: References, intensity: float
) -> Values:
    """Return the RMS difference of images embedded with two labels, the mean over the reference images, (n, n)."""
    x = references.images
    x = x[:1] if labeler.image_independent and not labeler.overwrites else x  # the image itself cancels
    total = np.zeros((len(recipes), len(recipes)))
    for start in range(0, len(x), AT_ONCE):
        part = x[start : start + AT_ONCE]
        drawn = np.stack([_embedded(labeler, part, recipe, intensity) for recipe in recipes], axis=1)
        for flat in drawn.reshape(len(part), len(recipes), -1):
            squares = np.einsum("np,np->n", flat, flat, dtype=np.float64)
            square = squares[:, None] + squares - 2 * (flat @ flat.T)
            total += np.sqrt(np.maximum(square, 0) / flat.shape[1])
    distances: Values = np.round((total + total.T) / (2 * len(x)), 6)
    np.fill_diagonal(distances, 0)
    return distances


def _embedded(
    labeler: Labeler[Any], images: npt.NDArray[np.float32], recipe: Recipe, intensity: float
) -> npt.NDArray[np.float32]:
    return np.asarray(labeler.embed(images, labeler.imprint(images, recipe), intensity), np.float32)


def shown_images(data: Data, labels: int) -> Split:
    """Return equally many training images of each of the first classes, one of each class in turn."""
    classes = data.train.classes.numpy()
    first = np.unique(classes)[:SHOWN_CLASSES]
    each = min(max(EMBEDDED // (labels * len(first)), SHOWN[0]), SHOWN[1])
    of_class = [np.flatnonzero(classes == c) for c in first]
    each = min(each, *(len(some) for some in of_class))
    return data.train[np.stack([some[:each] for some in of_class], axis=1).ravel()]


def seen(labels: LabelSet, shown: Split, intensity: float, halved: bool = False) -> Values:
    """Return features of every image with every label, (labels, images, 128), by other filters than `Observer`'s."""
    images = to_unit(shown.images).numpy()
    observer = _other_observer(tuple(_halved(images[:2]).shape[1:] if halved else images.shape[1:]), intensity)
    features = []
    for recipe in labels.recipes:
        embedded = _embedded(labels.labeler, images, recipe, intensity)
        features.append(observer.features(_halved(embedded) if halved else embedded))
    return np.asarray(features, np.float64)


@lru_cache(maxsize=8)
def _other_observer(shape: tuple[int, int, int], intensity: float) -> Observer:
    blank = References(np.random.default_rng(OTHER_FILTERS).random((2, *shape), dtype=np.float32), "noise")
    return Observer(blank, intensity, OTHER_FILTERS)


def _halved(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    n, c, h, w = images.shape
    cut = images[:, :, : h // COARSE * COARSE, : w // COARSE * COARSE]
    means: npt.NDArray[np.float32] = cut.reshape(n, c, h // COARSE, COARSE, w // COARSE, COARSE).mean(axis=(3, 5))
    return means


def class_dprime(features: Values, classes: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Return the least and the mean d′ of two classes under one label, the mean over labels."""
    grouped = np.stack([features[:, classes == c] for c in np.unique(classes)], axis=1)
    each = grouped.shape[2]
    square, chance = _squares(grouped.mean(axis=2), _within(grouped, 2))
    apart = np.sqrt(np.maximum(square - 2 * chance / each, 0))
    return float(apart.min(axis=1).mean()), float(apart.mean())


def _within(features: Values, axis: int) -> Values:
    """Return the covariance within what is averaged over `axis`, pooled over all else."""
    rest = features - features.mean(axis=axis, keepdims=True)
    flat = rest.reshape(-1, features.shape[-1])
    size = features.shape[axis]
    covariance: Values = flat.T @ flat / (len(flat) / size * max(size - 1, 1))
    return covariance


def _squares(means: Values, within: Values) -> tuple[Values, float]:
    """Return squared Mahalanobis distances of all pairs of means, and their bias per sample.

    The bias is the trace of the whitened covariance. Means are (labels, classes, F), for pairs of classes within a
    label; or (n, 1, F), for pairs of the n.
    """
    values, vectors = np.linalg.eigh(within)
    shrunk = np.maximum(values, 0) + max(RIDGE * values[-1], 1e-12)
    whitened = means @ (vectors / np.sqrt(shrunk))
    whitened = whitened.swapaxes(0, 1) if means.shape[1] == 1 else whitened
    pairs = np.array(list(itertools.combinations(range(whitened.shape[1]), 2)))
    square = np.square(whitened[:, pairs[:, 0]] - whitened[:, pairs[:, 1]]).sum(axis=2)
    return square, float((np.maximum(values, 0) / shrunk).sum())
