"""Wrong labels: never right, and drawn as often as they should be."""

import numpy as np
import pytest
import torch
from reference import batch, net

from ffnet.data.dataset import Split
from ffnet.inference.passes import layer_goodness
from ffnet.training import negatives
from ffnet.training.draws import Draws
from ffnet.training.forward_forward import FFLearner


@pytest.mark.slow
def test_hard_negatives_stay_many_whatever_the_goodness():
    for goodness in ("sum", "mean", "log", "log-contrast", "learned-contrast"):
        ours = net("train.negatives=hard", f"train.goodness={goodness}", "train.lr=3e-3")
        learner, (images, pair) = FFLearner(ours, 8), batch()
        seen = [set() for _ in range(8)]
        generator = torch.Generator().manual_seed(0)
        for _ in range(20):
            noise = torch.rand(8, 1, generator=generator)
            wrong = negatives.hard(pair[:, 0], noise, learner.table)
            learner.learn(images, torch.cat([pair[:, :1], wrong], 1), torch.arange(8))
            for row, label in zip(seen, wrong[:, 0].tolist(), strict=True):
                row.add(label)
        assert np.mean([len(row) for row in seen]) > 3, (goodness, seen)


@pytest.mark.parametrize("draw", [negatives.uniform, negatives.balanced])
def test_negatives_are_wrong_and_balanced_ones_as_frequent_as_the_right(draw):
    rng = np.random.default_rng(0)
    right = rng.integers(0, 10, (20, 64))
    wrong = draw(right, 2, 10, rng)
    assert wrong.shape == (20, 64, 2)
    assert (wrong != right[..., None]).all()
    assert ((wrong >= 0) & (wrong < 10)).all()
    if draw is negatives.balanced:
        same = [
            np.array_equal(np.bincount(r, minlength=10), np.bincount(w[:, 0], minlength=10))
            for r, w in zip(right, wrong, strict=True)
        ]
        assert np.mean(same) > 0.8


def test_uniform_negatives_are_uniform():
    wrong = negatives.uniform(np.zeros(90_000, np.int64), 1, 10, np.random.default_rng(0))
    assert np.abs(np.bincount(wrong[:, 0], minlength=10)[1:] - 10_000).max() < 500


def test_hard_negatives_follow_the_logits_and_are_never_right():
    classes = torch.arange(3).repeat(20_000)
    logits = torch.tensor([[9.0, 0.0, 1.0]]).expand(60_000, 3)
    noise = torch.rand(60_000, 1, generator=torch.Generator().manual_seed(0))
    wrong = negatives.hard(classes, noise, logits)[:, 0]
    assert (wrong != classes).all()
    share = (wrong[classes == 0] == 2).float().mean()
    assert abs(share - np.e / (1 + np.e)) < 0.02


def test_hard_negatives_follow_the_table_of_their_own_image():
    split = Split((255 * batch(32)[0]).byte(), torch.arange(32) % 10)
    favourite = (split.classes + 1 + torch.arange(32) % 9) % 10
    ours, seen = net("train.negatives=hard", "train.batch=8"), []
    learner = FFLearner(ours, 32)
    learner.table[torch.arange(32), favourite] = 60.0
    learner.learn = lambda images, labels, index: seen.append((labels, index))
    learner.step(split, Draws(ours.config, split.classes, 10, 0), 0)
    labels, index = seen[0]
    assert torch.equal(labels, torch.stack([split.classes[index], favourite[index]], 1))


def test_the_table_of_hard_negatives_holds_alpha_times_the_last_layers_goodness_over_its_threshold():
    ours = net("train.negatives=hard", "train.alpha=3", "train.goodness=sum", "dtype=float64")
    images, pair = batch()
    goodness = layer_goodness(ours, images)[-1]
    learner = FFLearner(ours, 8)
    learner.learn(images, pair, torch.arange(8))
    expected = torch.zeros(8, 10).scatter(1, pair, (3 / (6 * 7 * 7) * goodness.gather(1, pair)).float())
    torch.testing.assert_close(learner.table, expected)
