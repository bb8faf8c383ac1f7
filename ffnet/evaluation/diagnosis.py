"""Diagnosis of a net's labels: which labels it confuses, and whether it judges a label without the image.

Letters of shapes: N images, C labels, L layers.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
import torch
from torch import Tensor

from fflabels.checks import check_integer, check_seed
from fflabels.diversity import similarity
from fflabels.errors import FFLabelsError
from fflabels.metrics import metrics_on
from fflabels.observer import DEFAULT_INTENSITY
from ffnet.data.dataset import Data
from ffnet.evaluation.accuracy import confusion_matrix
from ffnet.evaluation.goodness_maps import code_correlations
from ffnet.inference.passes import decision_scores, layer_goodness
from ffnet.labels.choose import references_of
from ffnet.model.net import FFNet
from ffnet.system.devices import memory_errors


class Pair(msgspec.Struct, frozen=True):
    """Two labels, how often the net confuses them, and how similar they are.

    Attributes
    ----------
    a, b
        Numbers of the two classes.
    mistaken
        Share of the images of both classes for which goodness predicts the other of the two classes.
    similarity
        Similarity of the two labels, by metric; of codes, their correlation in each layer.
    """

    a: int
    b: int
    mistaken: float
    similarity: dict[str, float]


class Shortcut(msgspec.Struct, frozen=True):
    """How often a layer prefers the right label to a wrong one, with the right image and without it.

    A net that relates label and image is near 1 in `images`, and near one half in `noise` and `other`. A net that has
    learnt which labels are right more often than wrong, whatever the image, is above one half there, too.

    Attributes
    ----------
    layer
        Number of the layer, from 1; 0 for the scores that decide.
    images
        Share of images for which their own label has higher goodness than a wrong label, drawn uniformly.
    noise
        The same for the same pairs of labels on uniform noise.
    other
        The same for the same pairs of labels on an image of a third class; None if there is no such image.
    favourite
        Share of the most frequent prediction on noise: how far a single label dominates the layer. It is high in most
        nets, because noise images are much alike.
    """

    layer: int
    images: float
    noise: float
    other: float | None
    favourite: float


class Diagnosis(msgspec.Struct, frozen=True):
    """The result of `diagnose`.

    Attributes
    ----------
    split, count
        Split and number of the images.
    pairs
        All pairs of labels, the most often confused first.
    rank_correlation
        Spearman's correlation of similarity and `mistaken` over all pairs, by metric; None if either is constant.
    shortcuts
        One entry per layer, then one for the scores that decide.
    """

    split: str
    count: int
    pairs: list[Pair]
    rank_correlation: dict[str, float | None]
    shortcuts: list[Shortcut]


@memory_errors()
@torch.no_grad()
def diagnose(net: FFNet, data: Data, *, count: int = 1000, seed: int = 0) -> Diagnosis:
    """Return which labels a net confuses, with their similarity, and how far it judges a label without the image.

    The second is a shortcut: if some labels are right more often than wrong in training, a layer can tell positives
    from negatives without the image.

    Parameters
    ----------
    net
        A trained net.
    data
        Validation images are used, or training images if there are none.
    count
        Use at most this many images.
    seed
        Seed of the noise and of the wrong labels.

    Examples
    --------
    >>> import ffnet
    >>> config = ffnet.Config().override(["labels.set=fourier:paper10", "data.limit=64"])
    >>> data = ffnet.load_data(config.data)
    >>> net = ffnet.FFNet(config, data.shape, ffnet.label_set(config, data))
    >>> diagnosis = ffnet.diagnose(net, data, count=20)
    >>> len(diagnosis.pairs), [shortcut.layer for shortcut in diagnosis.shortcuts]
    (45, [1, 2, 3, 0])
    """
    if not isinstance(net, FFNet):
        raise FFLabelsError("has no labels", where="net", got=type(net).__name__, expected="an FFNet")
    count, seed = check_integer(count, "count", least=1), check_seed(seed)
    split, part = data.shown_split, data.few(data.shown, count)
    noise = torch.rand(part.images.shape, generator=torch.Generator().manual_seed(seed))
    on_images = _scores_by_layer(net, part.images)
    confusion = confusion_matrix(on_images[0].argmax(1), part.classes, data.classes)
    pairs = _pairs(confusion.double().numpy(), _similarities(net, data))
    shortcuts = _shortcuts(on_images, _scores_by_layer(net, noise), part.classes, np.random.default_rng(seed))
    return Diagnosis(split, len(part), pairs, _rank_correlations(pairs), shortcuts)


def _scores_by_layer(net: FFNet, images: Tensor) -> dict[int, Tensor]:
    """Return the goodness of every label, (N, labels), by the layer's number from 1; under 0 the decision scores."""
    goodness_LNC = layer_goodness(net, images)
    return {k: scores_NC.cpu() for k, scores_NC in enumerate([decision_scores(net, goodness_LNC), *goodness_LNC])}


def _similarities(net: FFNet, data: Data) -> dict[str, np.ndarray]:
    if net.embedder is None:
        return {f"layer {k}": matrix_LL.float().numpy() for k, matrix_LL in code_correlations(net).items()}
    references, labels = references_of(data), net.embedder.labels
    intensity = net.config.labels.intensity or DEFAULT_INTENSITY
    return {
        metric: similarity(
            labels.recipes,
            labels.labeler,
            shape=data.shape,
            metric=metric,
            references=references,
            intensity=intensity,
        )
        for metric in metrics_on(references, intensity)
    }


def _pairs(confusion: np.ndarray, matrices: Mapping[str, np.ndarray]) -> list[Pair]:
    images, pairs = confusion.sum(1), []
    for a, b in zip(*np.triu_indices(len(confusion), 1), strict=True):
        mistaken = (confusion[a, b] + confusion[b, a]) / max(1, images[a] + images[b])
        similarities = {metric: round(float(matrix[a, b]), 6) for metric, matrix in matrices.items()}
        pairs.append(Pair(int(a), int(b), float(mistaken), similarities))
    return sorted(pairs, key=lambda pair: -pair.mistaken)


def _rank_correlations(pairs: list[Pair]) -> dict[str, float | None]:
    from scipy.stats import spearmanr

    mistaken = [pair.mistaken for pair in pairs]
    correlations: dict[str, float | None] = {}
    for metric in pairs[0].similarity if pairs else ():
        similarities = [pair.similarity[metric] for pair in pairs]
        varied = len(set(mistaken)) > 1 and len(set(similarities)) > 1
        correlations[metric] = float(spearmanr(similarities, mistaken).statistic) if varied else None
    return correlations


def _shortcuts(
    on_images: Mapping[int, Tensor], on_noise: Mapping[int, Tensor], right_N: Tensor, rng: np.random.Generator
) -> list[Shortcut]:
    count, classes = on_images[0].shape
    wrong_N = (right_N + torch.from_numpy(rng.integers(1, classes, count))) % classes
    third_N = _images_of_third_class(right_N, wrong_N, rng)

    def share_preferred(scores_NC: Tensor) -> float:
        """Return how often the right label beats the wrong one; a draw counts one half."""
        lead_N = (scores_NC.gather(1, right_N[:, None]) - scores_NC.gather(1, wrong_N[:, None])).sign()
        return float((lead_N.double().mean() + 1) / 2)

    return [
        Shortcut(
            layer,
            share_preferred(on_images[layer]),
            share_preferred(on_noise[layer]),
            None if third_N is None else share_preferred(on_images[layer][third_N]),
            float(torch.bincount(on_noise[layer].argmax(1)).max() / count),
        )
        for layer in (*range(1, len(on_images)), 0)
    ]


def _images_of_third_class(right_N: Tensor, wrong_N: Tensor, rng: np.random.Generator) -> Tensor | None:
    """Return, for each pair of labels, the index of a random image of neither class; None if any pair has none."""
    classes, chosen = right_N.numpy(), []
    for a, b in zip(classes, wrong_N.numpy(), strict=True):
        others = np.flatnonzero((classes != a) & (classes != b))
        if not len(others):
            return None
        chosen.append(rng.choice(others))
    return torch.from_numpy(np.array(chosen))
