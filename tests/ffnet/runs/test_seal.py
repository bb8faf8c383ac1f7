"""A finished run is sealed: what is changed afterwards is named, and so is the way out; old runs have no seal."""

import shutil
from pathlib import Path

import msgspec
import pytest
import torch

import ffnet
from fflabels.errors import FFLabelsError
from ffnet.runs.files import DamagedError, DamagedWarning
from ffnet.runs.folder import load_run
from ffnet.runs.record import read_record
from ffnet.runs.seal import SEAL, check_seal

OLD = Path(__file__).resolve().parents[2] / "fixtures" / "runs"
MADE = ["model.safetensors", "untrained.safetensors", "results.json"]


@pytest.fixture
def finished(runs, tmp_path):
    """A copy of a finished run."""
    return Path(shutil.copytree(runs["ff0"].folder, tmp_path / "run"))


def replace(path, old, new):
    content = path.read_text()
    assert content.count(old) == 1
    path.write_text(content.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "intensity = 0.35",
            "intensity = 0.9",
            r"config.toml: labels.intensity was changed.*; got 0.9; expected 0.35",
        ),
        ("seed = 0", "seed = 1", "seed was changed after the run ended; got 1; expected 0"),
        ("validate_every = 0", "validate_every = 1", r"train.validate_every was changed .*; got 1; expected 0"),
        ("candidates = 16\n", "", r"labels.candidates was changed .*; got nothing; expected 16"),
    ],
)
def test_an_edited_setting_is_named(finished, old, new, message):
    replace(finished / "config.toml", old, new)
    for work in (load_run, ffnet.resume):
        with pytest.raises(FFLabelsError, match=message):
            work(finished)


def test_where_the_data_are_and_the_device_may_change(finished):
    replace(finished / "config.toml", 'device = "auto"', 'device = "cpu" # here')
    replace(finished / "config.toml", "[data]", "[data]\nroot = '/elsewhere'")
    assert load_run(finished).config.data.root == "/elsewhere"


def swap_names(content):
    about = msgspec.json.decode(content)
    names = about["data"]["class_names"]
    names[0], names[1] = names[1], names[0]
    return msgspec.json.encode(about)


def test_the_names_of_the_classes_are_sealed_and_the_rest_of_the_record_is_not(finished):
    content = (finished / "run.json").read_bytes()
    (finished / "run.json").write_bytes(swap_names(content))
    with pytest.raises(FFLabelsError, match=r"run.json: the record of the data set was changed after the run ended"):
        load_run(finished)
    (finished / "run.json").write_bytes(content.replace(b'"torch": "', b'"torch": "1.'))
    assert load_run(finished).about.versions["torch"].startswith("1.")


def test_other_labels_are_noticed(finished, runs):
    shutil.copy(runs["ff1"].folder / "labels.json", finished)
    with pytest.raises(FFLabelsError, match=r"labels.json: not the file that the run began with"):
        load_run(finished)
    (finished / "labels.json").unlink()
    with pytest.raises(FFLabelsError, match=r"labels.json: is missing"):
        read_record(finished)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 1
    path.write_bytes(content)


def of_another_run(path, runs):
    path.write_bytes((runs["ff1"].folder / path.name).read_bytes())


def cut(path):
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.slow
@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("change", [flip, cut, of_another_run])
def test_a_damaged_or_swapped_file_is_named_and_resume_makes_it_again(finished, runs, name, change):
    content = (finished / name).read_bytes()
    change(finished / name, *([runs] if change is of_another_run else []))
    if (finished / name).read_bytes() == content:
        pytest.skip("both runs have the same file")
    with pytest.raises(DamagedError, match=rf"{name}: .*\(ffnet resume rebuilds it\)"):
        load_run(finished)
    with pytest.warns(DamagedWarning, match=rf"{name}: .*; rebuilt"):
        resumed = ffnet.resume(finished)
    assert (finished / name).read_bytes() == content
    assert load_run(finished).results == resumed.results == runs["ff0"].results


def test_untrained_weights_are_not_taken_for_trained_ones(finished):
    shutil.copy(finished / "untrained.safetensors", finished / "model.safetensors")
    with pytest.raises(DamagedError, match=r"model.safetensors: damaged, or of another run"):
        load_run(finished)


def test_a_run_that_is_open_notices_other_untrained_weights(finished, data):
    run = load_run(finished)
    flip(finished / "untrained.safetensors")
    with pytest.raises(DamagedError, match=r"untrained\.safetensors"):
        run.evaluate(data, "validation", inference="linear")


@pytest.mark.slow
@pytest.mark.parametrize("change", [Path.unlink, cut, flip])
def test_a_lost_or_damaged_seal_is_made_again(finished, change):
    content = (finished / SEAL).read_bytes()
    change(finished / SEAL)
    with pytest.raises(DamagedError, match=r"seal.json: .*ffnet resume rebuilds it"):
        load_run(finished)
    with pytest.warns(DamagedWarning, match="rebuilt"):
        ffnet.resume(finished)
    assert (finished / SEAL).read_bytes() == content


def test_evaluations_forecasts_and_reports_leave_the_seal_alone(finished, data):
    run, before = load_run(finished), (finished / SEAL).read_bytes()
    run.evaluate(data, "test")
    run.evaluate(data, "validation", inference="halving")
    (finished / "report.html").write_text("a page")
    assert (finished / SEAL).read_bytes() == before
    assert load_run(finished).test_reads == 2
    assert load_run(finished).net.forecast is not None


def test_what_is_shown_and_compared_without_the_net_is_checked_too(finished):
    flip(finished / "results.json")
    with pytest.raises(DamagedError, match=r"results\.json"):
        read_record(finished)


@pytest.mark.slow
def test_a_forecast_does_not_outlive_the_weights_that_it_was_fitted_to(finished, data):
    load_run(finished).fit_forecast(data)
    flip(finished / "model.safetensors")
    with pytest.warns(DamagedWarning):
        ffnet.resume(finished)
    assert not (finished / "forecast.safetensors").exists()


@pytest.mark.parametrize("name", ["quick-digits", "morph-imprint", "bp"])
def test_runs_of_the_format_before_have_no_seal(name, tmp_path):
    folder = Path(shutil.copytree(OLD / name / "finished", tmp_path / "old"))
    assert load_run(folder).about.format == 1
    check_seal(folder, 1)
    with pytest.raises(DamagedError, match=r"seal.json: is missing"):
        check_seal(folder, 2)


def test_settings_that_do_not_fit_the_weights_of_an_old_run_are_called_that(tmp_path):
    folder = Path(shutil.copytree(OLD / "quick-digits" / "finished", tmp_path / "old"))
    replace(folder / "config.toml", "kernel = 3", "kernel = 5")
    with pytest.raises(FFLabelsError, match=r"do not fit the settings in config.toml: size mismatch") as told:
        load_run(folder)
    assert len(str(told.value)) < 500


@pytest.mark.parametrize(("number", "message"), [(0, "a run folder of an older ffnet"), (3, "of a newer ffnet")])
def test_another_format_is_called_older_or_newer(finished, number, message):
    about = msgspec.json.decode((finished / "run.json").read_bytes())
    (finished / "run.json").write_bytes(msgspec.json.encode({"format": number, "other": about["data"]}))
    with pytest.raises(FFLabelsError, match=rf"{message}; got format {number}; expected 1 to 2"):
        load_run(finished)


def test_damage_that_nothing_was_sealed_against_still_names_the_way_out(tmp_path):
    folder = Path(shutil.copytree(OLD / "bp" / "finished", tmp_path / "old"))
    cut(folder / "model.safetensors")
    with pytest.raises(DamagedError, match=r"model.safetensors: damaged: .*ffnet resume rebuilds it"):
        load_run(folder)
    for name in ("run.json", "reads.json"):
        (folder / name).write_bytes(b"{")
    with pytest.raises(FFLabelsError, match=r"run.json: cannot be read: .*cannot be rebuilt"):
        load_run(folder)


def test_a_damaged_count_of_evaluations_names_the_way_out(finished, data):
    (finished / "reads.json").write_bytes(b"{")
    with pytest.raises(FFLabelsError, match=r"reads.json: cannot be read: .*remove it: counting starts again"):
        load_run(finished).evaluate(data, "test")


def test_a_loaded_run_answers_as_the_sealed_one(finished, runs):
    images = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(load_run(finished).predict(images), runs["ff0"].predict(images))
