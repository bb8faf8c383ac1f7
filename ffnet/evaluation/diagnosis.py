"""What a net makes of its labels: which it takes for which, and whether it reads the label alone."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
import torch
from torch import Tensor

from fflabels.diversity import metrics_on, similarity
from fflabels.observer import DEFAULT_INTENSITY
from ffnet.data.dataset import Data, Split
from ffnet.evaluation.accuracy import confusion_matrix
from ffnet.inference.passes import decision_scores, layer_goodness
from ffnet.labels.choose import references_of
from ffnet.model.net import FFNet
from ffnet.system.devices import memory_errors


class Pair(msgspec.Struct, frozen=True):
    """Two labels, how often the net takes one for the other, and how alike they are.

    Attributes
    ----------
    a, b
        Numbers of the classes.
    mistaken
        Share of the images of both classes to which goodness gives the other label.
    similarity
        Of the two labels, by metric.
    """

    a: int
    b: int
    mistaken: float
    similarity: dict[str, float]


class Shortcut(msgspec.Struct, frozen=True):
    """How often a layer gives the right label more goodness than a wrong one, and how often where there is no image.

    A net that reads the image is near 1 in `images` and near one half in `noise` and `other`. One that has learnt which
    labels are right more often than wrong, whatever the image, is above one half there too.

    Attributes
    ----------
    layer
        From 1; 0 for what decides, the sum over the layers that count or the last one.
    images
        Share of images on which their own label has more goodness than a wrong one, drawn uniformly.
    noise
        The same pair of labels, on uniform noise.
    other
        The same pair of labels, on an image of a third class; None where there is none.
    favourite
        Share of the most frequent answer on noise. Noise images are much alike, and most nets answer them alike; high
        everywhere, it says which layers are led by a label.
    """

    layer: int
    images: float
    noise: float
    other: float | None
    favourite: float


class Diagnosis(msgspec.Struct, frozen=True):
    """What `diagnose` finds.

    Attributes
    ----------
    split, count
        Which images, and how many.
    pairs
        All pairs of labels, the most often mistaken first.
    rank_correlation
        Spearman's, of similarity and of how often a pair is mistaken, by metric; None where either is the same for all.
    shortcuts
        One a layer, then what decides.
    """

    split: str
    count: int
    pairs: list[Pair]
    rank_correlation: dict[str, float | None]
    shortcuts: list[Shortcut]


@memory_errors()
@torch.no_grad()
def diagnose(net: FFNet, data: Data, *, count: int = 1000, seed: int = 0) -> Diagnosis:
    """Return which labels a net takes for which, beside their similarity, and how far it reads the label alone.

    The shortcut: where labels are not as often right as wrong, a layer can tell them apart without the image.

    Parameters
    ----------
    net
        A trained net.
    data
        Validation images are looked at, or training images where there are none.
    count
        How many of them, at most.
    seed
        Of the noise and of the wrong labels.
    """
    split = "validation" if len(data.validation) else "train"
    part: Split = getattr(data, split)[:count]
    noise = torch.rand(part.images.shape, generator=torch.Generator().manual_seed(seed))
    on_images = _by_layer(net, part.images)
    confusion = confusion_matrix(on_images[0].argmax(1), part.classes, data.classes)
    pairs = _pairs(confusion.double().numpy(), _similarities(net, data))
    shortcuts = _shortcuts(on_images, _by_layer(net, noise), part.classes, np.random.default_rng(seed))
    return Diagnosis(split, len(part), pairs, _rank_correlations(pairs), shortcuts)


def _by_layer(net: FFNet, images: Tensor) -> dict[int, Tensor]:
    """Return the goodness of every label, (N, labels), by the layer's number; first, as 0, what decides."""
    goodness_LNC = layer_goodness(net, images)
    found = {0: decision_scores(net, goodness_LNC), **{k + 1: layer_NC for k, layer_NC in enumerate(goodness_LNC)}}
    return {layer: goodness_NC.cpu() for layer, goodness_NC in found.items()}


def _similarities(net: FFNet, data: Data) -> dict[str, np.ndarray]:
    references, labels = references_of(data), net.labels
    return {
        metric: similarity(
            labels.recipes,
            labels.labeler,
            shape=data.shape,
            metric=metric,
            references=references,
            intensity=net.config.labels.intensity or DEFAULT_INTENSITY,
        )
        for metric in metrics_on(references)
    }


def _pairs(confusion: np.ndarray, matrices: Mapping[str, np.ndarray]) -> list[Pair]:
    images = confusion.sum(1)
    found = []
    for a, b in zip(*np.triu_indices(len(confusion), 1), strict=True):
        mistaken = (confusion[a, b] + confusion[b, a]) / max(1, images[a] + images[b])
        alike = {metric: round(float(matrix[a, b]), 6) for metric, matrix in matrices.items()}
        found.append(Pair(int(a), int(b), float(mistaken), alike))
    return sorted(found, key=lambda pair: -pair.mistaken)


def _rank_correlations(pairs: list[Pair]) -> dict[str, float | None]:
    from scipy.stats import spearmanr

    mistaken = [pair.mistaken for pair in pairs]
    found: dict[str, float | None] = {}
    for metric in pairs[0].similarity if pairs else ():
        alike = [pair.similarity[metric] for pair in pairs]
        varied = len(set(mistaken)) > 1 and len(set(alike)) > 1
        found[metric] = float(spearmanr(alike, mistaken).statistic) if varied else None
    return found


def _shortcuts(
    on_images: Mapping[int, Tensor], on_noise: Mapping[int, Tensor], right_N: Tensor, rng: np.random.Generator
) -> list[Shortcut]:
    count, classes = on_images[0].shape
    wrong_N = (right_N + torch.from_numpy(rng.integers(1, classes, count))) % classes
    third_N = _third(right_N, wrong_N, rng)

    def preferred(scores_NC: Tensor) -> float:
        lead_N = (scores_NC.gather(1, right_N[:, None]) - scores_NC.gather(1, wrong_N[:, None])).sign()
        return float((lead_N.double().mean() + 1) / 2)

    return [
        Shortcut(
            layer,
            preferred(on_images[layer]),
            preferred(on_noise[layer]),
            None if third_N is None else preferred(on_images[layer][third_N]),
            float(torch.bincount(on_noise[layer].argmax(1)).max() / count),
        )
        for layer in (*range(1, len(on_images)), 0)
    ]


def _third(right_N: Tensor, wrong_N: Tensor, rng: np.random.Generator) -> Tensor | None:
    """Return, for every pair of labels, a random image of neither class; None where a pair has none."""
    classes = right_N.numpy()
    found = []
    for a, b in zip(classes, wrong_N.numpy(), strict=True):
        others = np.flatnonzero((classes != a) & (classes != b))
        if not len(others):
            return None
        found.append(rng.choice(others))
    return torch.from_numpy(np.array(found))
