"""Files are whole or not there, whatever happens in the middle."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from fflabels_cli.output import check_output
from PIL import Image

from fflabels import FFLabelsError, named_set
from fflabels.files import PAGE_MARK, check_writable, is_our_page, is_our_picture, write_whole
from fflabels.gallery import save_sheet
from fflabels.plots import draw_similarity


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
    with pytest.raises(FFLabelsError, match=r"a: cannot be written: No space left on device"):
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
    with pytest.raises(FFLabelsError, match=r"is a folder; expected a file's name"):
        check_writable(tmp_path)
    with pytest.raises(FFLabelsError, match=r"cannot be written: No such file or directory"):
        check_writable(tmp_path / "missing" / "a")
    (tmp_path / "file").touch()
    with pytest.raises(FFLabelsError, match=r"cannot be written: Not a directory"):
        check_writable(tmp_path / "file" / "a")


def test_a_symbolic_link_is_followed(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("deep/target")
    check_writable(tmp_path / "link")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "deep" / "target").read_bytes() == b"new"
    (tmp_path / "loose").symlink_to("deep/none")
    write_whole(tmp_path / "loose", b"made")
    assert (tmp_path / "deep" / "none").read_bytes() == b"made"
    assert sorted(names(tmp_path / "deep")) == ["none", "target"]


def test_a_replaced_file_keeps_its_permissions(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "a").chmod(0o600)
    write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("write", [check_writable, lambda path: write_whole(path, b"new")])
def test_a_read_only_file_is_not_replaced(tmp_path, write):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "a").chmod(0o444)
    with pytest.raises(FFLabelsError, match=r"a: is read-only: not replaced"):
        write(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"old"


def test_names_of_any_length_that_the_file_system_takes(tmp_path):
    write_whole(tmp_path / ("n" * 255), b"new")
    assert names(tmp_path) == ["n" * 255]
    for write in (check_writable, lambda path: write_whole(path, b"new")):
        with pytest.raises(FFLabelsError, match=r"cannot be written: File name too long"):
            write(tmp_path / ("n" * 300))
        with pytest.raises(FFLabelsError, match=r"is a folder"):
            write("")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FFLabelsError, match=r"is a device or a pipe"):
        write_whole(tmp_path / "pipe", b"new")


def photograph(path):
    Image.new("RGB", (8, 8), "red").save(path)


def notes(path):
    path.write_text("my notes about the fflabels label set of Monday")


def our_sheet(path):
    save_sheet(Image.new("RGB", (8, 8), "red"), path)


def our_page(path):
    path.write_text("<!doctype html>\n<html lang='en'>\n<head>\n" + PAGE_MARK)


@pytest.mark.parametrize(
    ("make", "name", "suffix", "known"),
    [
        (notes, "notes.md", "", " and is not a label set"),
        (photograph, "holiday.png", "", " and is not a label set"),
        (photograph, "holiday.png", ".png", " and is not a picture that fflabels wrote"),
        (notes, "notes.png", ".png", " and is not a picture that fflabels wrote"),
        (notes, "index.html", ".html", " and is not a page that fflabels wrote"),
        (notes, "net.onnx", ".onnx", ""),
        (lambda path: path.write_text('{"note": "fflabels label set"}'), "x.json", "", " and is not a label set"),
        (lambda path: path.write_text('{"format": "fflabels label set"'), "x.json", "", " and is not a label set"),
        (lambda path: path.write_text("[" * 100_000), "x.json", "", " and is not a label set"),
    ],
)
def test_other_peoples_files_are_replaced_by_force_only(tmp_path, make, name, suffix, known):
    make(tmp_path / name)
    with pytest.raises(FFLabelsError, match=f"exists{known}: not replaced.*--force"):
        check_output(tmp_path / name, suffix)
    check_output(tmp_path / name, suffix, force=True)


@pytest.mark.parametrize(
    ("make", "name", "suffix"),
    [
        (lambda path: named_set("fourier:paper10").save(path), "x.json", ""),
        (lambda path: path.write_text('{"format": "fflabels label set", "version": 99}'), "x.json", ""),
        (our_sheet, "sheet.png", ".png"),
        (our_page, "page.html", ".html"),
        (lambda path: path.touch(), "empty.png", ".png"),
        (lambda path: path.touch(), "empty.json", ""),
        (lambda path: None, "new.json", ""),
    ],
)
def test_our_own_and_empty_files_are_replaced(tmp_path, make, name, suffix):
    make(tmp_path / name)
    check_output(tmp_path / name, suffix)


def test_the_labels_of_a_run_are_replaced_by_force_only(tmp_path):
    named_set("fourier:paper10").save(tmp_path / "labels.json")
    check_output(tmp_path / "labels.json")
    for name in ("config.toml", "run.json"):
        (tmp_path / name).touch()
    with pytest.raises(FFLabelsError, match=r"labels.json: belongs to a run: not replaced"):
        check_output(tmp_path / "labels.json")
    check_output(tmp_path / "labels.json", force=True)
    check_output(tmp_path / "others.json")


def test_an_input_is_never_an_output(tmp_path):
    our_sheet(tmp_path / "x.png")
    (tmp_path / "same.png").symlink_to("x.png")
    with pytest.raises(FFLabelsError, match=r"is also an input: not replaced"):
        check_output(tmp_path / "same.png", ".png", force=True, inputs=[tmp_path / "x.png", "photographs"])
    Image.new("RGB", (8, 8)).save(tmp_path / "mine.jpg")
    Image.new("RGB", (8, 8)).save(tmp_path / "mine.png")
    for name, suffix in (("mine.png", ".png"), ("mine.jpg", "")):
        with pytest.raises(FFLabelsError, match=r"would be one of the pictures to read; got in "):
            check_output(tmp_path / name, suffix, force=True, inputs=[tmp_path])
    for name in ("x.png", "new.png", "class/new.png"):  # our own sheet, too: the next run would read it
        (tmp_path / "class").mkdir(exist_ok=True)
        with pytest.raises(FFLabelsError, match=r"would be one of the pictures to read; got in "):
            check_output(tmp_path / name, ".png", inputs=[tmp_path])
    (tmp_path / "class" / "deeper").mkdir()
    check_output(tmp_path / "class" / "deeper" / "new.png", ".png", inputs=[tmp_path])
    check_output(tmp_path / "page.html", ".html", inputs=[tmp_path])
    with pytest.raises(FFLabelsError, match=r"cannot write to standard output"):
        check_output(Path("-"))


def test_every_page_and_figure_says_that_it_is_ours(tmp_path):
    root = Path(__file__).parents[1]
    for page in (root / "fflabels/page/page.html", root / "ffnet/report/page.html"):
        assert is_our_page(page)
    (tmp_path / "map.png").write_bytes(draw_similarity(np.eye(3, dtype=np.float32), "pearson"))
    assert is_our_picture(tmp_path / "map.png")
