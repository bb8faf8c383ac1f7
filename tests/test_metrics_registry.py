"""A metric that is registered here works everywhere by its name: functions, design, both commands."""

import json

import click
import numpy as np
import pytest
from click.testing import CliRunner
from fflabels_cli import options
from fflabels_cli.app import fflabels_group, ffnet_group

from fflabels import FFLabelsError, LabelSet, References, design, get_labeler, propose, select, similarity
from fflabels.metrics import METRICS, Metric, finished, register

SHAPE = (1, 8, 8)
DIGITS = [
    "data.limit=60", "labels.candidates=16", "train.epochs=1", "net.widths=[2,3]", "net.pools=[2,1]", "net.kernel=3",
    "inference.linear_epochs=1",
]  # fmt: skip


def cosine(recipes, brief, progress):
    """Cosine of the mean imprints."""
    blank = np.zeros((1, *brief.shape), np.float32)
    drawn = np.stack([brief.labeler.imprint(blank, recipe).ravel() for recipe in recipes])
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    progress("cosines", 1, 1)
    return finished(drawn @ drawn.T)


@pytest.fixture
def metric():
    yield register(Metric("cosine", cosine))
    del METRICS["cosine"]


def plain_cosines(recipes, labeler):
    drawn = np.stack([labeler.imprint(np.zeros((1, *SHAPE), np.float32), r).ravel() for r in recipes])
    lengths = np.linalg.norm(drawn, axis=1)
    return np.abs(drawn @ drawn.T) / np.outer(lengths, lengths)


def test_the_built_in_metrics_say_what_they_need():
    assert list(METRICS) == ["pearson", "shift", "dprime"]
    assert [m.higher_is_better for m in METRICS.values()] == [False, False, True]
    assert [m.uses_intensity for m in METRICS.values()] == [False, False, True]
    assert [m.min_images for m in METRICS.values()] == [1, 1, 32]
    assert METRICS["dprime"].score(1 / (1 + 2.0**2)) == pytest.approx(2.0)


@pytest.mark.slow
def test_similarity_and_design_know_it(metric):
    labeler = get_labeler("fourier", waves=2)
    pool = propose(labeler, 30, shape=SHAPE, references="digits")
    matrix = similarity(pool, labeler, shape=SHAPE, metric="cosine", references="digits")
    np.testing.assert_allclose(matrix, plain_cosines(pool, labeler), atol=2e-6)
    chosen = design(labeler, 4, candidates=30, shape=SHAPE, metric="cosine", references="digits")
    assert chosen.provenance.metric == "cosine"
    assert chosen.selection.score == select(matrix, 4).score
    assert LabelSet.from_json(chosen.to_json()) == chosen
    assert list(chosen.scores.similarity) == ["pearson", "shift", "dprime"]


def test_fflabels_select_knows_it(metric, tmp_path):
    out = tmp_path / "set.json"
    arguments = ["--n", "3", "--kind", "fourier", "--metric", "cosine", "--candidates", "20", "--shape", "1x8x8"]
    done = CliRunner().invoke(fflabels_group, ["select", *arguments, "--references", "digits", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert json.loads(out.read_text())["provenance"]["metric"] == "cosine"
    assert "[pearson|shift|dprime|cosine]" in CliRunner().invoke(fflabels_group, ["select", "--help"]).output


def test_ffnet_train_knows_it(metric, tmp_path):
    pytest.importorskip("torch")
    settings = [part for setting in [*DIGITS, "labels.metric=cosine"] for part in ("--set", setting)]
    done = CliRunner().invoke(ffnet_group, ["train", *settings, "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    assert LabelSet.load(tmp_path / "run" / "labels.json").provenance.metric == "cosine"


def test_an_unknown_one_suggests_the_nearest(metric):
    hint = r"did you mean 'cosine'\? known: cosine, dprime, pearson, shift"
    with pytest.raises(click.BadParameter, match=f"'cosin' is not one of the metrics: {hint}"):
        options.MetricType().convert("cosin", None, None)
    done = CliRunner().invoke(fflabels_group, ["select", "--n", "3", "--kind", "fourier", "--metric", "cosin"])
    assert done.exit_code == 2
    pytest.importorskip("torch")
    from ffnet import Config

    with pytest.raises(FFLabelsError, match=rf"--set: labels.metric: unknown metric; got cosin \({hint}\)"):
        Config().override(["labels.metric=cosin"])


def test_a_name_is_registered_once(metric):
    with pytest.raises(FFLabelsError, match="metric: the name is taken; got cosine"):
        register(metric)


def test_a_matrix_of_another_shape_is_refused(monkeypatch):
    monkeypatch.setitem(METRICS, "bad", Metric("bad", lambda recipes, brief, progress: np.zeros(3)))
    labeler = get_labeler("fourier")
    with pytest.raises(FFLabelsError, match=r"metric bad: not a similarity of all pairs; got shape \(3,\)"):
        similarity(labeler.named_sets["paper10"], labeler, shape=SHAPE, metric="bad")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m * np.nan, "metric bad: similarities out of range; got nan to nan; expected 0 to 1"),
        (lambda m: m * 7, "metric bad: similarities out of range; got .* to 7; expected 0 to 1"),
        (lambda m: np.triu(m), r"metric bad: not symmetric .fflabels.metrics.finished makes it so"),
    ],
)
def test_a_matrix_that_is_no_similarity_is_refused(monkeypatch, change, message):
    wrong = Metric("bad", lambda recipes, brief, progress: change(cosine(recipes, brief, progress)))
    monkeypatch.setitem(METRICS, "bad", wrong)
    labeler = get_labeler("fourier")
    with pytest.raises(FFLabelsError, match=message):
        similarity(labeler.named_sets["paper10"], labeler, shape=(1, 28, 28), metric="bad")


def test_images_that_a_metric_needs_are_asked_for(monkeypatch):
    monkeypatch.setitem(METRICS, "many", Metric("many", cosine, min_images=5, needs="it is greedy"))
    few = References(np.random.default_rng(0).random((2, *SHAPE), dtype=np.float32))
    with pytest.raises(FFLabelsError, match="too few reference images for many; got 2; expected at least 5: it is gre"):
        design("fourier", 3, candidates=10, shape=SHAPE, metric="many", references=few)
