"""An epoch's draws and its learning rate."""

import pytest
import torch
from reference import SHAPE, batch, config, net

import fflabels
import ffnet
from ffnet.data.dataset import Split
from ffnet.training.draws import Draws
from ffnet.training.forward_forward import FFLearner
from ffnet.training.loop import learning_rate, make_learner, steps


def test_draws_depend_on_seed_and_epoch_alone():
    classes, places = torch.arange(100) % 10, ((0, 0), (0, 0), (0, 1), (1, 0))
    first, again, later, other = (Draws(config(f"seed={seed}"), classes, 10, epoch) for seed, epoch in places)
    assert torch.equal(first.order_SB, again.order_SB)
    assert torch.equal(first.labels_SBK, again.labels_SBK)
    for draws in (later, other):
        assert not torch.equal(first.order_SB, draws.order_SB)


@pytest.mark.parametrize(("drawn", "balanced"), [("balanced", True), ("uniform", False)])
def test_wrong_labels_are_drawn_as_the_settings_say(drawn, balanced):
    draws = Draws(config(f"train.negatives={drawn}", "train.batch=50"), torch.arange(1000) % 10, 10, 0)
    right, wrong = (torch.stack([step.bincount(minlength=10) for step in draws.labels_SBK[:, :, k]]) for k in (0, 1))
    assert bool((right == wrong).all(1).double().mean() > 0.5) is balanced


def test_the_papers_cooldown():
    train = config("train.schedule=cooldown", "train.epochs=200", "train.lr=5e-5").train
    assert learning_rate(train, 99, 0.5) == 5e-5
    assert learning_rate(train, 100, 0.5) == pytest.approx(2 * 5e-5 / 200 * 100)
    assert learning_rate(train, 199, 1.0) == pytest.approx(2 * 5e-5 / 200)


@pytest.mark.parametrize(("epochs", "rates"), [(1, [1]), (3, [1, 1, 2 / 3]), (5, [1, 1, 1, 0.8, 0.4])])
def test_the_cooldown_never_exceeds_the_rate_that_it_starts_from(epochs, rates):
    train = config("train.schedule=cooldown", f"train.epochs={epochs}", "train.lr=1").train
    assert [learning_rate(train, epoch, 0) for epoch in range(epochs)] == pytest.approx(rates)


@pytest.mark.parametrize(
    ("schedule", "shares"), [("constant", (1, 1, 1)), ("linear", (1, 0.5, 0)), ("cosine", (1, 0.5, 0))]
)
def test_rates_at_the_start_in_the_middle_and_at_the_end(schedule, shares):
    train = config(f"train.schedule={schedule}", "train.lr=2e-3").train
    rates = [learning_rate(train, 0, progress) for progress in (0.0, 0.5, 1.0)]
    assert rates == pytest.approx([2e-3 * share for share in shares], abs=1e-12)


def test_morphology_labels_of_an_epoch_wait_on_the_host():
    labels = fflabels.design("morph", 10, candidates=16, shape=SHAPE)
    for draw, where in (("uniform", "cpu"), ("balanced", "cpu"), ("hard", "meta")):
        learner = FFLearner(ffnet.FFNet(config(f"train.negatives={draw}"), SHAPE, labels), 8)
        classes = torch.arange(40) % 10
        draws = Draws(learner.config, classes, 10, 0, labels_device=learner.labels_device or torch.device("meta"))
        assert draws.labels_SBK.device.type == where


def test_the_rate_falls_within_an_epoch():
    ours = net("train.schedule=linear", "train.epochs=2", "train.batch=8", "train.lr=1e-3")
    split = Split((255 * batch(32)[0]).byte(), torch.arange(32) % 10)
    learner, rates = make_learner(ours, 32), []
    for _ in steps(learner, ours.config, split, 10):
        rates.append(learner.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([1e-3 * (1 - k / 8) for k in range(8)])
