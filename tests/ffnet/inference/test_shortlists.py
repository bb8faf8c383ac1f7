"""Quicker goodness: each way against what a loop over images and labels would answer; where a forecast is kept."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import SHAPE, SMALL

import fflabels
import ffnet
from fflabels.errors import FFLabelsError
from ffnet.inference.passes import decision_scores, features, layer_goodness, linear_scores, neutral_scores
from ffnet.inference.shortlist import LIKELY, cascade_scores, halving_scores
from ffnet.model.heads import Forecast, LinearHead

LABELS = {kind: fflabels.design(kind, 10, candidates=16, shape=SHAPE) for kind in ("fourier", "morph")}


def make(kind="fourier", rounds=2, *, seed=0, scale=0.3, changes=()):
    """A net whose classifier and forecast were drawn by chance, and images."""
    ours = ffnet.FFNet(
        ffnet.Config(seed=seed).override([*SMALL, "dtype=float64", *changes]), SHAPE, LABELS[kind]
    ).eval()
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(7, *SHAPE, generator=generator)
    width = features(ours, images).shape[1]
    ours.linear, ours.forecast = LinearHead(width, 10), Forecast(width, 10, rounds)
    for module in (ours.linear, ours.forecast):
        module.weight.data.normal_(generator=generator).mul_(scale)
    return ours, images


@pytest.mark.slow
@given(
    kind=st.sampled_from(["fourier", "morph"]),
    norm=st.sampled_from(["layer", "batch", "rms"]),
    offered=st.booleans(),
    k=st.integers(1, 12),
    likely=st.sampled_from([0, 1e-3, LIKELY, 1]),
    chunk=st.integers(1, 40),
    seed=st.integers(0, 99),
)
@settings(max_examples=30, deadline=None)
def test_a_cascade_is_goodness_among_the_labels_that_linear_takes_for_likely(
    kind, norm, offered, k, likely, chunk, seed
):
    ours, images = make(
        kind, seed=seed, changes=[f"net.norm={norm}", f"labels.layers.set={'imprint' if offered else 'none'}"]
    )
    found = cascade_scores(ours, images, k, likely=likely, chunk=chunk)
    goodness, share = ffnet.goodness_scores(ours, images), linear_scores(ours, images).softmax(1)
    passes = 0
    for i in range(len(images)):
        order = share[i].sort(descending=True).indices[:k].tolist()
        kept = [c for c in order if share[i, c] >= likely * share[i, order[0]]]
        assert set(found.scores[i].isfinite().nonzero()[:, 0].tolist()) == set(kept)
        if len(kept) > 1:
            passes += len(kept)
            torch.testing.assert_close(found.scores[i, kept], goodness[i, kept], rtol=1e-9, atol=1e-9)
    assert found.passes == pytest.approx(1 + passes / len(images))


@pytest.mark.slow
@given(
    kind=st.sampled_from(["fourier", "morph"]),
    changes=st.sampled_from(
        [
            [],
            ["inference.layers=last"],
            ["net.first_layer=include", "net.norm=layer"],
            ["labels.layers.set=imprint", "train.goodness=log", "net.strides=[1,2,1]"],
            ["labels.layers.set=waves:reed-solomon", "labels.layers.channels=3"],
        ]
    ),
    quantiles=st.lists(st.floats(0, 1), min_size=3, max_size=3),
    chunk=st.integers(1, 40),
    seed=st.integers(0, 99),
)
@settings(max_examples=30, deadline=None)
def test_a_halving_drops_what_a_loop_over_images_layers_and_labels_would(kind, changes, quantiles, chunk, seed):
    rounds = 3 if "net.first_layer=include" in changes else 2
    ours, images = make(kind, rounds, seed=seed, changes=changes)
    goodness, forecast = layer_goodness(ours, images), neutral_scores(ours, ours.forecast, images)
    last = ours.config.inference.layers == "last"
    so_far = [goodness[k] if last else goodness[ours.counted.start : k + 1].sum(0) for k in ours.counted]
    for k, scores in enumerate([forecast, *so_far[:-1]]):
        behind = scores.amax(1, keepdim=True) - scores
        ours.forecast.margins[k] = behind.flatten().float().quantile(quantiles[k])
    found = halving_scores(ours, images, chunk=chunk).scores
    for i in range(len(images)):
        alive = forecast[i].topk(5).indices.tolist()
        alive = [c for c in alive if forecast[i, c] >= forecast[i].max() - ours.forecast.margins[0]]
        for margin, scores in zip(ours.forecast.margins[1:], so_far, strict=False):
            best = max(scores[i, c] for c in alive)
            alive = [c for c in alive if scores[i, c] >= best - margin]
        assert set(found[i].isfinite().nonzero()[:, 0].tolist()) == set(alive)
        if len(alive) > 1:
            torch.testing.assert_close(found[i, alive], decision_scores(ours, goodness)[i, alive], rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_a_halving_answers_as_goodness_does_in_a_third_of_its_passes():
    data = ffnet.load_data(ffnet.Config().data)
    config = ffnet.Config().override(
        ["labels.set=fourier:paper10", "train.epochs=4", "net.widths=[8,16,16]", "inference.linear_epochs=10"]
    )
    ours = ffnet.FFNet(config, data.shape, ffnet.label_set(config, data))
    ffnet.fit(ours, data)
    with pytest.raises(FFLabelsError, match="no forecast of goodness"):
        ffnet.predict(ours, data.test.images, inference="halving")
    ours.forecast = ffnet.fit_forecast(ours, data.train.images)
    found = ffnet.evaluate(ours, data, "test", inference="halving").halving
    assert found.agreement > 0.95
    assert found.passes < 10 / 3
    predicted = ffnet.predict(ours, data.test.images, inference="halving")
    assert found.accuracy == pytest.approx((predicted == data.test.classes).double().mean().item())
    again = ffnet.FFNet(config, data.shape, ours.labels)
    again.load_state_dict(ours.state_dict())
    assert torch.equal(ffnet.predict(again, data.test.images, inference="halving"), predicted)


@pytest.mark.slow
def test_the_forecast_of_a_run_is_fitted_once_and_kept_in_its_folder(tmp_path):
    config = ffnet.Config().override(
        ["data.limit=64", "labels.set=fourier:paper10", "train.epochs=1", "net.widths=[4,6]", "net.pools=[2,2]",
         "inference.linear_epochs=1"]
    )  # fmt: skip
    run = ffnet.train(config, out=tmp_path / "run")
    data, path = run.data(), run.folder / "forecast.safetensors"
    assert not path.exists()
    found = run.evaluate(data, "validation", inference="halving")
    kept = path.read_bytes()
    loaded = ffnet.load_run(run.folder)
    assert loaded.evaluate(data, "validation", inference="halving") == found
    assert path.read_bytes() == kept
    path.write_bytes(kept[: len(kept) // 2])
    with pytest.raises(FFLabelsError, match=r"forecast.safetensors: damaged: .*ffnet eval fits it anew"):
        ffnet.load_run(run.folder)


@pytest.mark.parametrize("method", ["cascade:0", "cascade:x"])
def test_a_cascade_asks_for_a_number_of_labels(method):
    ours, images = make()
    with pytest.raises(FFLabelsError, match=rf"not a number of labels; got {method}; expected cascade:1 or more"):
        ffnet.predict(ours, images, inference=method)


@pytest.mark.parametrize("method", ["casc", "goodness:3", "halving:2"])
def test_an_unknown_inference_method_is_refused(method):
    ours, images = make()
    with pytest.raises(
        FFLabelsError, match=r"unknown inference; got .*goodness, linear, cascade, cascade:k or halving"
    ):
        ffnet.predict(ours, images, inference=method)


def test_no_images_no_answers():
    ours, images = make()
    for found in (cascade_scores(ours, images[:0]), halving_scores(ours, images[:0])):
        assert found.scores.shape == (0, 10)
        assert math.isfinite(found.passes)
