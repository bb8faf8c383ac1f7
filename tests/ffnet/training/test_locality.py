"""Which layers a layer's weights depend on."""

import pytest
import torch
from reference import batch, net

from ffnet.data.dataset import Split
from ffnet.training.draws import Draws
from ffnet.training.forward_forward import FFLearner


@pytest.mark.parametrize(("drawn", "same"), [("uniform", True), ("balanced", True), ("hard", False)])
def test_layers_behind_reach_a_layer_by_the_choice_of_hard_negatives_alone(drawn, same):
    short, long = (net(*widths, f"train.negatives={drawn}") for widths in (["net.widths=[4,6]", "net.pools=[2,1]"], []))
    split = Split((255 * batch(32)[0]).byte(), torch.arange(32) % 10)
    for one in (short, long):
        learner = FFLearner(one, 32)
        for epoch in range(4):
            draws = Draws(one.config, split.classes, 10, epoch)
            for k in range(len(draws)):
                learner.step(split, draws, k)
    assert torch.equal(short.layers[0].weight, long.layers[0].weight) == same


@pytest.mark.parametrize("kind", ["log-contrast", "learned-contrast"])
def test_a_layer_learns_the_same_whatever_layers_come_behind_it(kind):
    short, long = net("net.widths=[4,6]", "net.pools=[2,1]", f"train.goodness={kind}"), net(f"train.goodness={kind}")
    learners = [FFLearner(one, 8) for one in (short, long)]
    for step in range(3):
        for learner in learners:
            learner.learn(*batch(seed=step))
    for a, b in zip(short.layers, long.layers, strict=False):
        assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.parametrize(
    ("first", "moves"), [("local", True), ("random", False), ("include", True), ("with_next", True)]
)
def test_what_trains_the_first_layer(first, moves):
    ours = net(f"net.first_layer={first}")
    before = ours.layers[0].weight.detach().clone()
    FFLearner(ours, 8).learn(*batch())
    assert torch.equal(before, ours.layers[0].weight) is not moves
    assert ours.counted.start == (0 if first == "include" else 1)
    assert ours.config.layer_local is (first != "with_next")


def test_without_detach_the_loss_of_the_last_layer_reaches_the_first():
    apart, joined = net(), net("net.detach=false")
    for one in (apart, joined):
        FFLearner(one, 8).learn(*batch())
    assert not joined.config.layer_local
    assert not torch.equal(apart.layers[0].weight, joined.layers[0].weight)
