"""Training on moved and mirrored images."""

import numpy as np
import pytest
import torch
from reference import SHAPE, config, net
from scipy import ndimage

import ffnet
from fflabels import named_set
from fflabels.errors import FFLabelsError
from ffnet.data import augment as augmentation
from ffnet.data.dataset import Split
from ffnet.fitting import untrained
from ffnet.training.baselines import BPLearner
from ffnet.training.draws import Draws
from ffnet.training.forward_forward import FFLearner


@pytest.mark.parametrize(("crop", "flip"), [(0, True), (2, False), (3, True)])
def test_moved_images_are_those_of_a_loop(crop, flip):
    rng = np.random.default_rng(0)
    images = torch.randint(0, 256, (40, 2, 9, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    moves = augmentation.draw_moves((40,), crop, flip, rng)
    assert np.abs(moves[:, :2]).max() == crop
    assert set(moves[:, 2]) == ({0, 1} if flip else {0})
    found = augmentation.moved(images, torch.from_numpy(moves), crop)
    assert found.dtype == torch.uint8
    for image, (down, right, mirrored), one in zip(images.numpy(), moves, found.numpy(), strict=True):
        expected = ndimage.shift(image, (0, down, right), order=0, cval=0)
        np.testing.assert_array_equal(one, expected[..., ::-1] if mirrored else expected)


@pytest.mark.parametrize("algorithm", ["ff", "bp"])
def test_training_sees_moved_images_the_same_every_time_and_the_label_stays_where_it_is(algorithm):
    settings = [f"algorithm={algorithm}", "train.crop=2", "train.flip=true", "train.batch=20"]
    chosen, plain = config(*settings), config(*settings[:1], "train.batch=20")
    classes, images = torch.arange(40) % 10, torch.randint(0, 256, (40, *SHAPE), dtype=torch.uint8)
    split = Split(images, classes)
    first, again, other = (Draws(chosen, classes, 10, epoch) for epoch in (0, 0, 1))
    assert torch.equal(first.images(split, 1), again.images(split, 1))
    assert torch.equal(first.order_SB, Draws(plain, classes, 10, 0).order_SB)  # the other draws are as they were
    assert not torch.equal(first.moves_SB3, other.moves_SB3)
    assert torch.equal(first.images(split, 1)[5:9], first.images(split, 1, slice(5, 9)))
    seen = []
    if algorithm == "bp":
        learner = BPLearner(ffnet.BPNet(chosen, SHAPE, 10))
        learner.net.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        learner.step(split, first, 0)
        assert torch.equal(seen[0], first.images(split, 0))
        return
    learner = FFLearner(net(*settings), 40)
    embed = learner.net.embedder.embed
    learner.net.embedder.embed = lambda *given: seen.append((given, embed(*given))) or seen[0][1]
    learner.step(split, first, 0)
    (given, labels), embedded = seen[0]
    torch.testing.assert_close(given[:20], first.images(split, 0) / 255)
    assert torch.equal(embedded.images, learner.net.labels.embed(given, labels, 0.35))


def test_the_untrained_control_sees_moved_images_as_training_does():
    chosen = config("train.crop=4", "net.norm=batch", "data.limit=40", "train.batch=40", "inference.linear_epochs=1")
    data, labels = ffnet.load_data(chosen.data), named_set("fourier:paper10")
    control = untrained(ffnet.FFNet(chosen, data.shape, labels), data)
    still = untrained(ffnet.FFNet(chosen.replaced({"train.crop": 0}), data.shape, labels), data)
    assert control.layers[0].running_mean < still.layers[0].running_mean - 0.01  # black came in


def test_a_crop_that_leaves_nothing_is_refused():
    with pytest.raises(FFLabelsError, match=r"train.crop: leaves nothing of an image; got 14; expected below 14"):
        net("train.crop=14")
