"""Run folders of version 0.1 load, evaluate, predict and resume; settings that were removed are ignored or named."""

import shutil
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors.torch import load_file

import ffnet
from fflabels.errors import FFLabelsError
from ffnet.config.config import REMOVED
from ffnet.runs.settings import ElsewhereWarning

FOLDERS = Path(__file__).resolve().parents[2] / "fixtures" / "runs"
NAMES = ["quick-digits", "morph-imprint", "bp"]


def close(found, expected):
    """Within rounding: another processor adds in another order."""
    single = found.dtype == torch.float32  # linear classifiers
    torch.testing.assert_close(found, expected, rtol=1e-5 if single else 1e-9, atol=1e-8 if single else 1e-12)


@pytest.fixture
def folder(request, tmp_path):
    shutil.copytree(FOLDERS / request.param, tmp_path / "old")
    return tmp_path / "old"


@pytest.mark.parametrize("folder", NAMES, indirect=True)
def test_an_old_run_predicts_and_is_evaluated_as_it_was(folder):
    run = ffnet.load_run(folder / "finished")
    data, expected = run.data(), load_file(folder / "expected.safetensors")
    assert torch.equal(run.predict(data.test.images[:8]), expected["classes"])
    if "goodness" in expected:
        close(ffnet.goodness_scores(run.net, data.test.images[:8]), expected["goodness"])
    before = run.results.validation
    evaluation = run.evaluate(data, "validation")
    assert evaluation.accuracies.keys() == before.accuracies.keys()
    for name, accuracy in evaluation.accuracies.items():  # they had no goodness of the untrained net
        known = before.accuracies[name]
        untrained = accuracy.untrained if name == "goodness" else known.untrained
        assert accuracy == msgspec.structs.replace(known, untrained=untrained)
    assert run.test_reads == 1


@pytest.mark.slow
@pytest.mark.parametrize("folder", NAMES, indirect=True)
def test_an_old_run_that_was_stopped_ends_as_the_one_that_was_not(folder):
    with pytest.warns(ElsewhereWarning, match=r"stopped: continues on .*fflabels .* \(it was 0.1.0\)"):
        resumed = ffnet.resume(folder / "stopped").net.state_dict()
    whole = ffnet.load_run(folder / "finished").net.state_dict()
    assert resumed.keys() == whole.keys()
    for name, tensor in whole.items():
        close(resumed[name], tensor)


@pytest.mark.parametrize("folder", ["quick-digits"], indirect=True)
@pytest.mark.parametrize("key", REMOVED)
def test_a_removed_setting_that_was_used_is_named(folder, key):
    path = folder / "finished" / "config.toml"
    name, default = key.partition(".")[2], REMOVED[key]
    old, new = (f"{name} = {str(value).lower()}\n" for value in (default, True if default is False else default + 1))
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(FFLabelsError, match=rf"config.toml: this setting was removed; got {key}; expected its default"):
        ffnet.load_run(folder / "finished")


def test_a_removed_setting_is_no_setting():
    with pytest.raises(FFLabelsError, match=r"no such setting; got net.regions"):
        ffnet.Config().override(["net.regions=1"])
