"""Label sets of the study: pools of candidates, the rules that choose, and what can be said of a set beforehand."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from fflabels import Candidates, LabelSet, References, design, get_labeler, propose, select, similarity
from fflabels.diversity import dprime
from fflabels.errors import FFLabelsError
from fflabels.labeler import Labeler
from fflabels.labelset import Provenance, open_set
from fflabels.observer import RIDGE, Observer
from fflabels.probe import probe
from fflabels.recipe import Recipe
from ffnet.data.dataset import Data, Split
from ffnet.data.images import to_unit
from ffnet.experiments.labelstudy import Cell, Kind
from ffnet.labels.choose import references_of

Values = npt.NDArray[np.float64]

AT_ONCE = 8
"""Reference images that all candidates are drawn on together."""

SHOWN_CLASSES = 10
"""Classes, the first ones, whose images tell how well the class survives."""

SHOWN = (8, 20)
"""Images a class, at least and at most."""

EMBEDDED = 4000
"""About so many embedded images are looked at."""

OTHER_EYES = 1
"""Seed of the filters that read label and class: others than those of `Observer`, which selects."""

COARSE = 2
"""The coarse observer sees images made so many times smaller: what the next layer of a net with pools sees."""


def choose(cell: Cell, data: Data) -> LabelSet:
    """Return a cell's label set.

    Raises
    ------
    FFLabelsError
        When nothing can be chosen (one-hot) but the rule chooses, or the other way round, or a set does not fit.
    """
    kind, rule, references = cell.kind, cell.rule, references_of(data)
    if rule.method == "given":
        labels = _given(kind, data, references)
    elif kind.set or labeler_of(kind).complete(data.classes, data.shape) is not None:
        raise FFLabelsError("nothing to choose from", where=f"kind {kind.name}", got=f"rule {rule.name}")
    else:
        labels = _chosen(cell, data.classes, references)
    if len(labels) != data.classes:
        raise FFLabelsError(
            "not one label a class", where=f"kind {kind.name}", got=len(labels), expected=f"{data.classes}"
        )
    return labels


def labeler_of(kind: Kind) -> Labeler[Any]:
    """Return a kind's labeler."""
    return get_labeler(kind.labeler, **kind.params)


def _given(kind: Kind, data: Data, references: References) -> LabelSet:
    if kind.set:
        return open_set(kind.set)
    labeler = labeler_of(kind)
    complete = labeler.complete(data.classes, references.shape)
    if complete is None:
        raise FFLabelsError("no complete set", where=f"kind {kind.name}", hint="a rule must choose")
    return LabelSet(complete, labeler, Provenance("complete"))


def _chosen(cell: Cell, n: int, references: References) -> LabelSet:
    rule, intensity = cell.rule, cell.config.labels.intensity
    labeler = labeler_of(cell.kind)
    pool = Pool.of(cell, references, n)
    if rule.method == "random":
        selection = select(np.zeros((len(pool.recipes), len(pool.recipes))), n, seed=cell.pool, method="random")
    else:
        selection = select(pool.alike(rule.by), n, seed=cell.pool)
    if rule.method == "best" and rule.by == "pearson" and selection.score == 0:
        return design(  # breaks the tie between sets that are not correlated at all
            labeler, n, candidates=cell.candidates, shape=references.shape, metric="pearson", seed=cell.pool,
            references=references, min_visibility=rule.min_visibility, intensity=intensity,
        )  # fmt: skip
    by = rule.by if rule.method == "best" else None
    found = pool.recipes
    provenance = Provenance(rule.method, by, cell.pool, len(found), found.drawn, found.min_visibility)
    return LabelSet([found[int(i)] for i in selection.indices], labeler, provenance)


class Pool:
    """Candidates that rules of one visibility floor choose from, and how alike they are, each matrix made once."""

    def __init__(self, kind: Kind, recipes: Candidates, references: References, intensity: float) -> None:
        self.kind, self.recipes, self.references, self.intensity = kind, recipes, references, intensity
        self.matrices: dict[str, npt.NDArray[Any]] = {}

    @classmethod
    def of(cls, cell: Cell, references: References, at_least: int) -> Pool:
        """Return a cell's pool; the last one of each floor is kept."""
        key = (cell.group, cell.candidates, cell.config.labels.intensity, references.digest, at_least)
        if not _kept or next(iter(_kept))[0] != key:
            _kept.clear()
        floor = cell.rule.min_visibility
        if (key, floor) not in _kept:
            recipes = propose(
                labeler_of(cell.kind), cell.candidates, shape=references.shape, seed=cell.pool, references=references,
                min_visibility=floor, at_least=at_least,
            )  # fmt: skip
            _kept[key, floor] = cls(cell.kind, recipes, references, cell.config.labels.intensity)
        return _kept[key, floor]

    def alike(self, by: Any) -> npt.NDArray[Any]:
        """Return the candidates' similarity by a metric, or less their pixel distance."""
        labeler = labeler_of(self.kind)
        if by not in self.matrices and by == "pixel":
            self.matrices[by] = -pixel_distances(labeler, self.recipes, self.references, self.intensity)
        elif by not in self.matrices:
            self.matrices[by] = similarity(
                self.recipes, labeler, shape=self.references.shape, metric=by, references=self.references,
                intensity=self.intensity,
            )  # fmt: skip
        return self.matrices[by]


_kept: dict[tuple[Any, float], Pool] = {}


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
"""What is told of a set before any net has seen it, and what tables call it."""


def statistics(labels: LabelSet, data: Data, intensity: float) -> dict[str, float]:
    """Return what can be said of a set beforehand, on the data set's reference images and its first classes' images.

    d′ of classes: after embedding, on features of other filters than `Observer`'s, in standard deviations within class
    and label, without the part that chance gives; the mean over labels. Probes: see `fflabels.probe`. ``together``: the
    harmonic mean of ``dprime`` and ``class_mean``.
    """
    references = references_of(data)
    report = labels.score(references.shape, references, intensity=intensity)
    upper = np.triu_indices(len(labels), 1)
    apart = np.array([dprime(float(s)) for s in report.matrices["dprime"][upper]])
    pixels = pixel_distances(labels.labeler, labels.recipes, references, intensity)[upper]
    shown = shown_images(data, len(labels))
    class_least, class_mean = class_dprime(looks(labels, shown, intensity), shown.classes.numpy())
    coarse = looks(labels, shown, intensity, halved=True)
    read = probe(
        labels, References(to_unit(shown.images).numpy(), data.name, shown.classes.numpy()), intensity=intensity
    )
    least = float(apart.min())
    found = {
        "pearson": report.scores.similarity["pearson"].max,
        "shift": report.scores.similarity["shift"].max,
        "visibility": min(report.scores.visibility),
        "pixel": float(pixels.min()),
        "dprime": least,
        "mean_dprime": float(apart.mean()),
        "probe": read.label_accuracy,
        "class_probe": cast(float, read.class_accuracy),
        "class_least": class_least,
        "class_mean": class_mean,
        "coarse_dprime": float(np.sqrt(_squares(coarse.mean(axis=1)[:, None], _within(coarse, 1))[0].min())),
        "together": 2 * least * class_mean / max(least + class_mean, 1e-12),
    }
    return {name: round(value, 6) for name, value in found.items()}


def shown_images(data: Data, labels: int) -> Split:
    """Return as many training images of each of the first classes, class by class in turn."""
    classes = data.train.classes.numpy()
    first = np.unique(classes)[:SHOWN_CLASSES]
    each = min(max(EMBEDDED // (labels * len(first)), SHOWN[0]), SHOWN[1])
    there = [np.flatnonzero(classes == c) for c in first]
    each = min(each, *(len(some) for some in there))
    order = np.stack([some[:each] for some in there], axis=1).ravel()
    return data.train[order]


def looks(labels: LabelSet, shown: Split, intensity: float, halved: bool = False) -> Values:
    """Return features of every image with every label, (labels, images, 128), by other filters than `Observer`'s."""
    images = to_unit(shown.images).numpy()
    observer = _other_observer(tuple(_halved(images[:2]).shape[1:] if halved else images.shape[1:]), intensity)
    found = []
    for recipe in labels.recipes:
        embedded = _embedded(labels.labeler, images, recipe, intensity)
        found.append(observer.features(_halved(embedded) if halved else embedded))
    return np.asarray(found, np.float64)


@lru_cache(maxsize=8)
def _other_observer(shape: tuple[int, int, int], intensity: float) -> Observer:
    blank = References(np.random.default_rng(OTHER_EYES).random((2, *shape), dtype=np.float32), "noise")
    return Observer(blank, intensity, OTHER_EYES)


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
    """Return squared Mahalanobis distances of all pairs of means, and the sum that each mean's chance adds.

    Means are (labels, classes, F), pairs of classes within a label; or (n, 1, F), pairs of the n.
    """
    values, vectors = np.linalg.eigh(within)
    shrunk = np.maximum(values, 0) + max(RIDGE * values[-1], 1e-12)
    seen = means @ (vectors / np.sqrt(shrunk))
    seen = seen.swapaxes(0, 1) if means.shape[1] == 1 else seen
    pairs = np.array(list(itertools.combinations(range(seen.shape[1]), 2)))
    square = np.square(seen[:, pairs[:, 0]] - seen[:, pairs[:, 1]]).sum(axis=2)
    return square, float((np.maximum(values, 0) / shrunk).sum())
