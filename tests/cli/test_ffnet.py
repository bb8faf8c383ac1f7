"""The command ``ffnet``, used as its user would, right and wrong."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
from click.testing import CliRunner
from commands import here
from fflabels_cli import app
from PIL import Image
from reference import make_folder
from test_fflabels import good, run

from fflabels.errors import install_command
from ffnet import Config, load_preset, resume, train
from ffnet.runs.session import Watcher

pytestmark = pytest.mark.slow

SMALL = ("--set", "data.limit=200", "--set", "net.widths=[6,8]", "--set", "net.pools=[2,2]", "--epochs", 2, "--set",
         "inference.linear_epochs=2", "--set", "labels.candidates=16")  # fmt: skip


def ffnet(*arguments, cwd):
    return here("ffnet", *arguments, cwd=cwd)


def shown(*arguments, cwd):
    found = ffnet(*arguments, cwd=cwd)
    assert (found.returncode, found.stderr) == (0, "")
    return found.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small run, made as a user makes it."""
    cwd = tmp_path_factory.mktemp("work")
    found = run("train", "--labels", "fourier", *SMALL, cwd=cwd, program="ffnet")
    assert found.returncode == 0, found.stderr
    return cwd, found


def test_train_shows_progress_accuracies_and_the_run_folder(trained):
    cwd, found = trained
    for part in ("10 fourier labels of 16 candidates", "K 0.2; waves:reed-solomon in 8 channels of later layers", "layer-local",
                 "200 train, 180 validation, 360 test", "seed 0"):  # fmt: skip
        assert part in found.stderr
    line = r"epoch 2/2  loss [\d.]+  discrimination [\d.]+ [\d.]+  [\d,]+ images/s  0:00 left"
    assert re.search(line, found.stderr)
    assert re.search(r"split +goodness +untrained net +linear +untrained net +chance", found.stdout)
    assert re.search(r"test \(360\) +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ +10.0", found.stdout)
    results = json.loads((cwd / "runs" / "digits-fourier-0" / "results.json").read_text())
    assert 0 <= results["test"]["goodness"]["untrained"] < results["test"]["goodness"]["accuracy"]
    *_, folder, following, _, _, _ = found.stdout.splitlines()
    assert (folder, following) == ("run folder: runs/digits-fourier-0", "next:")
    assert {"config.toml", "labels.json", "metrics.jsonl", "metrics.csv", "timings.jsonl", "checkpoints"} <= {
        p.name for p in (cwd / "runs" / "digits-fourier-0").iterdir()
    }


def test_train_as_json(tmp_path):
    found = ffnet("train", "--labels", "morph", *SMALL, "--out", "mine", "--json", cwd=tmp_path)
    assert found.stderr == ""
    results = json.loads(found.stdout)
    assert results["run"] == "mine"
    assert results["test_reads"] == 1
    assert 0 <= results["test"]["linear"]["untrained"] <= 1
    assert np.sum(results["test"]["goodness"]["confusion"]) == 360


@pytest.mark.parametrize(
    ("arguments", "setting", "value"),
    [
        (["--seed", "3"], "seed", 3),
        (["--dtype", "float64"], "dtype", "float64"),
        (["--algorithm", "bp"], "algorithm", "bp"),
        (["--labels", "fourier:paper10"], "labels.set", "fourier:paper10"),
        (["--labels", "fflabels:fourier"], "labels.set", "fflabels:fourier"),
        (["--labels", "fourier", "--n", "10", "--param", "waves=2"], "labels.params.waves", 2),
        (["--device", "cpu", "--set", "train.lr=0.001"], "train.lr", 0.001),
        (["--labels", "fourier", "--set", "labels.params.waves=3"], "labels.params.waves", 3),
        (["--preset", "paper-mnist", "--dataset", "digits"], "train.goodness", "sum"),
    ],
)
def test_every_option_reaches_the_settings(tmp_path, arguments, setting, value):
    found = ffnet("train", *SMALL, *arguments, "--set", "net.norm=rms", "--epochs", 1, "--out", "run", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    kept = json.loads(shown("info", "run", "--json", cwd=tmp_path))
    config = kept["config"]
    for name in setting.split("."):
        config = config[name]
    assert config == value
    assert kept["epochs_done"] == 1
    assert kept["results"] == json.loads((tmp_path / "run" / "results.json").read_text())
    assert kept["layer_local"] is ("bp" not in arguments)


def test_a_label_set_file_is_scored_anew_where_its_shape_is_another(tmp_path):
    good("select", "--n", 10, "--kind", "fourier", "--candidates", 60, "--shape", "1x32x32", cwd=tmp_path)
    found = ffnet("train", "--labels", "labels-fourier-10.json", *SMALL, cwd=tmp_path)
    assert "at 1x16x16 on 64 digits" in found.stderr
    assert "run folder: runs/digits-labels-fourier-10-0" in found.stdout


def test_eval(trained):
    cwd, _ = trained
    text = shown("eval", "runs/digits-fourier-0", cwd=cwd)
    assert "validation, goodness:" in text
    assert "validation, linear:" in text
    assert "; untrained net:" in text
    found = json.loads(shown("eval", "runs/digits-fourier-0", "--inference", "linear", "--json", cwd=cwd))
    assert "goodness" not in found
    assert found["split"] == "validation"
    assert len(found["linear"]["per_class"]) == 10
    cascade = shown("eval", "runs/digits-fourier-0", "--inference", "cascade:4", cwd=cwd)
    assert re.search(r"validation, cascade: [\d.]+ % of 180 images; same answer as goodness over all labels:", cascade)
    assert re.search(r"cascade: [1-5]\.\d\d passes per image instead of 10", cascade)
    halving = shown("eval", "runs/digits-fourier-0", "--inference", "halving", cwd=cwd)
    assert re.search(r"halving: \d\.\d\d passes per image instead of 10", halving)
    assert (cwd / "runs" / "digits-fourier-0" / "forecast.safetensors").exists()
    assert (
        "unknown inference; got casc" in ffnet("eval", "runs/digits-fourier-0", "--inference", "casc", cwd=cwd).stderr
    )
    reads = [json.loads(shown("eval", "runs/digits-fourier-0", "--split", "test", "--json", cwd=cwd)) for _ in range(2)]
    assert [r["test_reads"] for r in reads] == [2, 3]


def test_eval_of_several_runs_is_that_of_their_ensemble(trained):
    cwd, _ = trained
    runs = ("runs/digits-fourier-0", "two")
    ffnet("train", "--labels", "onehot", *SMALL, "--seed", 1, "--out", "two", cwd=cwd)
    first = json.loads(shown("info", runs[0], "--json", cwd=cwd))["test_reads"]
    text = shown("eval", *runs, "--split", "test", cwd=cwd)
    assert re.search(r"test, both: [\d.]+ % of 360 images\n", text)
    for name in ("runs/digits-fourier-0", "two", "together"):
        assert re.search(rf"{name} +[\d.]+ +[\d.]+ +[\d.–]+\n", text)
    assert f"the test images of these runs were evaluated {first + 1} times, 2 times" in text
    found = json.loads(shown("eval", *runs, "--json", cwd=cwd))
    assert found["runs"] == {runs[0]: {"test_reads": first + 1}, "two": {"test_reads": 2}}
    assert 0 <= found["linear"]["untrained"] <= 1
    one = json.loads(shown("eval", "two", "--inference", "both", "--json", cwd=cwd))
    assert (one["run"], one["test_reads"], sorted(one)) == ("two", 2, ["both", "images", "run", "split", "test_reads"])
    refused = ffnet("eval", *runs, "--inference", "halving", cwd=cwd)
    assert "unknown inference of an ensemble; got halving; expected goodness, linear, both" in refused.stderr
    assert "runs: the same run twice" in ffnet("eval", runs[0], runs[0], cwd=cwd).stderr


def test_info_and_resume_of_a_finished_run(trained):
    cwd, found = trained
    text = shown("info", "runs/digits-fourier-0", cwd=cwd)
    assert "2 of 2 epochs" in text
    assert "layer-local" in text
    resumed = ffnet("resume", "runs/digits-fourier-0", cwd=cwd)
    assert "already finished" in resumed.stderr
    assert found.stdout.startswith(resumed.stdout)
    assert "run folder: " in resumed.stdout


def test_predict(trained):
    cwd, _ = trained
    for k, size in enumerate([(16, 16), (50, 40)]):
        Image.new("RGB", size, (90, 90, 90)).save(cwd / f"{k}.png")
    found = json.loads(shown("predict", "runs/digits-fourier-0", "0.png", "1.png", "--json", cwd=cwd))
    assert [f["image"] for f in found] == ["0.png", "1.png"]
    assert all(f["class"] in "0123456789" and f["class"] != f["runner_up"] and f["lead"] >= 0 for f in found)
    text = shown("predict", "runs/digits-fourier-0", "0.png", "--inference", "goodness", cwd=cwd)
    assert "0.png" in text
    alone = ("predict", "runs/digits-fourier-0", "0.png", "--inference", "cascade:1")  # nothing to compare with
    (found,) = json.loads(shown(*alone, "--json", cwd=cwd))
    assert (found["runner_up"], found["lead"], found["class"] in "0123456789") == (None, None, True)
    assert re.search(r"0.png +\d +– +–", shown(*alone, cwd=cwd))


def test_predict_answers_for_the_good_images_and_names_all_others(trained):
    cwd, _ = trained
    Image.new("L", (16, 16), 90).save(cwd / "good.png")
    (cwd / "bad.png").write_bytes(b"no picture")
    names = ("bad.png", "good.png", "none.png")
    found = ffnet("predict", "runs/digits-fourier-0", *names, cwd=cwd)
    assert found.returncode == 1
    assert [line.partition(" ")[2].split(":")[0] for line in found.stderr.splitlines()] == ["bad.png", "none.png"]
    assert "good.png" in found.stdout
    found = ffnet("predict", "runs/digits-fourier-0", *names, "--json", cwd=cwd)
    assert [one["image"] for one in json.loads(found.stdout)] == ["good.png"]
    found = ffnet("predict", "runs/digits-fourier-0", "bad.png", cwd=cwd)
    assert (found.returncode, found.stdout) == (1, "")
    (cwd / "some").mkdir()
    (cwd / "some" / "gone.png").symlink_to("nowhere.png")
    shutil.copy(cwd / "good.png", cwd / "some")
    found = ffnet("predict", "runs/digits-fourier-0", "some", cwd=cwd)
    assert (found.returncode, "good.png" in found.stdout) == (1, True)
    assert "some/gone.png: cannot be read as an image" in found.stderr


def test_predict_takes_names_that_are_not_utf8(trained):
    cwd, _ = trained
    try:
        Image.new("L", (16, 16), 90).save(cwd / "caf\udce9.png")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    assert "caf\ufffd.png" in shown("predict", "runs/digits-fourier-0", "caf\udce9.png", cwd=cwd)


def test_predict_of_an_unfinished_run_says_so(tmp_path):
    class StopError(Exception):
        pass

    def stop(metrics):
        raise StopError

    with pytest.raises(StopError):
        train(Config().override(["data.limit=100", "train.epochs=2", "net.widths=[4,4,4]", "labels.candidates=16"]),
              out=tmp_path / "run", watcher=Watcher(report=stop))  # fmt: skip
    Image.new("L", (16, 16), 90).save(tmp_path / "good.png")
    found = ffnet("predict", "run", "good.png", cwd=tmp_path)
    assert found.returncode == 0
    assert "Warning: run is not finished: 1 of 2 epochs; ffnet resume run continues it" in found.stderr


def test_a_sealed_run_that_was_edited_is_one_clear_line(trained, tmp_path):
    cwd, _ = trained
    folder = shutil.copytree(cwd / "runs" / "digits-fourier-0", tmp_path / "run")
    config = (folder / "config.toml").read_text()
    (folder / "config.toml").write_text(re.sub(r"intensity = [\d.]+", "intensity = 0.9", config))
    for command in ("eval", "info", "compare", "report", "cam", "diagnose", "resume"):
        found = ffnet(command, "run", cwd=tmp_path)
        assert found.returncode == 1
        assert re.fullmatch(
            r"Error: run/config.toml: labels.intensity was changed after the run ended; got 0.9; expected 0\.\d+ .*\n",
            found.stderr,
        )
    (folder / "config.toml").write_text(config)
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-9] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    assert "model.safetensors: damaged, or of another run" in ffnet("eval", "run", cwd=tmp_path).stderr
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        found = ffnet("resume", "run", cwd=tmp_path)
    assert found.returncode == 0
    assert "already finished" not in found.stderr
    assert "; rebuilt" in found.stderr
    assert ffnet("eval", "run", cwd=tmp_path).returncode == 0


def test_a_stop_before_the_first_line_says_how_to_continue(tmp_path, monkeypatch):
    monkeypatch.setattr("ffnet.runs.session.make_learner", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    found = ffnet("train", *SMALL, "--out", "run", cwd=tmp_path)
    assert found.returncode == 143
    assert "stopped by SIGTERM; saved; continue with: ffnet resume run" in found.stderr


def test_labels_that_are_hard_to_learn_are_said_at_the_start_by_info_and_in_the_report(tmp_path):
    hard = ("--labels", "fourier", "--set", "labels.intensity=0.01")
    found = ffnet("train", *hard, *SMALL, "--out", "run", cwd=tmp_path)
    assert found.returncode == 0
    (line,) = re.findall(r"^labels +likely hard to learn: .*", found.stderr, re.MULTILINE)
    assert line in shown("info", "run", cwd=tmp_path).splitlines()
    ffnet("report", "run", cwd=tmp_path)
    assert "Likely hard to learn" in (tmp_path / "run" / "report.html").read_text()


def test_report_cam_labels(trained):
    cwd, _ = trained
    run = "runs/digits-fourier-0"
    assert shown("report", run, cwd=cwd) == f"report: {run}/report.html\n"
    assert shown("report", run, "--out", "page.html", cwd=cwd) == "report: page.html\n"
    assert (cwd / "page.html").read_bytes() == (cwd / run / "report.html").read_bytes()
    Image.new("L", (30, 20), 90).save(cwd / "grey.png")
    for arguments, height in (([], 16), (["grey.png"], 1), (["grey.png", "grey.png", "--class", "7"], 2)):
        assert shown("cam", run, *arguments, "--out", "cam.png", cwd=cwd) == "activation maps: cam.png\n"
        with Image.open(cwd / "cam.png") as picture:
            assert picture.width > 300
            assert picture.height > 150 * min(height, 10)
    text = shown("diagnose", run, "--pairs", 3, cwd=cwd)
    for words in ("classes", "mistaken, %", "pearson", "shift", "layer 2", "all layers", "favourite on noise"):
        assert words in text
    found = json.loads(shown("diagnose", run, "--images", 50, "--json", cwd=cwd))
    assert (found["count"], len(found["pairs"]), len(found["shortcuts"])) == (50, 45, 3)
    old = ffnet("labels", run, "--images", 50, "--json", cwd=cwd)
    assert (json.loads(old.stdout), old.stderr) == (found, "Warning: ffnet labels is now ffnet diagnose\n")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_export(trained):
    cwd, _ = trained
    text = shown("export", "runs/digits-fourier-0", "--format", "pt2", cwd=cwd)
    assert "predicts the same as the net for" in text
    assert "input: images (N, 1, 16, 16), float32 in [0, 1]; output: scores (N, 10)" in text
    assert (cwd / "runs/digits-fourier-0/model.pt2").exists()


def test_maps_of_the_goodness_of_codes(tmp_path):
    ffnet("train", *SMALL[:6], "--epochs", 1, "--set", "inference.linear_epochs=1", "--out", "run", cwd=tmp_path)
    assert shown("cam", "run", "--by", "goodness", cwd=tmp_path) == "activation maps: run/cam.png\n"


def test_validation_may_be_called_val(trained):
    cwd, _ = trained
    texts = {name: shown("eval", "runs/digits-fourier-0", "--split", name, cwd=cwd) for name in ("val", "validation")}
    assert texts["val"] == texts["validation"]


def test_pictures_of_a_run_replace_no_file_of_the_user_and_join_no_class(tmp_path):
    make_folder(tmp_path / "animals", each=12)
    settings = ("--set", "net.widths=[4,4,4]", "--set", "data.size=16", "--epochs", 1, "--labels", "fourier")
    done = ffnet(
        "train", "--dataset", "animals", *settings, "--set", "labels.candidates=8", "--out", "run", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    found = ffnet("cam", "run", "--out", "animals/cat/new.png", "--force", cwd=tmp_path)
    assert (found.returncode, "would be one of the pictures to read" in found.stderr) == (1, True)
    for command, name in (("cam", "cam.png"), ("report", "report.html")):
        (tmp_path / "run" / name).write_text("mine")
        found = ffnet(command, "run", cwd=tmp_path)
        assert (found.returncode, "not replaced" in found.stderr) == (1, True)
        assert (tmp_path / "run" / name).read_text() == "mine"
        assert ffnet(command, "run", "--force", cwd=tmp_path).returncode == 0
        assert ffnet(command, "run", cwd=tmp_path).returncode == 0  # its own it replaces


def test_tensorboard_gets_every_epoch(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    done = ffnet("train", "--labels", "fourier", *SMALL, "--tensorboard", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    events = accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    for name, pick in {"loss": lambda m: m["loss"], "discrimination/layer 2": lambda m: m["discrimination"][1]}.items():
        found = [(e.step, e.value) for e in events.Scalars(name)]
        assert found == [(m["epoch"], pytest.approx(pick(m))) for m in lines]


def test_tensorboard_keeps_the_epochs_before_a_stop(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from ffnet.runs.tensorboard import TensorBoard

    def stop_after_two(metrics):
        board.epoch(metrics)
        if metrics["epoch"] == 2:
            raise KeyboardInterrupt

    config = Config().override(["data.limit=200", "labels.candidates=16", "train.epochs=4"])
    board = TensorBoard()
    with pytest.raises(KeyboardInterrupt):
        train(config, out=tmp_path / "run", watcher=Watcher(started=board.started, report=stop_after_two))
    board = TensorBoard()
    resume(tmp_path / "run", watcher=Watcher(started=board.started, report=board.epoch))
    events = accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss")] == [1, 2, 3, 4]


@pytest.fixture(scope="module")
def seeds(trained):
    """Folders of runs: three seeds, and two of them with a stronger label."""
    cwd, _ = trained
    for seed in (1, 2):
        ffnet("train", "--labels", "fourier", *SMALL, "--seed", seed, "--out", f"again{seed}", cwd=cwd)
        ffnet("train", "--labels", "fourier", *SMALL, "--set", "labels.intensity=0.9", "--seed", seed,
              "--out", f"strong{seed}", cwd=cwd)  # fmt: skip
    return cwd, ("runs/digits-fourier-0", "again1", "again2", "strong1", "strong2")


def test_compare_says_how_groups_differ(seeds):
    cwd, runs = seeds
    text = shown("compare", *runs, cwd=cwd)
    assert re.search(r"labels.intensity=0.2 +3 +[\d.]+ ± [\d.]+ ", text)
    assert re.search(r"labels.intensity=0.9 +2 ", text)
    line = r"labels.intensity=0.9 – labels.intensity=0.2, goodness: [+-][\d.]+ \(95 % interval [+-][\d.]+ to [+-][\d.]+, p = "
    assert re.search(line, text)
    found = json.loads(shown("compare", *runs, "--json", cwd=cwd))
    assert [len(group["runs"]) for group in found["groups"]] == [3, 2]


def test_compare_reads_validation_images_unless_asked_and_pairs_by_seed(seeds):
    cwd, runs = seeds
    assert "validation accuracy, %" in shown("compare", *runs, cwd=cwd)
    text = shown("compare", *runs, "--split", "test", cwd=cwd)
    assert "test accuracy, %" in text
    assert "paired by 2 seeds" in text
    found = [json.loads(shown("compare", *runs, "--split", split, "--json", cwd=cwd)) for split in ("val", "test")]
    assert [one["split"] for one in found] == ["validation", "test"]
    assert found[0]["groups"][1]["seeds"] == [1, 2]
    assert {d["pairs"] for one in found for d in one["differences"]} == {2}
    assert found[0]["groups"][0]["accuracies"] != found[1]["groups"][0]["accuracies"]


def test_search(tmp_path):
    vary = ("--vary", "train.lr=log 1e-4..1e-2", "--trials", 2)
    done = ffnet("search", *vary, *SMALL[:6], "--set", "train.epochs=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"best: trial [01]: train.lr 0\.00\d+: [\d.]+ %, in search/lr_\S+\nffnet train --set",
        done.stdout,
    )
    found = json.loads(ffnet("search", *vary, *SMALL[:6], "--set", "train.epochs=1", "--json", cwd=tmp_path).stdout)
    assert found["storage"] == "search.journal"
    assert (tmp_path / found["run"] / "results.json").exists()


def test_a_labeler_is_meant_where_a_folder_has_its_name(tmp_path):
    for name in ("fourier", "digits"):
        (tmp_path / name).mkdir()
    found = ffnet("train", "--labels", "fourier", *SMALL, cwd=tmp_path)
    assert (found.returncode, "digits 1x16x16" in found.stderr) == (0, True)


def test_presets(tmp_path):
    text = shown("presets", cwd=tmp_path)
    assert re.search(r"paper-mnist +paper +MNIST", text)
    assert re.search(r"quick-mnist +ours ", text)
    one = shown("presets", "paper-mnist", cwd=tmp_path)
    assert "kernel = 7" in one
    found = json.loads(shown("presets", "paper-cifar100-*", "--json", cwd=tmp_path))
    assert len(found) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--labels", "fuorier"], "Error: unknown labeler; got fuorier (did you mean 'fourier'?"),
        (["train", "--labels", "none.json"], "Error: none.json: cannot be read: No such file or directory"),
        (["train", "--labels", "fourier:paper11"], "Error: fourier: no such built-in set; got paper11; expected paper10"),
        (["train", "--n", "5"], "Error: labels code:hadamard,code: not one label per class; got 5; expected 10 for digits"),
        (["train", "--labels", "fourier", "--param", "wavs=3"], "Error: labeler fourier: unknown parameter; got wavs (did you mean 'waves'?"),
        (["train", "--dataset", "cifar11"], "Error: data.name: neither a data set nor a folder; got cifar11 (did you mean 'cifar10'?"),
        (["train", "--preset", "paper-minst"], "Error: preset: no such preset; got paper-minst (did you mean 'paper-mnist'?"),
        (["train", "--set", "train.epohcs=3"], "Error: --set: no such setting; got train.epohcs (did you mean 'epochs'?"),
        (["train", "--set", "train.lr"], "Error: --set: no value; got train.lr; expected section.key=value"),
        (["train", "--set", "train.lr=fast"], "Error: --set: bad setting: Expected `float`, got `str` - at `$.train.lr`"),
        (["train", "--set", "train.goodness=sun"], "Error: train.goodness: unknown goodness; got sun (did you mean 'sum'?"),
        (["train", "--set", "net.pools=[4,4,4]"], "Error: net.pools and net.strides, layer 3: no pixel is left"),
        (["train", "--device", "cuda:9"], "Error: device: no such GPU; got cuda:9"),
        (["train", "--device", "tpu"], "Error: device: unknown device; got tpu; expected auto, cpu, cuda or cuda:i"),
        (["train", "--labels", "fourier:paper10", "--set", "data.size=8"], "Error: wave: frequency above the sampling limit; got (fy, fx) = (0, 6)"),
        (["train", "--labels", "fourier:paper10", "--n", "5"], "Error: labels fourier:paper10: a set of another size; got 10; expected 5"),
        (["train", "--labels", "fourier:paper10", "--param", "waves=2"], "Error: --param: a finished set takes no parameters; got fourier:paper10"),
        (["train", "--set", "labels.intensity=.5"], "got .5 (numbers are written like 0.3)"),
        (["train", "--set", "net.widths=8,8,8"], "got 8,8,8 (lists are written like [16,32,64])"),
        (["train", "--labels", "fourier", "--n", "4"], "got 4; expected 10 for digits (leave out labels.n (--n))"),
        (["train", "--algorithm", "bp", "--labels", "fourier"], "Error: algorithm bp uses no labels: leave out --labels"),
        (["train", "--seed", 99999999999999999999], "Error: settings: bad setting: "),
        (["train", "--out", "/proc/x"], "Error: out /proc/x: cannot be made: "),
        (["eval", "nowhere"], "Error: nowhere: not a run folder; expected a folder with config.toml"),
        (["resume", "nowhere"], "Error: nowhere: not a run folder"),
        (["predict", "nowhere", "x.png"], "Error: nowhere: not a run folder"),
        (["report", "nowhere"], "Error: nowhere: not a run folder"),
        (["cam", "nowhere"], "Error: nowhere"),
        (["diagnose", "nowhere"], "Error: nowhere: not a run folder"),
        (["compare", "nowhere", "there"], "Error: nowhere: not a run folder"),
        (["experiment", "run", "fig3"], "Error: experiment: no such experiment; got fig3 (did you mean 'fig3"),
        (["experiment", "run", "none.toml"], "Error: none.toml: cannot be read: No such file or directory"),
        (["experiment", "run", "fig3b", "--scale", "smok"], "Error: experiment fig3b: no such scale; got smok (did you mean 'smoke'"),
        (["search", "--vary", "train.lr=1"], "Error: train.lr: not a search space; got 1; expected a|b|c, LOW..HIGH"),
        (["search", "--vary", "train.lr"], "Error: Invalid value for '--vary': got 'train.lr', expected NAME=VALUE, for instance train.lr=1e-4..1e-2"),
        (["search", "--vary", "train.lr=1|2", "--vary", "train.lr=3|4"], "Error: --vary names train.lr twice"),
        (["search", "--labels", "none.py:X", "--vary", "train.lr=1|2"], "Error: labeler none.py:X: no such file"),
        (["experiment", "run", "fig3b", "--gpus", "4"], "Error: --gpus does not apply without --on"),
        (["experiment", "run", "fig3b", "--partition", "a", "--on", "local"], "Error: --partition does not apply without --on slurm"),
        (["experiment", "run", "fig3b", "--workers", "2", "--on", "slurm"], "Error: --workers does not apply with --on slurm"),
        (["export", "nowhere"], "Error: nowhere: not a run folder"),
        (["info", "nowhere", "--labeler", "fourier"], "Error: No such option"),
        (["trian"], "Error: No such command 'trian'. Did you mean train?"),
        (["train", "--epochs", "0"], "Error: Invalid value for '--epochs'"),
        (["train", "--lables", "x"], "Error: No such option"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_clear_line_and_leaves_nothing_behind(tmp_path, arguments, message):
    found = ffnet(*arguments, cwd=tmp_path)
    assert found.returncode in (1, 2)
    assert found.stdout == ""
    assert found.stderr.count("\n") == 1
    assert message in found.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cam", "RUN", "text.png"], "text.png"),
        (["cam", "RUN", "--class", "eleven"], "Error: --class: no such class; got eleven"),
        (["cam", "RUN", "--by", "goodness"], "this net does not use codes; got --by goodness"),
        (["cam", "RUN", "--out", "cam.jpg"], "Error: cam.jpg: wrong ending; expected a name ending in .png"),
        (["report", "RUN", "--out", "missing/page.html"], "cannot be written: No such file or directory"),
        (["compare", "RUN", "RUN"], "Error: runs: the same run twice"),
        (["resume", "RUN", "--epochs", "9"], "ffnet train --start runs/digits-fourier-0 --epochs 9 continues from it"),
        (["resume", "a run", "--epochs", "9"], "ffnet train --start 'a run' --epochs 9 continues from it"),
        (["report", "RUN", "--out", "cam.txt"], "Error: cam.txt: wrong ending"),
        (["predict", "text.png", "RUN"], "Error: text.png: not a run folder"),
        (["eval", "RUN", "--inference", "bp"], "Error: inference: for another kind of net; got bp"),
        (["report", "half"], "half/run.json: cannot be read"),
        (["compare", "half"], "half/run.json: cannot be read"),
    ],
)
def test_a_mistake_about_a_run_is_one_clear_line(trained, arguments, message):
    cwd, _ = trained
    (cwd / "text.png").write_text("no picture")
    (cwd / "half").mkdir(exist_ok=True)
    (cwd / "half" / "config.toml").write_bytes((cwd / "runs/digits-fourier-0/config.toml").read_bytes())
    found = ffnet(*[a.replace("RUN", "runs/digits-fourier-0") for a in arguments], cwd=cwd)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.count("\n") == 1
    assert message in found.stderr


def test_predict_takes_folders_and_writes_csv(trained):
    cwd, _ = trained
    folder = next((cwd / "runs").iterdir())
    for name in ("a.png", "more/b.png", "more/.hidden.png"):
        path = cwd / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((16, 16), 99, np.uint8)).save(path)
    (cwd / "pictures" / "notes.txt").write_text("no picture")
    found = shown("predict", folder, "pictures", "--csv", "found.csv", cwd=cwd)
    assert found == "2 predictions: found.csv\n"
    head, *rows = (cwd / "found.csv").read_text().splitlines()
    assert head == "image,class,runner_up,lead"
    assert [row.split(",")[0] for row in rows] == ["pictures/a.png", "pictures/more/b.png"]
    assert "--force" in ffnet("predict", folder, "pictures", "--csv", "found.csv", cwd=cwd).stderr
    assert shown("predict", folder, "pictures", "--csv", "found.csv", "--force", cwd=cwd) == found
    (cwd / "nothing").mkdir()
    assert "nothing: no image in the folder" in ffnet("predict", folder, "nothing", cwd=cwd).stderr


def test_a_run_starts_from_another_and_says_how_to_continue(trained):
    cwd, found = trained
    assert "preset  pairs-digits: " in found.stderr
    folder = next((cwd / "runs").iterdir())
    for line in ("next:", f"ffnet report {folder.relative_to(cwd)}", f"ffnet train --start {folder.relative_to(cwd)}"):
        assert line in found.stdout
    again = ffnet("train", "--start", folder, "--epochs", 1, "--out", "again", cwd=cwd)
    assert again.returncode == 0, again.stderr
    assert (cwd / "again" / "start.safetensors").exists()
    assert "preset" not in again.stderr


def test_settings_are_explained(tmp_path):
    assert shown("settings", "train.batch", cwd=tmp_path).startswith("train.batch = 32\n    Images per step.")
    assert json.loads(shown("settings", "data", "--json", cwd=tmp_path))[0]["key"] == "data.name"
    found = ffnet("settings", "lr", cwd=tmp_path)
    assert (found.returncode, found.stderr) == (
        1,
        "Error: ffnet settings: no such setting; got lr (did you mean 'train.lr'?)\n",
    )
    text = shown("presets", "quick-cells", cwd=tmp_path)
    assert "# Filters per layer.\nwidths = " in text
    assert Config.from_toml(text.encode(), "presets") == load_preset("quick-cells").config


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (("train", "--preset", "quick-c"), ["quick-cells", "quick-cifar10", "quick-cifar100"]),
        (("train", "--dataset", "mnist"), ["mnist", "mnist-pairs"]),
        (("train", "--labels", "fou"), ["fourier"]),
        (("train", "--set", "train.sch"), ["train.schedule="]),
        (
            ("train", "--set", "train.schedule=co"),
            ["train.schedule=constant", "train.schedule=cooldown", "train.schedule=cosine"],
        ),
        (("settings", "net.p"), ["net.pools"]),
        (("presets", "paper-mnist-"), ["paper-mnist-bp"]),
    ],
)
def test_a_shell_completes_values(typed, offered):
    from click.shell_completion import ShellComplete

    complete = ShellComplete(app.ffnet_group, {}, "ffnet", "_FFNET_COMPLETE")
    found = [item.value for item in complete.get_completions(list(typed[:-1]), typed[-1]) if item.type == "plain"]
    assert sorted(found) == offered


@pytest.mark.parametrize("typed", [("train", "--dataset", "digi"), ("train", "--labels", "four")])
def test_names_come_without_files_since_bash_would_show_these_alone(typed):
    from click.shell_completion import ShellComplete

    complete = ShellComplete(app.ffnet_group, {}, "ffnet", "_FFNET_COMPLETE")
    assert {item.type for item in complete.get_completions(list(typed[:-1]), typed[-1])} == {"plain"}
    [other] = complete.get_completions(list(typed[:-1]), "my-")
    assert other.type in ("dir", "file")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--range", "7:9"], "--range does not apply to digits: it is for images of your own"),
        (["--n", "5"], r"labels code:hadamard,code: not one label per class; got 5; expected 10 for digits"),
    ],
)
def test_options_that_do_not_fit_the_default_training_are_refused(arguments, message):
    done = CliRunner().invoke(app.ffnet_group, ["train", *arguments])
    assert done.exit_code
    assert message in f"{done.output}{done.exception}"


def test_what_needs_no_pytorch_starts_without_it_and_without_scipy(trained, tmp_path):
    run = trained[0] / "runs" / "digits-fourier-0"
    unfinished = shutil.copytree(run, tmp_path / "unfinished", ignore=shutil.ignore_patterns("model*", "results*"))
    for name, values in {"codes": {}, "bp": {"algorithm": "bp"}}.items():
        small = {"data.limit": 100, "net.widths": [8, 8], "net.pools": [2, 2], "inference.linear_epochs": 1, **values}
        train("quick-digits", epochs=1, out=tmp_path / name, **small)
    runs = [str(folder) for folder in (run, unfinished, tmp_path / "codes", tmp_path / "bp")]
    code = (
        f"runs = {runs!r}\n"
        "import sys; from click.testing import CliRunner; from fflabels_cli.app import ffnet_group, fflabels_group\n"
        "for group, a in [(ffnet_group, ['presets']), (ffnet_group, ['settings']), (ffnet_group, ['presets', 'paper-mnist']),\n"
        "                 (fflabels_group, ['list']), *((ffnet_group, ['info', run, *json]) for run in runs for json in ([], ['--json']))]:\n"
        "    assert CliRunner().invoke(group, a).exit_code == 0, a\n"
        "    assert a[0] in ('list', 'info') or 'numpy' not in sys.modules, a\n"
        "assert not {'torch', 'scipy', 'skimage'} & set(sys.modules), 'imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_help_imports_neither_torch_nor_numpy(tmp_path):
    code = (
        "import sys; from click.testing import CliRunner; from fflabels_cli.app import ffnet_group as g, FFNET_COMMANDS\n"
        "for a in [['--help'], ['--version'], *([c, '--help'] for c in FFNET_COMMANDS)]:\n"
        "    assert CliRunner().invoke(g, a).exit_code == 0, a\n"
        "assert not {'torch', 'numpy', 'ffnet'} & set(sys.modules), 'imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_without_pytorch_it_says_what_to_install(tmp_path):
    code = (
        "import sys; from importlib.machinery import PathFinder; find = PathFinder.find_spec\n"
        "PathFinder.find_spec = lambda n, *a, **k: None if n == 'torch' else find(n, *a, **k)\n"
        "from fflabels_cli.app import ffnet; sys.argv = ['ffnet', 'train']; ffnet()"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (found.returncode, found.stderr) == (1, f"Error: ffnet needs PyTorch: {install_command('net')}\n")


def test_version(tmp_path):
    assert re.fullmatch(r"ffnet, version [\d.]+(dev\d+)?\n", shown("--version", cwd=tmp_path))
