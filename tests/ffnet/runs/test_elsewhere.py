"""Runs that continue elsewhere, that were stopped early, whose folder is read-only, and what killed processes left."""

import os
import signal
import time
import warnings

import msgspec
import pytest
import torch
from reference import SMALL_RUN

import ffnet
from fflabels.errors import FFLabelsError
from fflabels.files import write_whole
from ffnet.runs import folder as folders
from ffnet.runs.session import Watcher
from ffnet.runs.settings import ElsewhereWarning


class StopError(Exception):
    pass


@pytest.fixture
def stopped(tmp_path):
    """A run that was stopped after two steps."""

    def progress(what, done, total):
        if what == "training" and done == 2:
            raise StopError

    with pytest.raises(StopError):
        ffnet.train(ffnet.Config().override(SMALL_RUN), out=tmp_path / "run", watcher=Watcher(progress=progress))
    return tmp_path / "run"


@pytest.mark.slow
def test_on_another_number_of_threads_it_warns_once_and_records_it(stopped, monkeypatch):
    begun = ffnet.load_run(stopped).about
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    with pytest.warns(ElsewhereWarning) as told:
        run = ffnet.resume(stopped)
    (message,) = {str(one.message) for one in told}
    assert len(told) == 1
    assert "64 threads (it was " in message
    assert "the result may differ in the last bits" in message
    loaded = ffnet.load_run(stopped).about
    assert loaded == run.about
    assert (loaded.device, loaded.versions) == (begun.device, begun.versions)
    (part,) = loaded.continued
    assert (part.epoch, part.step) == (0, 2)
    assert part.device == loaded.last.device
    assert part.device.endswith("64 threads")


def test_with_another_version_it_warns_too(stopped):
    about = msgspec.json.decode((stopped / "run.json").read_bytes())
    about["versions"]["torch"] = "1.0"
    (stopped / "run.json").write_bytes(msgspec.json.encode(about))
    with pytest.warns(ElsewhereWarning, match=r"continues on torch [\d.]+\S* \(it was 1.0\); the result"):
        ffnet.resume(stopped)


@pytest.mark.slow
def test_on_the_same_machine_it_says_nothing(stopped):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not ffnet.resume(stopped).about.continued


def test_helper_files_of_killed_processes_are_removed_and_no_other_hidden_file(stopped):
    left = [
        stopped / "checkpoints" / ".epoch-000000-step-00000015.safetensors.0dc39486",
        stopped / ".model.safetensors.0123abcd",
        stopped / ".metrics.csv.ffffffff",
    ]
    mine = [stopped / ".notes", stopped / ".report.html.12345678", stopped / ".model.safetensors"]
    for path in left + mine:
        path.write_bytes(b"half")
    ffnet.resume(stopped)
    assert [path.name for path in left if path.exists()] == []
    assert all(path.exists() for path in mine)


@pytest.mark.slow
def test_a_stop_before_the_first_line_still_names_the_run(tmp_path, monkeypatch):
    def stop(*_, **__):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("ffnet.runs.session.make_learner", stop)
    with pytest.raises(ffnet.Interrupted) as told:
        ffnet.train(ffnet.Config().override(SMALL_RUN), out=tmp_path / "run")
    assert told.value.folder == str(tmp_path / "run")
    monkeypatch.undo()
    assert ffnet.resume(tmp_path / "run").results


def test_a_stop_before_there_is_a_run_names_none(tmp_path, monkeypatch):
    def stopped(*_, **__):
        os.kill(os.getpid(), signal.SIGTERM)  # a shell lets processes in the background ignore SIGINT
        time.sleep(10)  # until the signal comes

    monkeypatch.setattr("ffnet.runs.session.choose_labels", stopped)
    with pytest.raises(ffnet.Interrupted) as told:
        ffnet.train(ffnet.Config().override(SMALL_RUN), out=tmp_path / "run")
    assert told.value.folder is None
    assert not (tmp_path / "run").exists()


def test_a_file_that_cannot_be_written_is_named_itself(tmp_path, monkeypatch):
    def read_only(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.open", read_only)
    monkeypatch.setattr("pathlib.Path.unlink", read_only)
    with pytest.raises(FFLabelsError, match=r"/results.json: cannot be written: Read-only file system$"):
        write_whole(tmp_path / "results.json", b"")


@pytest.mark.slow
def test_halving_works_where_its_forecast_cannot_be_kept(stopped, monkeypatch):
    run = ffnet.resume(stopped)

    def read_only(net, path):
        raise FFLabelsError("cannot be written: Read-only file system", where=str(path))

    monkeypatch.setattr(folders, "save_weights", read_only)
    with pytest.warns(UserWarning, match=r"fitted but could not be saved: .*forecast.safetensors: cannot be"):
        found = run.evaluate(run.data(), "validation", inference="halving")
    assert 0 <= found.accuracies["halving"].accuracy <= 1


def test_missing_lines_of_the_log_name_the_way_out(stopped):
    with pytest.raises(StopError):
        ffnet.resume(stopped, watcher=Watcher(report=lambda _: (_ for _ in ()).throw(StopError)))
    (stopped / "metrics.jsonl").unlink()
    with pytest.raises(FFLabelsError, match=r"lines are missing; .*remove the folder checkpoints to train again"):
        ffnet.resume(stopped)
