"""Files are whole or not there, whatever happens in the middle."""

import errno
import os

import pytest

from fflabels import FFLabelsError
from fflabels.files import check_writable, write_whole


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_it_replaces_and_leaves_nothing_beside(tmp_path):
    write_whole(tmp_path / "a", b"old")
    write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_keeps_the_old_file(tmp_path, monkeypatch, failing):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_whole(tmp_path / "a", b"old")
    monkeypatch.setattr("pathlib.Path.replace" if failing == "replace" else "os.fsync", full)
    with pytest.raises(FFLabelsError, match="a: cannot be written: No space left on device"):
        write_whole(tmp_path / "a", b"new")
    monkeypatch.undo()
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_an_interrupt_in_the_middle_keeps_the_old_file(tmp_path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    write_whole(tmp_path / "a", b"old")
    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_places_that_cannot_be_written_are_refused_before_the_work(tmp_path):
    check_writable(tmp_path / "a")
    assert names(tmp_path) == []
    with pytest.raises(FFLabelsError, match="is a folder; expected a file's name"):
        check_writable(tmp_path)
    with pytest.raises(FFLabelsError, match="cannot be written: No such file or directory"):
        check_writable(tmp_path / "missing" / "a")
    (tmp_path / "file").touch()
    with pytest.raises(FFLabelsError, match="cannot be written: Not a directory"):
        check_writable(tmp_path / "file" / "a")
