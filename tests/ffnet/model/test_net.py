"""Goodness of layers, and pickled nets."""

import pickle

import torch
from reference import SHAPE, batch, config, net

import ffnet
from ffnet.inference.passes import layer_goodness
from ffnet.model.fast_cpu.maps import mean_squares
from ffnet.training.forward_forward import FFLearner


def test_nets_and_their_parts_can_be_pickled():
    for ours in (net(), net("train.goodness=sum")):
        again = pickle.loads(pickle.dumps(ours))
        images, _ = batch(2)
        assert torch.equal(ffnet.goodness_scores(again, images), ffnet.goodness_scores(ours, images))


def test_goodness_is_summed_in_float32_whatever_the_compute_type():
    y = torch.full((1, 2, 64, 64), 1.0, dtype=torch.bfloat16)
    y[0, 0, 0, 0] = 3.0  # 4096 + 8 is not a bfloat16
    assert mean_squares(y).dtype == torch.float32
    assert mean_squares(y)[0].tolist() == [4104 / 4096, 1.0]
    ours = net("dtype=bfloat16", "train.goodness=sum").eval()
    images, _ = batch(3)
    embedded = ours.embedder.embed_one(ours.prepare(images), 4)
    for k, y in enumerate(ours.activities(embedded)):
        assert y.dtype == torch.bfloat16
        torch.testing.assert_close(layer_goodness(ours, images)[k, :, 4], y.float().square().sum((1, 2, 3)))


def test_the_learned_contrast_begins_as_the_contrast_and_leaves_it():
    fixed, learned = (
        net(f"train.goodness={kind}", "net.widths=[4,7,6]") for kind in ("log-contrast", "learned-contrast")
    )
    images, _ = batch()
    torch.testing.assert_close(layer_goodness(learned, images), layer_goodness(fixed, images))
    before = [layer.goodness_weight.detach().clone() for layer in learned.layers]
    FFLearner(learned, 8).learn(*batch())
    assert all(not torch.equal(layer.goodness_weight, old) for layer, old in zip(learned.layers, before, strict=True))
    assert all(layer.goodness_weight is None for layer in fixed.layers)
    assert (
        ffnet.BPNet(config("algorithm=bp", "train.goodness=learned-contrast"), SHAPE, 10).layers[0].goodness_weight
        is None
    )


def test_the_head_of_a_baseline_follows_from_the_seed_and_has_numbers_of_its_own():
    state = torch.random.get_rng_state()
    one, again, other = (ffnet.BPNet(config("algorithm=bp", f"seed={seed}"), SHAPE, 10) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(one.head.weight, again.head.weight)
    assert not torch.equal(one.head.weight, other.head.weight)
    bound = one.head.in_features**-0.5
    assert 0.9 * bound < float(one.head.weight.detach().abs().max()) <= bound
    count = min(one.head.weight.numel(), one.layers[0].weight.numel())
    pair = torch.stack([p.detach().flatten()[:count] for p in (one.head.weight, one.layers[0].weight)])
    assert abs(float(torch.corrcoef(pair)[0, 1])) < 0.5
