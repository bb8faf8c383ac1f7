"""A search: what it may try, that it looks at validation images alone, and that others can join in."""

import dataclasses
import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path

import optuna
import pytest
from commands import start
from reference import TWO_LAYERS

import ffnet
from fflabels import FFLabelsError
from ffnet.config import Config
from ffnet.experiments import search as searches
from ffnet.experiments import storage as storages
from ffnet.experiments.search import Space
from ffnet.experiments.search import search as search_in
from ffnet.system.signals import Interrupted

pytestmark = pytest.mark.slow

SMALL = Config().override(
    [*TWO_LAYERS, "net.pools=[2,1]", "labels.candidates=16", "data.limit=150", "train.epochs=1",
     "inference.linear_epochs=1"]
)  # fmt: skip


@pytest.fixture
def search(tmp_path):
    return partial(search_in, out=tmp_path / "runs")


@pytest.fixture(scope="module")
def data():
    return ffnet.load_data(SMALL.data)


def test_the_best_of_all_tries_comes_back_and_others_join_in(data, search, tmp_path):
    spaces = {
        "train.lr": Space.of("train.lr", "log 1e-4..1e-2"),
        "train.batch": Space.of("train.batch", "16..40"),
        "net.pools": Space.of("net.pools", "[2, 1]|[1, 1]"),
    }
    tries = []
    first = search(SMALL, spaces, trials=2, storage=tmp_path / "a.journal", data=data, report=tries.append)
    joined = search(SMALL, spaces, trials=2, storage=tmp_path / "a.journal", data=data, report=tries.append)
    assert [each.number for each in tries] == [0, 1, 2, 3]
    assert len({each.settings["train.lr"] for each in tries}) == 4
    assert first.accuracy == max(each.accuracy for each in tries[:2])
    assert joined == max(tries, key=lambda each: (each.accuracy, -each.number))
    run = ffnet.load_run(joined.folder)
    assert (run.results.test, run.test_reads) == (None, 0)
    assert run.results.validation.goodness.accuracy == joined.accuracy
    for each in tries:
        assert 1e-4 <= each.settings["train.lr"] <= 1e-2
        assert each.settings["train.batch"] in range(16, 41)
        assert each.settings["net.pools"] in ([2, 1], [1, 1])
        assert 0 <= each.accuracy <= 1


def test_back_propagation_and_the_linear_classifier_can_be_searched(data, search, tmp_path):
    space = {"train.lr": Space.of("train.lr", "0.001..0.002")}
    for config, inference in ((SMALL.replaced({"algorithm": "bp"}), "goodness"), (SMALL, "linear")):
        storage = tmp_path / f"{config.algorithm}.journal"
        assert 0 <= search(config, space, trials=1, storage=storage, inference=inference, data=data).accuracy <= 1


def test_algorithms_can_be_searched(data, search, tmp_path):
    spaces = {"algorithm": Space.of("algorithm", "ff|bp")}
    tries = []
    search(SMALL, spaces, trials=4, storage=tmp_path / "s.journal", data=data, report=tries.append)
    assert {each.settings["algorithm"] for each in tries if each.accuracy is not None} == {"ff", "bp"}


def test_a_journal_of_another_search_is_refused(data, search, tmp_path):
    space = {"train.lr": Space.of("train.lr", "0.001..0.002")}
    search(SMALL, space, trials=1, storage=tmp_path / "j", data=data)
    for config, spaces, inference in (
        (SMALL, space, "linear"), (SMALL.replaced({"train.batch": 9}), space, "goodness"),
        (SMALL, {"train.lr": Space.of("train.lr", "0.001..0.003")}, "goodness"),
    ):  # fmt: skip
        with pytest.raises(FFLabelsError, match="holds another search"):
            search(config, spaces, trials=1, storage=tmp_path / "j", inference=inference, data=data)


def test_a_trial_that_diverges_does_not_end_the_search(data, search, tmp_path):
    config = SMALL.replaced({"net.norm": "none", "train.goodness": "mean"})
    space = {"train.lr": Space.of("train.lr", "1e30|0.001")}
    tries = []
    for _ in range(2):  # what diverged is tried again from its last good state, and ends in the same line
        with pytest.raises(FFLabelsError, match=r"j: no trial finished: epoch 1, step .*: the loss is not finite"):
            search(
                config, {"train.lr": Space.of("train.lr", "1e35|1e36")}, trials=2, storage=tmp_path / "j", data=data,
                report=tries.append,
            )  # fmt: skip
    assert len(tries) == 4
    assert len({each.error for each in tries}) == 1
    best = search(config, space, trials=6, storage=tmp_path / "k", data=data)
    assert best.settings["train.lr"] == 0.001


@pytest.mark.parametrize("text", ["", "1", "2..1", "1..1", "a..b", "log 0..1", "log -1..1", "1..2..3", "log a"])
def test_what_is_no_space_is_refused(text):
    with pytest.raises(FFLabelsError, match=r"train.lr: not a search space; .*expected a\|b\|c, LOW..HIGH"):
        Space.of("train.lr", text)


def test_settings_that_do_not_fit_each_other_or_the_data_do_not_end_the_search(data, search, tmp_path):
    config = SMALL.override(["net.widths=[6,8]"])
    spaces = {
        "labels.goodness.set": Space.of("labels.goodness.set", "code|none"),
        "labels.layers.set": Space.of("labels.layers.set", "imprint|none"),  # not with codes
        "train.crop": Space.of("train.crop", "20|0"),  # not of 16 pixels
    }
    tries = []
    best = search(config, spaces, trials=12, storage=tmp_path / "j", data=data, report=tries.append)
    errors = {str(each.error) for each in tries if each.accuracy is None}
    assert any("only for labels in the image" in error for error in errors)
    assert any("train.crop: leaves nothing" in error for error in errors)
    assert best.accuracy == max(each.accuracy for each in tries if each.accuracy is not None)
    assert best.error is None
    with pytest.raises(FFLabelsError, match=r"no trial finished: train\.crop: leaves nothing"):
        search(SMALL, {"train.crop": Space.of("", "20|30")}, trials=2, storage=tmp_path / "k", data=data)


def test_a_number_that_need_not_be_whole_is_tried_between_whole_ends(data, search, tmp_path):
    assert Space.of("labels.intensity", "0..1") == Space((), 0.0, 1.0)
    assert isinstance(Space.of("train.lr", "1..2").low, float)
    assert isinstance(Space.of("train.batch", "1..2").low, int)
    assert isinstance(Space.of("labels.params.waves", "1..2").low, int)
    best = search(
        SMALL.replaced({"seed": 2**32 + 5}), {"labels.intensity": Space.of("labels.intensity", "0..1")},
        trials=1, storage=tmp_path / "j", data=data,
    )  # fmt: skip
    assert 0 < best.settings["labels.intensity"] < 1


def test_two_processes_that_begin_at_once_draw_different_values(data, search, tmp_path, monkeypatch):
    optimize, space = searches.optuna.study.Study.optimize, {"train.lr": Space.of("train.lr", "1e-4..1e-2")}

    def after_another_process(study, *arguments, **options):
        study.ask()
        optimize(study, *arguments, **options)

    first = search(SMALL, space, trials=1, storage=tmp_path / "one", data=data)
    monkeypatch.setattr(searches.optuna.study.Study, "optimize", after_another_process)
    second = search(SMALL, space, trials=1, storage=tmp_path / "two", data=data)
    assert first.settings != second.settings


def test_a_value_is_told_as_it_is_typed():
    flips, pools = Space.of("train.flip", "true|false"), Space.of("net.pools", "[2, 1]|[1, 1]")
    assert (flips.typed(True), flips.typed(False), pools.typed([1, 1])) == ("true", "false", "[1, 1]")
    assert Space.of("train.lr", "1..2").typed(1.5) == "1.5"


def test_unknown_settings_and_data_without_validation_are_refused_before_the_work(data, search, tmp_path):
    with pytest.raises(FFLabelsError, match=r"--vary: no such setting; got train.lrr .did you mean 'lr'"):
        search(SMALL, {"train.lrr": Space.of("", "1..2")}, trials=1, storage=tmp_path / "j", data=data)
    with pytest.raises(FFLabelsError, match=r"data.limit: cannot be searched"):
        search(SMALL, {"data.limit": Space.of("", "50|90")}, trials=1, storage=tmp_path / "j", data=data)
    waves, either = (
        SMALL.override(["labels.layers.set=waves:reed-solomon", "labels.layers.channels=2"]),
        Space.of("", "code|code:groups"),
    )
    with pytest.raises(FFLabelsError, match=r"labels.layers.set: only for labels in the image; got waves"):
        search(waves, {"labels.goodness.set": either}, trials=1, storage=tmp_path / "j", data=data)
    for key, known in (("train.goodness", "log"), ("train.loss", "softmax")):
        with pytest.raises(FFLabelsError, match=rf"{key}: unknown .*; got none"):
            search(SMALL, {key: Space.of("", f"{known}|none")}, trials=1, storage=tmp_path / "j", data=data)
    bare = dataclasses.replace(data, validation=data.train[:0])
    with pytest.raises(FFLabelsError, match=r"data.validation: no images to choose by"):
        search(SMALL, {"train.lr": Space.of("", "1..2")}, trials=1, storage=tmp_path / "j", data=bare)
    assert not list(tmp_path.iterdir())


RATES = {"train.lr": Space.of("train.lr", "0.001..0.002")}


def test_settings_that_were_tried_are_not_trained_again(data, search, tmp_path):
    spaces = {"train.batch": Space.of("train.batch", "16|32")}
    tries = []
    search(SMALL, spaces, trials=5, storage=tmp_path / "j", data=data, report=tries.append)
    assert len({each.folder for each in tries}) == len(list((tmp_path / "runs").iterdir())) == 2
    assert len({(each.folder, each.accuracy) for each in tries}) == 2


@pytest.mark.parametrize("kept", [1, 20])
def test_a_journal_whose_last_line_was_cut_continues(data, search, tmp_path, kept):
    journal = tmp_path / "j"
    search(SMALL, RATES, trials=2, storage=journal, data=data)
    *lines, last = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines) + last[:kept])
    tries = []
    search(SMALL, RATES, trials=1, storage=journal, data=data, report=tries.append)
    assert [each.number for each in tries] == [2]
    for line in journal.read_text().splitlines():
        json.loads(line)


def test_a_line_that_another_process_left_cut_is_dropped_when_the_next_one_is_written(tmp_path):
    journal = tmp_path / "j"
    study = optuna.create_study(storage=storages.open_storage(str(journal)))
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"wor')
    study.add_trial(optuna.create_trial(value=1.0))
    again = optuna.load_study(study_name=study.study_name, storage=storages.open_storage(str(journal)))
    assert [each.value for each in again.trials] == [1.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"my notes\n", "not the journal of a search"),
        (b"\x89PNG\r\n\x1a\n", "not the journal of a search"),
        (b'{"a": 1}\n', "not the journal of a search"),
        (b'{"op_code": "mine"}\n', "line 1: damaged"),
        (b'{"op_code":0,"worker_id":"x"}\n7\n', "line 2: damaged"),
        (b'{"op_code":0,"worker_id":"x"}\n{"op_code":4,"wor{"op_code":5}\n', "line 2: damaged.*remove this line"),
    ],
)
def test_a_file_that_is_no_journal_is_refused_untouched(data, search, tmp_path, content, message):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(FFLabelsError, match=message):
        search(SMALL, RATES, trials=1, storage=path, data=data)
    assert path.read_bytes() == content
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_named(data, search, tmp_path, monkeypatch):
    def full(journal, logs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storages.JournalFileBackend, "append_logs", full)
    with pytest.raises(FFLabelsError, match=r"--storage .*/j: fails: No space left on device"):
        search(SMALL, RATES, trials=1, storage=tmp_path / "j", data=data)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "postgresql://me:secret@127.0.0.1:1/x",
            r"needs a driver: pip install|--storage postgresql://127.0.0.1:1/x: fails",
        ),
        ("redis://:secret@127.0.0.1:1", r"needs a driver: pip install redis|--storage redis://127.0.0.1:1: fails"),
        ("nothing://x", "--storage nothing://x: fails|needs a driver"),
        ("/no/such/folder/j", "--storage /no/such/folder/j: fails: No such file or directory"),
    ],
)  # fmt: skip
def test_a_storage_that_cannot_be_reached_is_one_line_without_the_password(data, search, url, message):
    with pytest.raises((FFLabelsError, ImportError), match=message) as raised:
        search(SMALL, RATES, trials=1, storage=url, data=data)
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def started(tmp_path, storage, trials, epochs=2):
    words = [
        *TWO_LAYERS,
        "net.widths=[6,8]",
        "net.pools=[2,1]",
        "labels.candidates=16",
        "data.limit=150",
        f"train.epochs={epochs}",
    ]
    options = [word for setting in words for word in ("--set", setting)]
    command = ["ffnet", "search", "--vary", "train.lr=log 1e-4..1e-2", "--trials", str(trials)]
    return start(*command, *options, "--storage", storage, cwd=tmp_path)


def check_two_processes_search_together(tmp_path, storage):
    both = [started(tmp_path, storage, 3) for _ in range(2)]
    done = [process.end() for process in both]
    assert [each.returncode for each in done] == [0, 0], done
    study = optuna.load_study(study_name="ffnet", storage=storages.open_storage(storage))
    assert sorted(each.number for each in study.trials) == list(range(6))
    assert all(each.state == optuna.trial.TrialState.COMPLETE for each in study.trials)
    assert len(list((tmp_path / "search").iterdir())) == 6


def test_two_processes_search_together_in_one_journal(tmp_path):
    check_two_processes_search_together(tmp_path, str(tmp_path / "j"))


@pytest.fixture
def postgres():
    """Start a PostgreSQL of this test's own; stop it at the end."""
    pytest.importorskip("psycopg2", reason="no driver for PostgreSQL: psycopg2-binary")
    places = [shutil.which("initdb"), *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")))]
    initdb = next((place for place in places if place), None)
    if not initdb:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    folder, programs = Path(tempfile.mkdtemp()), Path(initdb).resolve().parent  # pytest's own is for one user alone
    as_user = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        if not shutil.which("runuser"):
            pytest.skip("PostgreSQL does not run as root, and there is no runuser")
        shutil.chown(folder, "nobody")
        as_user = ["runuser", "-u", "nobody", "--"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    control = [*as_user, str(programs / "pg_ctl"), "-D", str(folder / "data"), "-w", "-l", str(folder / "log")]
    run = partial(subprocess.run, check=True, capture_output=True, cwd=folder)
    run([*as_user, str(programs / "initdb"), "-D", str(folder / "data"), "-U", "me", "--auth=trust"])
    run([*control, "-o", f"-p {port} -c listen_addresses=127.0.0.1 -k {folder}", "start"])
    yield f"postgresql+psycopg2://me@127.0.0.1:{port}/postgres"
    run([*control, "-m", "immediate", "stop"])
    shutil.rmtree(folder)


def test_two_processes_search_together_in_postgresql(tmp_path, postgres):
    check_two_processes_search_together(tmp_path, postgres)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_search_as_it_ends_a_training_and_the_try_is_finished_later(tmp_path, signum, code):
    process = started(tmp_path, "j", 2, epochs=300)
    end = time.monotonic() + 120
    while not list(tmp_path.glob("search/*/metrics.jsonl")):
        assert time.monotonic() < end
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(signum)
    done = process.end(60)
    assert done.returncode == code
    last = done.stderr.splitlines()[-1]
    assert last == f"stopped by {signal.Signals(signum).name}; saved; continue with: the same command"
    assert "Traceback" not in done.stderr
    assert len(list((tmp_path / "search").iterdir())) == 1
    storage = storages.open_storage(str(tmp_path / "j"))
    study = optuna.load_study(study_name="ffnet", storage=storage)
    assert study.trials[-1].state == optuna.trial.TrialState.WAITING
    assert study.trials[-1].system_attrs["fixed_params"] == study.trials[0].params


def test_a_stopped_trial_is_the_first_of_the_next_search(data, search, tmp_path, monkeypatch):
    space, trials = {"train.lr": Space.of("train.lr", "log 1e-4..1e-2")}, []

    def stopped(*_, **__):
        raise Interrupted(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(searches, "start_or_resume", stopped)
        with pytest.raises(Interrupted):
            search(SMALL, space, trials=1, storage=tmp_path / "j", data=data)
    stored = storages.open_storage(str(tmp_path / "j"))
    first = optuna.load_study(study_name="ffnet", storage=stored).trials[0]
    search(SMALL, space, trials=1, storage=tmp_path / "j", data=data, report=trials.append)
    assert trials[0].settings == first.params


def test_a_full_disk_ends_the_search_and_its_trial_is_the_first_of_the_next(data, search, tmp_path, monkeypatch):
    space, trials = {"train.lr": Space.of("train.lr", "log 1e-4..1e-2")}, []

    def full(*_, **__):
        raise FFLabelsError("cannot be written: No space left on device") from OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(searches, "start_or_resume", full)
        with pytest.raises(FFLabelsError, match="No space left"):
            search(SMALL, space, trials=3, storage=tmp_path / "j", data=data)
    [first, waiting] = optuna.load_study(
        study_name="ffnet", storage=storages.open_storage(str(tmp_path / "j"))
    ).trials  # fmt: skip
    assert waiting.state == optuna.trial.TrialState.WAITING
    best = search(SMALL, space, trials=1, storage=tmp_path / "j", data=data, report=trials.append)
    assert trials[0].settings == first.params
    elsewhere = search_in(SMALL, space, trials=1, storage=tmp_path / "j", data=data, out=tmp_path / "elsewhere")
    assert elsewhere.folder.exists()
    assert best.folder.exists()


def test_a_trial_of_another_process_is_not_queued_for_ours(data, tmp_path, monkeypatch):
    space = {"train.lr": Space.of("train.lr", "log 1e-4..1e-2")}

    def interrupted(config, folder, watcher, data):
        study = optuna.load_study(study_name="ffnet", storage=storages.open_storage(str(tmp_path / "j")))
        study.ask({"train.lr": optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True)})  # another process's
        raise Interrupted(signal.SIGINT)

    monkeypatch.setattr(searches, "start_or_resume", interrupted)
    with pytest.raises(Interrupted):
        search_in(SMALL, space, trials=1, data=data, storage=tmp_path / "j", out=tmp_path / "runs")
    study = optuna.load_study(study_name="ffnet", storage=storages.open_storage(str(tmp_path / "j")))
    ours, _, again = study.trials
    assert again.system_attrs["fixed_params"] == ours.params


def test_data_under_a_name_of_their_own_can_be_searched_twice(data, search, tmp_path):
    renamed = dataclasses.replace(data, name="mine")
    for _ in range(2):
        best = search(
            SMALL, {"train.lr": Space.of("train.lr", "1e-3|1e-3")}, trials=1, data=renamed, storage=tmp_path / "j"
        )
        assert best.accuracy is not None
