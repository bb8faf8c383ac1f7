"""Plugins inside training: each fault names the plugin, and a plugin that changed is noticed."""

import json
import shutil
from dataclasses import replace

import pytest
from fflabels_cli.net_output import parameters

import ffnet
from fflabels.errors import FFLabelsError, LabelsChangedWarning
from ffnet.presets import load_preset
from ffnet.runs.compare import group_runs
from ffnet.runs.record import read_record

PLUGIN = """
import numpy as np
from fflabels import FFLabelsError, Labeler, Recipe
from fflabels.arrays import array_namespace, constant_like

CALLS = 0

class StripeRecipe(Recipe, frozen=True):
    period: float

class Stripes(Labeler):
    name = "stripes"
    recipe_type = StripeRecipe

    def propose(self, rng, shape):
        return StripeRecipe(rng.uniform(2, 12))

    def imprint(self, images, recipe):
        global CALLS
        CALLS += 1
        tensor = hasattr(images, "detach")
        stripes = np.arange(images.shape[-1]) % recipe.period < recipe.period / 2
        drawn = images * constant_like(stripes, images)
        {fault}
        return drawn
"""
SMALL = {
    "labels.set": "stripes", "labels.candidates": 12, "labels.intensity": 0.35, "data.limit": 100, "train.epochs": 2,
    "net.widths": (4, 4, 4), "train.batch": 25, "labels.layers.set": "none",
}  # fmt: skip
NAMED = r"^labeler stripes of fflabels-stripes 0\.3: "


@pytest.fixture
def plugin(install):
    def make(fault="pass", version="0.3"):
        return install("fflabels-stripes", PLUGIN.format(fault=fault), version=version)

    return make


def config(**values):
    return ffnet.Config().replaced(SMALL | values)


ON_TENSORS = {
    "values beyond 1": ("drawn = 5 * drawn if tensor else drawn", "out of range; got 0 to 4.*expected 0 to 1"),
    "values below 0": ("drawn = drawn - 1 if tensor else drawn", "out of range; got -1 to"),
    "not a number": ("drawn = drawn / 0 if tensor else drawn", "imprint with NaN or infinite pixels"),
    "images set to zero": ("tensor and images.mul_(0)", "changes the images that it draws on; expected a new array"),
    "another shape": ("drawn = drawn[..., 1:] if tensor else drawn", "imprint of a wrong shape or type"),
    "another type": ("drawn = drawn.double() if tensor else drawn", "wrong shape or type; got torch.float64"),
    "another device": ("drawn = drawn.to('meta') if tensor else drawn", "on another device; got meta; expected cpu"),
    "an exception": ("tensor and 1 / 0", "ZeroDivisionError: division by zero"),
    "a refusal": ("if tensor: raise FFLabelsError('no tensors', where='x')", "x: no tensors"),
}  # fmt: skip


EMBED = """return drawn

    def embed(self, images, imprints, intensity):
        tensor, drawn = hasattr(images, "detach"), super().embed(images, imprints, intensity)
        """
"""Ends imprint, and begins another method with `drawn` in it."""

ON_TENSORS |= {
    "mixed with values beyond 1": (EMBED + "drawn = 9 * drawn if tensor else drawn", "embed out of range; got .* to 8"),
    "mixed with what is no number": (EMBED + "drawn = drawn * float('nan') if tensor else drawn", "embed out of range"),
    "imprints set to zero": (EMBED + "tensor and imprints.mul_(0)", "embed changes the imprints"),
}  # fmt: skip


@pytest.mark.parametrize("fault", ON_TENSORS)
def test_what_is_wrong_on_tensors_alone_is_said_before_training(plugin, tmp_path, fault):
    code, message = ON_TENSORS[fault]
    plugin(code)
    with pytest.raises(FFLabelsError, match=f"{NAMED}.*{message}"):
        ffnet.train(config(), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


LATE = {
    "in imprint": "if tensor and len(images) > 2: raise RuntimeError('late in training')",
    "in any call": "if CALLS > 900: raise RuntimeError('late in training')",
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", LATE)
def test_what_is_raised_in_training_names_the_plugin(plugin, tmp_path, fault):
    plugin(LATE[fault])
    with pytest.raises(
        FFLabelsError, match=NAMED + r"RuntimeError: late in training \(fflabels_stripes_module.py:\d+\)$"
    ):
        ffnet.train(config(**{"train.epochs": 20}), out=tmp_path / "run")


@pytest.fixture
def run(plugin, tmp_path, trained):
    """A finished run of version 0.3 of the plugin."""
    plugin()
    if not trained.exists():
        ffnet.train(config(), out=trained)
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Where the first test that needs a run trains it."""
    return tmp_path_factory.mktemp("trained") / "run"


@pytest.mark.slow
def test_predicting_names_the_plugin_too(run, plugin):
    plugin("if tensor and len(images) > 2: raise RuntimeError('only now')")
    loaded = ffnet.load_run(run)
    for work in (
        lambda: loaded.predict(loaded.data().test.images),
        lambda: loaded.evaluate(loaded.data(), "validation"),
        lambda: ffnet.goodness_scores(loaded.net, loaded.data().test.images),
    ):
        with pytest.raises(FFLabelsError, match=NAMED + r"RuntimeError: only now \(fflabels_stripes_module.py:\d+\)$"):
            work()
    plugin("tensor and 1 / 0")
    with pytest.raises(FFLabelsError, match=NAMED + "ZeroDivisionError"):
        ffnet.load_run(run)


@pytest.mark.slow
def test_the_record_names_the_plugin(run):
    about = json.loads((run / "run.json").read_text())
    stripes = {"name": "stripes", "distribution": "fflabels-stripes", "version": "0.3", "params": {}}
    assert about["labelers"] == [stripes]


CHANGED = "drawn = images - drawn"
DRAWN_OTHERWISE = (
    r"labels.json: 10 of 10 labels .* drawn differently .*written by fflabels-stripes 0.3; fflabels-stripes 0.4"
)


@pytest.mark.slow
def test_a_plugin_that_draws_otherwise_stops_a_resumed_run(run, plugin):
    for name in ("model.safetensors", "results.json"):
        (run / name).unlink()
    plugin(CHANGED, version="0.4")
    with pytest.raises(FFLabelsError, match=DRAWN_OTHERWISE):  # and no warning, which pytest would raise
        ffnet.resume(run)
    assert not (run / "results.json").exists()


@pytest.mark.slow
def test_a_plugin_that_draws_otherwise_is_warned_of_where_a_run_is_read(run, plugin):
    plugin(CHANGED, version="0.4")
    with pytest.warns(LabelsChangedWarning, match=DRAWN_OTHERWISE):
        ffnet.load_run(run)
    with pytest.warns(LabelsChangedWarning, match=DRAWN_OTHERWISE):
        assert ffnet.resume(run).results  # finished: nothing is trained


@pytest.mark.slow
def test_another_version_that_draws_alike_is_noted_and_continues(run, plugin):
    (run / "results.json").unlink()
    plugin(version="0.4")
    with pytest.warns(LabelsChangedWarning, match="drawn as before"):
        ffnet.resume(run)


@pytest.mark.slow
def test_a_run_is_shown_and_compared_without_its_plugin(run, tmp_path, monkeypatch):
    whole = ffnet.load_run(run)
    monkeypatch.setenv("FFLABELS_PLUGINS", "")
    with pytest.raises(FFLabelsError, match="which FFLABELS_PLUGINS leaves out"):
        ffnet.load_run(run)
    record = read_record(run)
    assert (record.config, record.about, record.metrics, record.results, record.test_reads) == (
        whole.config, whole.about, whole.metrics, whole.results, 1
    )  # fmt: skip
    assert (record.labels.labeler.name, len(record.labels), record.labels.scores) == (
        "stripes",
        10,
        whole.labels.scores,
    )
    assert parameters(record) == sum(parameter.numel() for parameter in whole.net.layers.parameters())
    shutil.copytree(run, tmp_path / "other")
    other = read_record(tmp_path / "other")
    [group] = group_runs([record, replace(other, config=other.config.replaced({"seed": 1}))])
    assert len(group.runs) == 2


@pytest.mark.slow
def test_an_unfinished_run_is_shown_as_far_as_it_is_saved(run):
    for name in ("model.safetensors", "results.json"):
        (run / name).unlink()
    newest = sorted((run / "checkpoints").iterdir())
    assert len(read_record(run).metrics) == len(ffnet.load_run(run).metrics) <= 2
    assert newest


def test_a_run_with_codes_is_shown_without_drawing_them(tmp_path):
    values = {"data.limit": 60, "train.epochs": 1, "labels.goodness.set": "code:hadamard", "net.widths": (12, 12, 12)}
    run = ffnet.train(load_preset("quick-digits").config.replaced(values), out=tmp_path / "run")
    record = read_record(run.folder)
    assert len(record.labels) == 10
    assert record.labels.origin(12) == run.labels.origin(12) == "code:hadamard"
    assert [m.name for m in record.about.labelers] == ["code"]
    assert parameters(record) == sum(parameter.numel() for parameter in run.net.layers.parameters())
