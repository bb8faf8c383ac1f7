"""Folders of pictures as users have them: which splits are read, how the others are drawn, and what is left out."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from reference import TWO_LAYERS, make_folder

import ffnet
from fflabels.errors import FFLabelsError
from ffnet.data.folders import read_pictures
from ffnet.data.layout import NotReadWarning
from ffnet.data.splits import held_out
from ffnet.prepare import MissingClassWarning, check_run


def load(folder, *settings, splits="by class"):
    return ffnet.load_data(ffnet.Config().override([f"data.name={str(folder)!r}", *settings]).data, splits)


def counts(data):
    return len(data.train), len(data.validation), len(data.test)


@pytest.mark.parametrize("name", ["val", "valid", "Validation", "VAL"])
def test_a_folder_of_validation_images_is_the_validation_split(tmp_path, name):
    make_folder(tmp_path / "train")
    make_folder(tmp_path / "test", each=3)
    make_folder(tmp_path / name, each=5)
    data = load(tmp_path)
    assert counts(data) == (16, 10, 6)
    assert data.validation.classes.tolist() == [0] * 5 + [1] * 5
    few = load(tmp_path, "data.validation=4")
    assert counts(few) == (16, 4, 6)
    assert few.validation.classes.tolist() == [0, 0, 1, 1]
    assert data.few(data.validation, 6).classes.tolist() == [0, 0, 0, 1, 1, 1]
    assert len(data.few(data.validation, 99)) == 10
    with pytest.raises(FFLabelsError, match=r"data.validation: too few images given; got 11; expected up to 10"):
        load(tmp_path, "data.validation=11")


def test_without_a_test_folder_the_test_is_drawn_from_the_training_images(tmp_path):
    make_folder(tmp_path / "Train", each=12)
    assert counts(load(tmp_path)) == (18, 2, 4)
    make_folder(tmp_path / "val", each=3)
    data = load(tmp_path)
    assert counts(data) == (20, 6, 4)
    assert np.bincount(data.test.classes).tolist() == [2, 2]


def test_folders_of_splits_that_are_not_clear_are_refused(tmp_path):
    make_folder(tmp_path / "val")
    make_folder(tmp_path / "test")
    with pytest.raises(FFLabelsError, match=r"no train/ folder; got test/ and val/"):
        load(tmp_path)
    make_folder(tmp_path / "train")
    make_folder(tmp_path / "valid")
    with pytest.raises(FFLabelsError, match=r"two folders of validation images; got val/ and valid/"):
        load(tmp_path)


def test_classes_may_be_called_train_and_test(tmp_path):
    make_folder(tmp_path, classes=("bus", "test", "train"))
    assert load(tmp_path).class_names == ("bus", "test", "train")


def test_classes_of_validation_and_training_images_must_be_the_same(tmp_path):
    make_folder(tmp_path / "train")
    make_folder(tmp_path / "val", classes=("cat", "emu"))
    with pytest.raises(FFLabelsError, match=r"classes of train and validation differ; got dog, emu"):
        load(tmp_path)


def test_grey_training_images_beside_coloured_test_images_become_coloured(tmp_path):
    make_folder(tmp_path / "train", mode="L")
    make_folder(tmp_path / "test")
    assert load(tmp_path).shape == (3, 10, 12)
    make_folder(tmp_path / "val", size=(6, 6))
    with pytest.raises(FFLabelsError, match=r"the splits differ in size; got .*validation 6×6.*--set data.size=32"):
        load(tmp_path)


def test_what_is_not_read_is_said_in_one_line_with_counts(tmp_path):
    make_folder(tmp_path)
    make_folder(tmp_path / "cat", classes=("deep",), each=3)
    for name in ("a.heic", "b.heic", "c.txt", "Thumbs.db", ".hidden"):
        (tmp_path / "dog" / name).write_bytes(b"")
    Image.new("L", (4, 4)).save(tmp_path / "beside.png")
    with pytest.warns(NotReadWarning) as told:
        data = load(tmp_path)
    assert sum(counts(data)) == 16
    assert [str(one.message) for one in told] == [
        f"{tmp_path}: not read: 3 images in subfolders of class folders, 3 files of other kinds (.heic, .txt), "
        "1 image beside the class folders"
    ]


def test_other_folders_beside_the_splits_are_said_too(tmp_path):
    make_folder(tmp_path / "train")
    make_folder(tmp_path / "unlabeled", classes=("x",), each=4)
    with pytest.warns(NotReadWarning, match=r"not read: 4 images in unlabeled/$"):
        load(tmp_path)
    (tmp_path / "test").symlink_to(tmp_path / "nowhere")
    with pytest.warns(NotReadWarning, match=r"not read: 1 broken link \(test\), 4 images in unlabeled/$"):
        load(tmp_path)


def test_folders_that_systems_make_are_no_classes(tmp_path):
    make_folder(tmp_path)
    for name in ("__MACOSX", "@eaDir", ".git"):
        (tmp_path / name).mkdir()
    assert load(tmp_path).class_names == ("cat", "dog")


@pytest.mark.slow
def test_the_output_of_a_run_is_no_class(tmp_path, monkeypatch):
    make_folder(tmp_path, each=20)
    monkeypatch.chdir(tmp_path)
    settings = [*TWO_LAYERS, "data.name=.", "data.size=16", "train.epochs=1", "labels.candidates=16"]
    first = ffnet.train(ffnet.Config().override(settings))
    second = ffnet.train(ffnet.Config().override(settings), out="deep/er/out")
    assert first.about.data == second.about.data
    assert first.about.data.class_names == ["cat", "dog"]
    assert (first.about.data.name, first.about.data.splits) == (tmp_path.name, "by class")
    Image.new("L", (400, 300)).save(first.folder / "cam.png")
    assert first.data().class_names == ("cat", "dog")


@pytest.mark.parametrize("bad", ["caf\udce9", "\udcff"])
def test_a_class_whose_name_is_not_utf8_is_named(tmp_path, bad):
    make_folder(tmp_path)
    try:
        (tmp_path / "dog").rename(tmp_path / bad)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    with pytest.raises(FFLabelsError, match=r"the name is not UTF-8; got .*\ufffd.*rename it"):
        load(tmp_path)


def test_a_picture_whose_name_is_not_utf8_is_read(tmp_path):
    make_folder(tmp_path)
    try:
        (tmp_path / "dog" / "0.png").rename(tmp_path / "dog" / "caf\udce9.png")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    assert sum(counts(load(tmp_path))) == 16


def test_all_damaged_pictures_of_all_splits_are_named(tmp_path):
    make_folder(tmp_path / "train")
    make_folder(tmp_path / "test")
    bad = [f"train/cat/{k}.png" for k in range(6)] + ["test/dog/0.png"]
    for name in bad:
        (tmp_path / name).write_bytes(b"no picture")
    with pytest.raises(FFLabelsError, match=r"7 of 32 images cannot be read; got train/cat/0.png") as told:
        load(tmp_path)
    assert all(name in str(told.value) for name in bad)
    with pytest.raises(FFLabelsError, match=r"2 of 3 images cannot be read; got .*0.png: .*; .*1.png: "):
        read_pictures([tmp_path / "train/cat" / f"{k}.png" for k in (0, 1, 7)], (3, 4, 4))


def test_an_empty_name_is_not_this_folder(tmp_path, monkeypatch):
    make_folder(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FFLabelsError, match=r"data.name: neither a data set nor a folder"):
        load("")


def test_every_class_keeps_a_training_image(tmp_path):
    for name, count in {"a": 40, **dict.fromkeys("bcdefghijklmno", 1), "p": 2}.items():
        make_folder(tmp_path, classes=(name,), each=count)
    data = load(tmp_path)
    assert counts(data) == (42, 5, 9)
    assert np.bincount(data.train.classes, minlength=16).min() == 1
    old = load(tmp_path, splits="by image")
    assert counts(old) == counts(data)
    assert set(old.train.classes.tolist()) != set(range(16))
    assert old.splits == "by image"


def test_a_class_without_a_training_image_is_named(tmp_path):
    make_folder(tmp_path, classes=("a", "b", "c"), each=4)
    with pytest.warns(MissingClassWarning, match=r"2 of 3 classes have no training image, and will not be learned: "):
        check_run(ffnet.Config(), load(tmp_path, "data.limit=1", "data.size=16"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_run(ffnet.Config(), load(tmp_path, "data.size=16"))


@given(st.lists(st.integers(0, 12), min_size=1, max_size=30).filter(sum), st.floats(0, 1), st.integers(0, 3))
def test_images_are_held_out_in_proportion_to_the_classes(sizes, share, seed):
    classes = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    count = int(share * len(classes))
    mask = held_out(classes, count, "by class", seed)
    assert mask.sum() == count == held_out(classes, count, "by image", seed).sum()
    there, held = np.bincount(classes, minlength=len(sizes)), np.bincount(classes[mask], minlength=len(sizes))
    spare = np.maximum(there - 1, 0)
    if count <= spare.sum():
        assert (held <= spare).all()
        free = there * (1 - share) >= 2  # no share of these classes was cut to keep their last image
        if free.all():
            assert (np.abs(held - count * there / len(classes)) < 1).all()
    assert (mask == held_out(classes, count, "by class", seed)).all()


@pytest.mark.slow
def test_a_run_keeps_the_rule_that_its_splits_were_drawn_by(tmp_path):
    folder = make_folder(tmp_path / "pictures", each=20)
    settings = [*TWO_LAYERS, f"data.name='{folder}'", "data.size=16", "train.epochs=1", "labels.candidates=16"]
    config = ffnet.Config().override(settings)
    old = ffnet.train(config, out=tmp_path / "old", data=ffnet.load_data(config.data, "by image"))
    new = ffnet.train(config, out=tmp_path / "new")
    assert (old.about.data.splits, new.about.data.splits) == ("by image", "by class")
    assert old.about.data.sha256 != new.about.data.sha256
    for run in (old, new):
        assert ffnet.load_run(run.folder).data().digest == run.about.data.sha256


def test_a_renamed_class_folder_is_noticed(tmp_path):
    folder = make_folder(tmp_path / "pictures", each=20)
    settings = [*TWO_LAYERS, f"data.name='{folder}'", "data.size=16", "train.epochs=1", "labels.candidates=16"]
    run = ffnet.train(ffnet.Config().override(settings), out=tmp_path / "run")
    (folder / "dog").rename(folder / "wolf")
    (tmp_path / "run" / "results.json").unlink()
    message = r"classes were renamed since the run began; got wolf; expected dog \(rename them back\)"
    for work in (run.data, lambda: ffnet.resume(run.folder)):
        with pytest.raises(FFLabelsError, match=message):
            work()


def test_the_folder_of_a_run_may_not_have_a_name_that_is_no_text(tmp_path):
    with pytest.raises(FFLabelsError, match="out: the name is not UTF-8"):
        ffnet.train(out=Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9")))


def test_pictures_of_other_channels_are_refused_in_one_line(tmp_path):
    make_folder(tmp_path / "data")
    four = tmp_path / "data" / "cat" / "four.tif"
    tifffile.imwrite(four, np.zeros((10, 12, 4), np.uint8), photometric="rgb", extrasamples=(0,))
    with pytest.raises(FFLabelsError, match="channels do not fit; got 3 channels; expected 4 or 1"):
        load(tmp_path / "data")
    with pytest.raises(FFLabelsError, match=r"four.tif: .*channels do not fit"):
        read_pictures([four], (1, 10, 12))


def test_what_systems_and_links_leave_in_a_folder_is_no_class_and_no_picture(tmp_path):
    make_folder(tmp_path)
    for name in ("lost+found", "$RECYCLE.BIN", "#recycle", "cat/thumbs.png"):
        (tmp_path / name).mkdir()
    for place in ("dog/gone.png", "owl"):
        (tmp_path / place).symlink_to(tmp_path / "nowhere")
    with pytest.warns(NotReadWarning, match=r"not read: 2 broken links \(owl, …\)$"):
        data = load(tmp_path)
    assert data.class_names == ("cat", "dog")
    assert sum(counts(data)) == 16
