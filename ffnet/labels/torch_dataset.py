"""Labels for your own training loop: a transform, a collate function, and a Dataset of labelled pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, default_collate

from fflabels import LabelSet
from fflabels.arrays import check_images, check_unit
from fflabels.errors import FFLabelsError
from fflabels.observer import DEFAULT_INTENSITY
from ffnet.labels.embed import Embedder


class EmbedLabel(nn.Module):
    """A transform that embeds labels in a batch of images, or one label in one image.

    It takes and returns images and labels, as torchvision's v2 transforms for batches do (``MixUp``), and can be part
    of a ``v2.Compose``. The patterns of image-independent labels are computed once per shape of the images.

    Parameters
    ----------
    labels
        A label set.
    intensity
        The label intensity K.

    Examples
    --------
    >>> import torch, ffnet
    >>> from fflabels import named_set
    >>> embed = ffnet.EmbedLabel(named_set("fourier:paper10"))
    >>> images, labels = embed(torch.zeros(4, 1, 28, 28), torch.tensor([3, 1, 4, 1]))
    >>> images.shape
    torch.Size([4, 1, 28, 28])
    >>> image, label = embed(torch.zeros(1, 28, 28), 3)
    >>> image.shape, label
    (torch.Size([1, 28, 28]), 3)
    """

    def __init__(self, labels: LabelSet, intensity: float = DEFAULT_INTENSITY) -> None:
        super().__init__()
        self.labels, self.intensity = labels, intensity
        self._embedder: Embedder | None = None
        self._embeds: tuple[tuple[int, ...], torch.dtype] | None = None

    def forward(self, images: Tensor, labels: Tensor | int) -> tuple[Tensor, Tensor | int]:
        """Return the embedded images, and the labels as they came.

        Parameters
        ----------
        images
            (N, C, H, W) or (C, H, W), floats in [0, 1].
        labels
            (N,) integers, or one integer.

        Raises
        ------
        FFLabelsError
            For images of another shape or range, and labels that the set does not have.
        """
        single = images.ndim == 3
        images_NCHW = images[None] if single else images
        labels_N = torch.as_tensor(labels, device=images.device).reshape(-1)
        shape = check_images(images_NCHW)
        check_unit(images_NCHW)
        if len(labels_N) != len(images_NCHW) or not bool(((labels_N >= 0) & (labels_N < len(self.labels))).all()):
            raise FFLabelsError(
                "labels do not fit", where="labels", got=labels_N.tolist(),
                expected=f"one per image, from 0 to {len(self.labels) - 1}",
            )  # fmt: skip
        embedder = self._embedder
        if embedder is None or self._embeds != (shape, images.dtype):
            embedder = self._embedder = Embedder(self.labels, shape, self.intensity, images.dtype)
            self._embeds = shape, images.dtype
        embedded_NCHW = embedder.to(images.device, images.dtype).embed(images_NCHW, labels_N.long()).images
        return (embedded_NCHW[0] if single else embedded_NCHW), labels


class CollatePairs:
    """A collate function of a DataLoader: returns positives, negatives and classes of a batch of (image, class).

    Wrong labels are drawn uniformly by PyTorch's generator, which a DataLoader seeds in each worker and epoch:
    ``torch.manual_seed`` repeats them. `LabelledPairs` draws them per item instead.

    Parameters
    ----------
    labels, intensity
        As for `EmbedLabel`.

    Examples
    --------
    >>> import torch, ffnet
    >>> from fflabels import named_set
    >>> from torch.utils.data import DataLoader, TensorDataset
    >>> data = TensorDataset(torch.rand(8, 1, 28, 28), torch.arange(8))
    >>> loader = DataLoader(data, batch_size=4, collate_fn=ffnet.CollatePairs(named_set("fourier:paper10")))
    >>> [tuple(batch.shape) for batch in next(iter(loader))]
    [(4, 1, 28, 28), (4, 1, 28, 28), (4,)]
    """

    def __init__(self, labels: LabelSet, intensity: float = DEFAULT_INTENSITY) -> None:
        _check_wrong_exists(labels)
        self.transform = EmbedLabel(labels, intensity)

    def __call__(self, samples: Sequence[Any]) -> tuple[Tensor, Tensor, Tensor]:
        """Return positives and negatives (N, C, H, W), and classes (N,)."""
        images, classes = default_collate([(image, int(label)) for image, label in samples])
        count = len(self.transform.labels)
        wrong = (classes + torch.randint(1, count, classes.shape)) % count
        return self.transform(images, classes)[0], self.transform(images, wrong)[0], classes


class LabelledPairs(Dataset[tuple[Tensor, Tensor, int]]):
    """A Dataset of (positive, negative, class): each image with its own label and with a wrong one.

    The wrong label of item i is uniform, and depends only on the seed, on i, and on how often item i was asked for
    before, by this process or any worker: so every epoch has new ones. After `set_epoch` it depends on the epoch
    instead. A DataLoader asks for whole batches, which are embedded together.

    Parameters
    ----------
    dataset
        A map-style data set of (image, class): images (C, H, W), floats in [0, 1]; classes 0 … n−1 for n labels.
    labels, intensity
        As for `EmbedLabel`.
    seed
        Of the wrong labels.

    Examples
    --------
    >>> import torch, ffnet
    >>> from fflabels import named_set
    >>> pairs = ffnet.LabelledPairs([(torch.zeros(1, 28, 28), 3)], named_set("fourier:paper10"))
    >>> positive, negative, label = pairs[0]
    >>> positive.shape, bool((positive == negative).all()), label
    (torch.Size([1, 28, 28]), False, 3)
    """

    def __init__(self, dataset: Any, labels: LabelSet, intensity: float = DEFAULT_INTENSITY, *, seed: int = 0) -> None:
        _check_wrong_exists(labels)
        self.dataset, self.transform, self.seed = dataset, EmbedLabel(labels, intensity), seed
        # Workers are other processes, and may live for many epochs: all share these.
        self._asked = torch.zeros(len(self), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        self._epoch = torch.full((), -1, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which then decides the wrong labels; workers see it at once."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, int]:
        (pair,) = self.__getitems__([index])
        return pair

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, Tensor, int]]:
        """Return the pairs of several items; images of one shape are embedded together."""
        samples = [self.dataset[index] for index in indices]
        classes_N = np.array([int(label) for _, label in samples])
        count = len(self.transform.labels)
        wrong_N = (classes_N + 1 + self._draws(np.asarray(indices)) % (count - 1)) % count
        images = [torch.as_tensor(image) for image, _ in samples]
        if len({image.shape for image in images}) > 1:
            one_by_one = zip(images, classes_N.tolist(), wrong_N.tolist(), strict=True)
            return [(self.transform(x, c)[0], self.transform(x, w)[0], c) for x, c, w in one_by_one]
        images_NCHW = torch.stack(images)
        positive_NCHW, _ = self.transform(images_NCHW, torch.from_numpy(classes_N))
        negative_NCHW, _ = self.transform(images_NCHW, torch.from_numpy(wrong_N))
        return list(zip(positive_NCHW, negative_NCHW, classes_N.tolist(), strict=True))

    def _draws(self, index_N: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return a random number for each item; count how often it was asked for."""
        index_N = index_N % len(self)
        if (epoch := int(self._epoch)) < 0:
            repeated_N = np.array([np.count_nonzero(index_N[:k] == index) for k, index in enumerate(index_N)], np.int64)
            times_N = self._asked[index_N].numpy() + repeated_N
            np.add.at(self._asked.numpy(), index_N, 1)
        else:
            times_N = np.full(len(index_N), epoch)
        mixed_N = _mixed(_mixed(_mixed(np.full(len(index_N), self.seed), 1), times_N), index_N)
        return (mixed_N >> np.uint64(33)).astype(np.int64)


def _check_wrong_exists(labels: LabelSet) -> None:
    if len(labels) < 2:
        raise FFLabelsError("no wrong label exists", where="labels", got=f"{len(labels)} label")


def _mixed(state: npt.NDArray[Any], value: Any) -> npt.NDArray[np.uint64]:
    """Return a hash of two arrays of integers: splitmix64 of their sum."""
    z = state.astype(np.uint64) + np.asarray(value).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
