"""Run folders: killed anywhere and resumed they end the same; nothing that goes wrong loses what was there."""

import copy
import dataclasses
import errno
import os
import re
import resource
import signal
import threading
import time
from types import SimpleNamespace

import msgspec
import pytest
import torch
from commands import start
from reference import SMALL_RUN as SMALL
from reference import small_data

import fflabels
import ffnet
from fflabels import named_set
from fflabels.errors import FFLabelsError
from ffnet.evaluation.accuracy import evaluate
from ffnet.runs import locks
from ffnet.runs.checkpoint import newest_checkpoint
from ffnet.runs.files import DamagedWarning
from ffnet.runs.folder import settings_digest
from ffnet.runs.locks import LockedError, is_locked, locked, new_run_folder
from ffnet.runs.log import read_lines
from ffnet.runs.session import Watcher, _validation_metrics
from ffnet.runs.start import with_absolute_paths
from ffnet.training.baselines import BPLearner
from ffnet.training.forward_forward import FFLearner
from ffnet.training.loop import Position

PRODUCTS = ["model.safetensors", "untrained.safetensors", "metrics.jsonl", "metrics.csv", "results.json", "labels.json"]


def config(*settings):
    return ffnet.Config().override([*SMALL, *settings])


def files(folder):
    return {name: (folder / name).read_bytes() for name in PRODUCTS if (folder / name).exists()}


class StopError(Exception):
    pass


def stop_at(step):
    def progress(what, done, total):
        if what == "training" and done == step:
            raise StopError

    return progress


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["train.negatives=balanced", "net.norm=rms", "train.schedule=cosine"],
        [
            "train.negatives=uniform",
            "net.norm=layer",
            "train.goodness=sum",
            "train.loss=bce",
            "train.schedule=cooldown",
        ],
        ["labels.set=morph", "labels.candidates=16", "dtype=bfloat16"],
        ["labels.set=morph", "labels.candidates=16", "train.negatives=uniform"],
        ["net.first_layer=with_next", "train.validate_every=1"],
        ["net.widths=[16,16,16]", "net.kernel=7", "net.pools=[1,1,2]"],
        ["algorithm=bp"],
        ["net.init=measured", "train.peer=0.03", "train.relu_gradient=full", "train.weight_decay=3e-4"],
    ],
    ids=["default", "balanced", "paper", "morph", "morph, uniform", "with_next", "Fourier transforms", "bp", "peer"],
)
def test_a_run_stopped_and_resumed_ends_as_one_left_alone(tmp_path, settings):
    chosen = config(*settings)
    whole = ffnet.train(chosen, out=tmp_path / "whole")
    with pytest.raises(StopError):
        ffnet.train(chosen, out=tmp_path / "parts", watcher=Watcher(progress=stop_at(3)))
    with pytest.raises(StopError):
        ffnet.resume(tmp_path / "parts", watcher=Watcher(progress=stop_at(6)))
    resumed = ffnet.resume(tmp_path / "parts")
    assert files(tmp_path / "whole") == files(tmp_path / "parts")
    assert len(files(tmp_path / "whole")) == (4 if chosen.algorithm == "bp" else 6)
    assert resumed.results == whole.results
    assert resumed.metrics == whole.metrics == read_lines(tmp_path / "parts" / "metrics.jsonl")
    loaded = ffnet.load_run(tmp_path / "parts")
    images = torch.rand(5, 1, 16, 16)
    assert torch.equal(loaded.predict(images), whole.predict(images))
    assert loaded.results == whole.results


def train_command(out):
    settings = [part for setting in SMALL for part in ("--set", setting)]
    return ["ffnet", "train", *settings, "--set", "train.epochs=12", "--out", str(out)]


def kill_at(process, folder, step, signum):
    """Send a signal as soon as there is a new checkpoint of a step (4 an epoch) or a later one; wait for the end."""

    def checkpoints():
        found = (re.findall(r"\d+", path.stem) for path in (folder / "checkpoints").glob("epoch-*.safetensors"))
        return {4 * int(epoch) + int(done) for epoch, done in found}

    before, deadline = checkpoints(), time.monotonic() + 60
    while process.returncode is None and time.monotonic() < deadline:
        if any(new >= step for new in checkpoints() - before):
            process.send_signal(signum)
            break
        time.sleep(0.001)
    return process.end(100)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("steps", "signals"),
    [((3, 17), (signal.SIGKILL, signal.SIGTERM)), ((12, 13), (signal.SIGTERM, signal.SIGKILL))],
    ids=["killed first", "ended first"],
)
def test_killed_and_resumed_a_run_ends_bit_for_bit_as_one_left_alone(tmp_path, steps, signals):
    whole = start(*train_command(tmp_path / "whole"), cwd=tmp_path)
    folder = tmp_path / "killed"
    command = train_command(folder)
    for step, signum in zip(steps, signals, strict=True):
        done = kill_at(start(*command, cwd=tmp_path), folder, step, signum)
        if done.returncode == 0:  # it was quicker than the signal
            break
        assert done.returncode == (143 if signum == signal.SIGTERM else -signum), (steps, done.stderr)
        assert signum != signal.SIGTERM or f"continue with: ffnet resume {folder}" in done.stderr
        command = ["ffnet", "resume", str(folder)]
    else:
        done = start(*command, cwd=tmp_path).end()
        assert done.returncode == 0, done.stderr
    assert command[1] == "resume", "the run was quicker than the first signal"
    done = whole.end()
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "whole") == files(folder), steps
    assert len(files(folder)) == 6


@pytest.mark.slow
def test_ctrl_c_finishes_the_step_saves_and_says_how_to_continue(tmp_path):
    process = start(*train_command(tmp_path / "run"), cwd=tmp_path)
    done = kill_at(process, tmp_path / "run", 2, signal.SIGINT)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    assert "stopped by SIGINT; saved; continue with: ffnet resume" in done.stderr
    assert not ffnet.load_run(tmp_path / "run").results


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_used(tmp_path, damage):
    whole = ffnet.train(config(), out=tmp_path / "whole")
    with pytest.raises(StopError):
        ffnet.train(config(), out=tmp_path / "run", watcher=Watcher(progress=stop_at(6)))
    _, newest = sorted((tmp_path / "run" / "checkpoints").glob("*"))
    content = bytearray(newest.read_bytes())
    if damage == "cut":
        del content[-100:]
    elif damage == "flipped":
        content[-50] ^= 1
    else:
        content.clear()
    newest.write_bytes(content)
    with pytest.warns(DamagedWarning, match=f"{newest.name}: damaged"):
        assert ffnet.resume(tmp_path / "run").results == whole.results
    assert files(tmp_path / "whole") == files(tmp_path / "run")
    assert newest.with_suffix(".damaged").exists()
    assert len(list((tmp_path / "run" / "checkpoints").glob("*.safetensors"))) == 2


def test_when_no_checkpoint_is_good_it_says_so(tmp_path):
    with pytest.raises(StopError):
        ffnet.train(config(), out=tmp_path / "run", watcher=Watcher(progress=stop_at(2)))
    for path in (tmp_path / "run" / "checkpoints").glob("*"):
        path.write_bytes(b"nothing")
    with pytest.warns(DamagedWarning), pytest.raises(FFLabelsError, match="all checkpoints are damaged"):
        ffnet.resume(tmp_path / "run")


def test_two_checkpoints_are_kept_and_say_where_they_are(tmp_path):
    with pytest.raises(StopError):
        ffnet.train(config(), out=tmp_path / "run", watcher=Watcher(progress=stop_at(6)))
    assert len(list((tmp_path / "run" / "checkpoints").iterdir())) == 2
    assert newest_checkpoint(tmp_path / "run" / "checkpoints", settings_digest(tmp_path / "run"))[1] == (1, 2)


@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "learner"), [("ff", FFLearner), ("bp", BPLearner)])
def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_state(tmp_path, monkeypatch, algorithm, learner):
    step, count = learner.step, iter(range(100))

    def poisoned(self, *arguments):
        if next(count) == 5:
            with torch.no_grad():
                self.net.layers[1].weight.fill_(torch.nan)
        step(self, *arguments)

    monkeypatch.setattr(learner, "step", poisoned)
    with pytest.raises(
        FFLabelsError, match=r"epoch 2, step 2: the loss is not finite .*; the last good state is"
    ) as told:
        ffnet.train(config(f"algorithm={algorithm}"), out=tmp_path / "run")
    assert str(told.value).endswith("epoch-000001-step-00000001.safetensors")
    assert len(read_lines(tmp_path / "run" / "metrics.jsonl")) == 1
    monkeypatch.undo()
    whole = ffnet.train(config(f"algorithm={algorithm}"), out=tmp_path / "whole")
    assert ffnet.resume(tmp_path / "run").results == whole.results


@pytest.mark.slow
def test_a_full_disk_at_a_checkpoint_is_one_clear_line_and_loses_nothing(tmp_path):
    out = tmp_path / "run"

    process = start(*train_command(out), "--set", "labels.layers.set=none", cwd=tmp_path)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (8000, 8000))
    done = process.end()
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert re.search(r"checkpoints/epoch-0+-step-0+1.safetensors: cannot be written: File too large", last), done.stderr
    assert list((out / "checkpoints").iterdir()) == []
    assert ffnet.resume(out).results


def test_out_of_memory_says_what_to_lower(tmp_path, monkeypatch):
    def exhausted(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")

    monkeypatch.setattr(FFLearner, "learn", exhausted)
    with pytest.raises(FFLabelsError, match=r"out of memory; got CUDA out of memory.*lower train.batch"):
        ffnet.train(config(), out=tmp_path / "run")


@pytest.mark.slow
def test_a_run_folder_is_never_written_over_and_only_one_works_in_it(tmp_path):
    ffnet.train(config(), out=tmp_path / "run")
    with pytest.raises(FFLabelsError, match=r"not a new or empty folder; got .* files .ffnet resume continues it"):
        ffnet.train(config(), out=tmp_path / "run")
    with pytest.raises(StopError):
        ffnet.train(config(), out=tmp_path / "other", watcher=Watcher(progress=stop_at(2)))

    def second(*_):
        ffnet.resume(tmp_path / "other")

    with pytest.raises(FFLabelsError, match="another process is using this folder"):
        ffnet.resume(tmp_path / "other", watcher=Watcher(report=second))


def test_a_run_that_came_in_between_is_not_written_over(tmp_path):
    with pytest.raises(FFLabelsError, match="another process is using this folder"):
        ffnet.train(
            config(), out=tmp_path / "run", watcher=Watcher(started=lambda run: ffnet.train(config(), out=run.folder))
        )
    assert (tmp_path / "run" / "config.toml").exists()


def test_of_two_that_start_one_run_the_second_leaves_the_firsts_folder(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    monkeypatch.setattr(locks, "BUSY", 0.05)
    with new_run_folder(folder, config()):
        with pytest.raises(LockedError, match="another process is using this folder"), new_run_folder(folder, config()):
            pass
        assert folder.exists()


def test_what_a_killed_process_left_before_there_was_a_run_is_in_nobodys_way(tmp_path):
    for name in (".begun", "labels.json", ".labels.json.0a1b2c3d", "run.json"):
        (tmp_path / name).touch()
    ffnet.train(config("train.epochs=1"), out=tmp_path)
    assert not (tmp_path / ".begun").exists()
    (tmp_path / "early").mkdir()
    (tmp_path / "early" / "..begun.0a1b2c3d").touch()  # killed while it marked the folder
    with new_run_folder(tmp_path / "early", config()):
        pass
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "labels.json").write_text("mine")
    for _ in range(2):
        with pytest.raises(FFLabelsError, match="not a new or empty folder; got 1 files"):
            ffnet.train(config(), out=tmp_path / "own")
    assert (tmp_path / "own" / "labels.json").read_text() == "mine"


def test_what_comes_into_a_folder_after_a_training_failed_there_is_kept(tmp_path):
    def fails():
        (tmp_path / "labels.json").write_text("of the training")
        raise StopError

    with pytest.raises(StopError), new_run_folder(tmp_path, config()):
        fails()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    (tmp_path / "labels.json").write_text("mine")
    with pytest.raises(FFLabelsError, match="not a new or empty folder; got 1 files"):
        ffnet.train(config(), out=tmp_path)
    assert (tmp_path / "labels.json").read_text() == "mine"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_lock_that_may_only_be_read_tells_whether_it_is_held(tmp_path, monkeypatch, number):
    def denied(*_, **__):
        raise OSError(number, "")

    with locked(tmp_path):
        pass
    with monkeypatch.context() as patch:
        patch.setattr("ffnet.runs.locks.filelock.FileLock.acquire", denied)
        assert not is_locked(tmp_path)
    with locked(tmp_path), monkeypatch.context() as patch:
        patch.setattr("ffnet.runs.locks.filelock.FileLock.acquire", denied)
        assert is_locked(tmp_path)


def test_asking_whether_a_run_is_locked_keeps_nobody_from_starting(tmp_path):
    over = threading.Event()

    def ask():
        while not over.is_set():
            is_locked(tmp_path)

    with locked(tmp_path):
        assert is_locked(tmp_path)
    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(100):
            with locked(tmp_path):
                pass
    finally:
        over.set()
        asking.join()


def test_where_no_run_comes_of_it_no_folder_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for out in (None, "deep/run"):
        with pytest.raises(FFLabelsError, match="not one label per class"):
            ffnet.train(config("labels.set=fourier", "labels.n=5", "labels.candidates=16"), out=out)
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "deep" / "run").exists()
    (tmp_path / "file").write_text("mine")
    for out in ("file", "file/run", "/proc/run"):
        with pytest.raises(FFLabelsError, match=f"out {out}: cannot be made"):
            ffnet.train(config(), out=out)


def five_labels(_):
    return fflabels.LabelSet(fflabels.named_set("fourier:paper10").recipes[:5], "fourier").to_json()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("config.toml", lambda c: c.replace(b"seed = 0", b"seed = 1"), "config.toml or labels.json were edited since"),
        ("labels.json", five_labels, "labels.json: not one label per class; got 5; expected 10"),
        ("run.json", lambda c: b"{}", "run.json: cannot be read"),
    ],
)
def test_an_edited_run_does_not_continue(tmp_path, name, change, message):
    with pytest.raises(StopError):
        ffnet.train(config(), out=tmp_path / "run", watcher=Watcher(progress=stop_at(2)))
    path = tmp_path / "run" / name
    path.write_bytes(change(path.read_bytes()))
    for work in (ffnet.resume, ffnet.load_run):
        with pytest.raises(FFLabelsError, match=message):
            work(tmp_path / "run")


@pytest.mark.slow
def test_a_finished_run_without_its_weights_says_so_and_makes_them_again(tmp_path):
    run = ffnet.train(config(), out=tmp_path / "run")
    content = (tmp_path / "run" / "model.safetensors").read_bytes()
    (tmp_path / "run" / "model.safetensors").unlink()
    with pytest.raises(FFLabelsError, match=r"model.safetensors: is missing .ffnet resume rebuilds it"):
        ffnet.load_run(tmp_path / "run")
    assert ffnet.resume(tmp_path / "run").results == run.results
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == content


def test_a_run_continues_where_its_images_have_moved(tmp_path):
    from reference import make_folder

    chosen = config(
        f"data.name='{make_folder(tmp_path / 'old', each=20)}'", "labels.set=fourier", "labels.candidates=16"
    )
    with pytest.raises(StopError):
        ffnet.train(chosen, out=tmp_path / "run", watcher=Watcher(progress=stop_at(1)))
    (tmp_path / "old").rename(tmp_path / "new")
    with pytest.raises(FFLabelsError, match="--data says where the folder is now"):
        ffnet.resume(tmp_path / "run")
    assert ffnet.resume(tmp_path / "run", root=str(tmp_path / "new")).results


def test_another_data_set_is_refused(tmp_path):
    with pytest.raises(StopError):
        ffnet.train(config(), out=tmp_path / "run", watcher=Watcher(progress=stop_at(2)))
    other = ffnet.load_data(config("data.limit=129").data)
    with pytest.raises(FFLabelsError, match=r"not the one that the run began with; got digits, .*129"):
        ffnet.resume(tmp_path / "run", data=other)


@pytest.mark.parametrize("key", ["goodness", "loss"])
def test_a_function_that_nobody_registered_leaves_no_folder(tmp_path, key):
    with pytest.raises(FFLabelsError, match=rf"train.{key}: unknown {key}; got softmix"):
        ffnet.train(config(f"train.{key}=softmix"), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_does_not_fit_the_data_is_refused_before_labels_are_designed(monkeypatch, tmp_path):
    monkeypatch.setattr("ffnet.labels.choose.design", lambda *_, **__: pytest.fail("labels were designed"))
    for settings, message in (
        (["labels.n=7"], r"labels fourier: not one label per class; got 7; expected 10 for digits"),
        (["labels.assign=alike", "data.limit=9"], r"labels.assign: a class without a training image"),
        (["net.pools=[4,4]", "data.size=8"], r"layer 2: no pixel is left"),
        (
            ["labels.layers.set=imprint", "train.crop=16"],
            r"train.crop: leaves nothing",
        ),
        (["net.widths=[4,1]"], r"net.widths: a contrast compares two halves"),
    ):
        chosen = config("labels.set=fourier", *settings)
        with pytest.raises(FFLabelsError, match=message):
            ffnet.train(chosen, out=tmp_path / "run")
        assert not (tmp_path / "run").exists()


def test_a_net_as_it_began_is_not_read(tmp_path):
    with pytest.raises(StopError):
        ffnet.train(config(), out=tmp_path / "run", watcher=Watcher(progress=stop_at(1)))
    run = ffnet.load_run(tmp_path / "run")
    for read in (lambda: run.predict(torch.rand(2, 1, 16, 16)), lambda: run.evaluate(run.data(), "validation")):
        with pytest.raises(FFLabelsError, match=r"no epoch was trained yet .ffnet resume continues it"):
            read()


def test_an_inference_method_that_a_net_does_not_have_is_no_evaluation_on_test_images(tmp_path):
    run = ffnet.train(config("algorithm=bp"), out=tmp_path / "run")
    for name, message in (("linear", "for another kind of net; got linear; expected bp"), ("channels", "unknown")):
        with pytest.raises(FFLabelsError, match=message):
            run.evaluate(run.data(), "test", inference=name)
    assert run.test_reads == 1


def test_the_home_folder_is_meant_by_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    found = with_absolute_paths(config("data.root=~/data"))
    assert found.data.root == str(tmp_path / "data")


@pytest.mark.slow
def test_looks_at_the_test_images_are_counted(tmp_path):
    run = ffnet.train(config(), out=tmp_path / "run")
    assert run.test_reads == 1
    loaded = ffnet.load_run(tmp_path / "run")
    data = loaded.data()
    loaded.evaluate(data, "validation")
    assert loaded.evaluate(data, "test") == run.results.test
    assert ffnet.load_run(tmp_path / "run").test_reads == 2
    (tmp_path / "run" / "results.json").unlink()
    assert ffnet.resume(tmp_path / "run").test_reads == 3


def test_an_unfinished_run_is_read_as_of_its_newest_checkpoint(tmp_path):
    with pytest.raises(StopError):
        ffnet.train(config(), out=tmp_path / "run", watcher=Watcher(progress=stop_at(5)))
    run = ffnet.load_run(tmp_path / "run")
    assert run.results is None
    assert len(run.metrics) == 1
    assert run.predict(torch.zeros(2, 1, 16, 16)).shape == (2,)
    with pytest.raises(FFLabelsError, match="fitted at the end"):
        run.evaluate(run.data(), "validation", inference="linear")
    with pytest.raises(FFLabelsError, match="not finished: test images are refused"):
        run.evaluate(run.data(), "test", inference="goodness")
    assert run.test_reads == 0


@pytest.mark.slow
def test_what_is_damaged_in_a_run_is_named(tmp_path):
    run = ffnet.train(config(), out=tmp_path / "run")
    for name in ("model.safetensors", "config.toml", "run.json", "results.json", "labels.json"):
        path = run.folder / name
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] + b"\x00")
        with pytest.raises(FFLabelsError, match=re.escape(name)):
            ffnet.load_run(run.folder)
        path.write_bytes(content)
    with pytest.raises(FFLabelsError, match="not a run folder"):
        ffnet.load_run(tmp_path)


@pytest.mark.slow
def test_the_diary_is_a_table_too_and_holds_no_times(tmp_path):
    run = ffnet.train(config("train.validate_every=2"), out=tmp_path / "run")
    head, *rows = (run.folder / "metrics.csv").read_text().splitlines()
    assert len(rows) == 3
    assert {"epoch", "layer_loss_2", "discrimination_1", "validation"} <= set(head.split(","))
    assert "second" not in (run.folder / "metrics.jsonl").read_text()
    assert ["validation" in line for line in run.metrics] == [False, True, False]
    timings = [msgspec.json.decode(line) for line in (run.folder / "timings.jsonl").read_bytes().splitlines()]
    assert [t["what"] for t in timings] == [
        "epoch 1", "epoch 2", "validation after epoch 2", "epoch 3",
        "linear classifier", "weights of goodness", "untrained net", "evaluation",
    ]  # fmt: skip
    assert all(t["seconds"] >= 0 for t in timings)
    assert [t.get("images") for t in timings] == [128, 128, None, 128, None, None, None, None]


@pytest.mark.slow
def test_timings_after_a_resume_count_what_was_done(tmp_path):
    with pytest.raises(StopError):
        ffnet.train(config(), out=tmp_path / "run", watcher=Watcher(progress=stop_at(7)))
    ffnet.resume(tmp_path / "run")
    timings = [msgspec.json.decode(line) for line in (tmp_path / "run" / "timings.jsonl").read_bytes().splitlines()]
    assert [(t["what"], t.get("images")) for t in timings[:4]] == [
        ("epoch 1", 128), ("resumed after step 3 of epoch 2", None), ("epoch 2", 32), ("epoch 3", 128),
    ]  # fmt: skip


@pytest.mark.slow
def test_runs_without_a_folder_get_one_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = [str(ffnet.train(config(), out=None).folder) for _ in range(2)]
    assert folders == ["runs/digits-fourier-paper10-0", "runs/digits-fourier-paper10-0-2"]


@pytest.mark.slow
def test_a_signal_in_the_last_moment_of_training_is_not_lost(tmp_path):
    def last(metrics):
        if metrics["epoch"] == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(ffnet.Interrupted):
        ffnet.train(config(), out=tmp_path / "run", watcher=Watcher(report=last))
    assert len(ffnet.load_run(tmp_path / "run").metrics) == 3
    assert ffnet.resume(tmp_path / "run").results


def test_signals_are_as_before_after_a_run(tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(ffnet.Interrupted):
        ffnet.train(
            config(), out=tmp_path / "run", watcher=Watcher(started=lambda run: os.kill(os.getpid(), signal.SIGTERM))
        )
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_configuration_survives_its_file():
    chosen = config("labels.params.waves=3", "train.theta=2.5", "data.root='/some where/é'")
    assert ffnet.Config.from_toml(chosen.to_toml(), "x") == chosen
    with pytest.raises(FFLabelsError, match="x: not TOML"):
        ffnet.Config.from_toml(b"[", "x")
    with pytest.raises(FFLabelsError, match=r"x: bad setting: .*epohcs"):
        ffnet.Config.from_toml(b"[train]\nepohcs = 3", "x")


@pytest.mark.parametrize("work", [ffnet.load_run, ffnet.resume])
def test_a_run_folder_cannot_name_code_to_run(tmp_path, monkeypatch, work):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StopError):
        ffnet.train(config(), out="run", watcher=Watcher(progress=stop_at(2)))
    (tmp_path / "evil.py").write_text("open('ran', 'w').close()")
    path = tmp_path / "run" / "config.toml"
    hostile = ffnet.Config.from_toml(path.read_bytes(), "x").replaced({"labels.layers.set": "evil.py:Evil"})
    path.write_bytes(hostile.to_toml())
    message = r"labeler evil\.py:Evil: a labeler file named in a run folder is not executed"
    with pytest.raises(FFLabelsError, match=message):
        work("run")
    assert not (tmp_path / "ran").exists()


def test_a_run_that_training_starts_from_cannot_name_code_to_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = ffnet.train(config(), out="run")
    (tmp_path / "evil.py").write_text("open('ran', 'w').close()")
    hostile = dataclasses.replace(run, config=run.config.replaced({"labels.set": "evil.py:Evil"}))
    with pytest.raises(FFLabelsError, match="a labeler file named in a run folder is not executed"):
        ffnet.train(start=hostile, dataset="cells", out="again", **{"data.limit": 40})
    assert not (tmp_path / "ran").exists()


def test_the_validation_of_an_epoch_is_of_validation_images_in_evaluation_mode():
    chosen, data = small_data("train.validate_every=1", "net.norm=batch", "inference.layers=sum")
    ours = ffnet.FFNet(chosen, data.shape, named_set("fourier:paper10")).train()
    before = copy.deepcopy(ours.state_dict())
    found = _validation_metrics(SimpleNamespace(config=chosen, net=ours, labels=ours.labels), data, Position(1))
    assert ours.training
    assert all(torch.equal(a, b) for a, b in zip(ours.state_dict().values(), before.values(), strict=True))
    known = evaluate(ours.eval(), data, "validation", inference="goodness").goodness
    assert found == {"validation": known.accuracy, "validation_layers": known.layers}
