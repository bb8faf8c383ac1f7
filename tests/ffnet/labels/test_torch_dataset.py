"""Labels in other people's loops: the transform, the collate function, pairs with wrong labels."""

import pickle

import pytest
import torch
from reference import batch
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import v2

import ffnet
from fflabels import LabelSet, design, named_set
from fflabels.errors import FFLabelsError

LABELS = named_set("fourier:paper10")


def pairs_of(count=40, **settings):
    images = torch.rand(count, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    return ffnet.LabelledPairs(TensorDataset(images, torch.arange(count) % 10), LABELS, **settings)


def negatives(loader):
    """The negatives of an epoch, in order of their images."""
    epoch = list(loader)
    order = torch.cat([positive for positive, _, _ in epoch]).flatten(1).sum(1).argsort()
    return torch.cat([negative for _, negative, _ in epoch])[order]


@pytest.mark.parametrize("kind", ["fourier", "morph", "onehot"])
def test_a_batch_is_embedded_as_the_label_set_does(kind):
    images, pair = batch(6)
    images = images.float()
    labels = design(kind, 10, candidates=16, shape=tuple(images.shape[1:]))
    transform = v2.Compose([v2.Identity(), ffnet.EmbedLabel(labels, 0.3)])
    embedded, classes = transform(images, pair[:, 0])
    assert torch.equal(classes, pair[:, 0])
    torch.testing.assert_close(embedded, labels.embed(images, pair[:, 0], 0.3))
    one, label = transform(images[2], int(pair[2, 0]))
    torch.testing.assert_close(one, embedded[2])
    assert label == pair[2, 0]


def test_one_transform_takes_other_shapes_and_types():
    transform = ffnet.EmbedLabel(LABELS)
    for shape, dtype in (
        ((2, 1, 16, 16), torch.float32),
        ((2, 3, 12, 20), torch.float32),
        ((2, 1, 16, 16), torch.float64),
    ):
        images = torch.rand(shape, dtype=dtype)
        embedded, _ = transform(images, torch.tensor([1, 9]))
        assert embedded.dtype == dtype
        torch.testing.assert_close(embedded, LABELS.embed(images, torch.tensor([1, 9])))


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (torch.rand(2, 1, 16, 16) * 255, [1, 2], "images: out of range; got .* expected 0 to 1 .divide by 255"),
        (torch.zeros(2, 1, 16, 16, dtype=torch.uint8), [1, 2], "images: not floating point"),
        (torch.rand(2, 1, 16, 16), [1, 10], r"labels: labels do not fit; got \[1, 10\]; expected .* 0 to 9"),
        (torch.rand(2, 1, 16, 16), [1], "labels: labels do not fit"),
    ],
)
def test_what_cannot_be_embedded_is_said(images, labels, message):
    with pytest.raises(FFLabelsError, match=message):
        ffnet.EmbedLabel(LABELS)(images, torch.tensor(labels))


def test_a_pair_is_the_image_with_its_label_and_with_a_wrong_one():
    pairs = pairs_of(seed=3)
    images = pairs.dataset.tensors[0]
    positive, negative, label = pairs[12]
    torch.testing.assert_close(positive, LABELS.embed(images[12:13], torch.tensor([label]))[0])
    drawn = [LABELS.embed(images[12:13], torch.tensor([k]))[0] for k in range(10)]
    (wrong,) = [k for k in range(10) if torch.allclose(negative, drawn[k])]
    assert wrong != label == 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [{}, {"num_workers": 2}, {"num_workers": 2, "persistent_workers": True}])
def test_every_epoch_has_new_negatives(workers):
    loader = DataLoader(pairs_of(), batch_size=7, shuffle=True, **workers)
    first, second, third = (negatives(loader) for _ in range(3))
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)
    again = DataLoader(pairs_of(), batch_size=10)
    assert torch.equal(negatives(again), first), "the draws depend on the order, the batches or the workers"
    assert torch.equal(negatives(again), second)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [{}, {"num_workers": 1, "persistent_workers": True}])
def test_set_epoch_decides_exactly(workers):
    pairs = pairs_of()
    loader = DataLoader(pairs, batch_size=10, **workers)
    found = []
    for epoch in (0, 1, 1, 0):
        pairs.set_epoch(epoch)
        found.append(negatives(loader))
    assert torch.equal(found[0], found[3])
    assert torch.equal(found[1], found[2])
    assert not torch.equal(found[0], found[1])
    assert torch.equal(found[0], negatives(DataLoader(pairs_of(), batch_size=40)))


def test_wrong_labels_are_uniform_and_depend_on_the_seed():
    images, classes = torch.zeros(2000, 1, 16, 16), torch.zeros(2000, dtype=torch.int64)
    patterns = LABELS.embed(images[:10], torch.arange(10)).flatten(1)
    drawn = []
    for seed in (1, 2):
        pairs = ffnet.LabelledPairs(TensorDataset(images, classes), LABELS, seed=seed)
        negative = torch.stack([negative for _, negative, _ in pairs.__getitems__(range(2000))])
        drawn.append(torch.cdist(negative.flatten(1), patterns).argmin(1))
        counts = torch.bincount(drawn[-1], minlength=10)
        assert counts[0] == 0
        assert ((counts[1:] - 2000 / 9).abs() < 5 * (2000 / 9) ** 0.5).all()
    assert (drawn[0] == drawn[1]).float().mean() < 0.2


def test_collate_draws_pairs_by_torchs_generator():
    data = TensorDataset(torch.rand(12, 1, 16, 16), torch.arange(12) % 10)
    loader = DataLoader(data, batch_size=6, collate_fn=pickle.loads(pickle.dumps(ffnet.CollatePairs(LABELS, 0.3))))
    torch.manual_seed(0)
    first, second = list(loader), list(loader)
    torch.manual_seed(0)
    again = list(loader)
    positive, negative, classes = first[0]
    torch.testing.assert_close(positive, LABELS.embed(data.tensors[0][:6], classes, 0.3))
    assert not (positive == negative).flatten(1).all(1).any()
    assert torch.equal(negative, again[0][1])
    assert not torch.equal(negative, second[0][1])


def test_images_of_several_shapes_are_embedded_one_by_one():
    data = [(torch.rand(1, 16, 16), 1), (torch.rand(1, 12, 20), 2)]
    pairs = ffnet.LabelledPairs(data, LABELS)
    assert [tuple(positive.shape) for positive, _, _ in pairs.__getitems__([0, 1])] == [(1, 16, 16), (1, 12, 20)]


def test_a_single_label_has_no_wrong_one():
    one = LabelSet(LABELS.recipes[:1], "fourier")
    for make in (lambda: ffnet.LabelledPairs([], one), lambda: ffnet.CollatePairs(one)):
        with pytest.raises(FFLabelsError, match="no wrong label exists; got 1 label"):
            make()


def test_a_type_seen_before_leaves_no_trace():
    images, labels = torch.rand(4, 1, 16, 16), torch.arange(4)
    used, fresh = ffnet.EmbedLabel(LABELS), ffnet.EmbedLabel(LABELS)
    used(images.half(), labels)
    assert torch.equal(used(images, labels)[0], fresh(images, labels)[0])


def test_an_item_asked_for_twice_in_a_batch_counts_twice():
    together, apart = pairs_of(8), pairs_of(8)
    expected = [apart.__getitems__([3])[0][1] for _ in range(4)]
    found = [one for _, one, _ in together.__getitems__([3, 3, 3])] + [together[3][1]]
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_pairs_of_images_in_numpy_arrays():
    images = torch.rand(8, 1, 16, 16)
    tensors, arrays = ([(x, k) for k, x in enumerate(given)] for given in (images, images.numpy()))
    for one, other in zip(ffnet.LabelledPairs(tensors, LABELS), ffnet.LabelledPairs(arrays, LABELS), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one[:2], other[:2], strict=True))
