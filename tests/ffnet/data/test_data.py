"""Data sets: the embedded digits, the real files where they are, and folders of all sorts."""

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from reference import make_folder

import ffnet
from fflabels.errors import FFLabelsError
from ffnet.config import DataConfig
from ffnet.data.dataset import Data, Split, split_data, to_split
from ffnet.data.folders import read_pictures
from ffnet.presets import quick_preset

REAL = Path(os.environ.get("FFNET_DATA", "/nowhere"))
needs_real_data = pytest.mark.skipif(not REAL.is_dir(), reason="FFNET_DATA names no folder of real data sets")


def load(name, *settings):
    return ffnet.load_data(ffnet.Config().override([f"data.name={str(name)!r}", *settings]).data)


def test_the_embedded_digits():
    data = load("digits")
    assert (len(data.train), len(data.validation), len(data.test)) == (1257, 180, 360)
    assert data.shape == (1, 16, 16)
    assert data.train.images.dtype == torch.uint8
    assert data.classes == 10
    assert load("digits", "data.size=8").shape == (1, 8, 8)
    assert load("digits").digest == data.digest
    assert load("digits", "data.limit=100").digest != data.digest


@pytest.mark.slow
@needs_real_data
@pytest.mark.parametrize(
    ("name", "shape", "counts", "names"),
    [
        ("mnist", (1, 28, 28), (50_000, 10_000, 10_000), ("0 - zero", 10)),
        ("fashion-mnist", (1, 28, 28), (50_000, 10_000, 10_000), ("T-shirt/top", 10)),
        ("cifar10", (3, 32, 32), (45_000, 5_000, 10_000), ("airplane", 10)),
        ("cifar100", (3, 32, 32), (45_000, 5_000, 10_000), ("apple", 100)),
    ],
)
def test_the_real_data_sets_are_read_and_split(name, shape, counts, names):
    try:
        data = load(name, "data.offline=true")
    except FFLabelsError as error:
        pytest.skip(f"{name} is not in FFNET_DATA: {error}")
    assert data.shape == shape
    assert (len(data.train), len(data.validation), len(data.test)) == counts
    assert (data.class_names[0], data.classes) == names
    assert len(torch.unique(data.train.classes)) == data.classes


@pytest.mark.slow
@needs_real_data
def test_a_run_on_real_images_learns(tmp_path):
    config = ffnet.load_preset("quick-mnist").config.override(
        ["data.limit=3000", "data.validation=500", "train.epochs=3", "net.widths=[8,16,16]"]
    )
    run = ffnet.train(config, out=tmp_path / "run")
    assert run.results.validation.goodness.accuracy > 0.6
    assert run.results.test.images == 10_000


def test_what_is_not_there_and_may_not_be_downloaded(tmp_path):
    with pytest.raises(FFLabelsError, match=r"MNIST is missing, and --offline forbids.*set --data DIR or FFNET_DATA"):
        load("mnist", f"data.root='{tmp_path}'", "data.offline=true")


def test_a_failed_download_says_why(tmp_path, monkeypatch):
    import torchvision.datasets

    def offline(*_):
        raise RuntimeError("Error downloading train-images:\nTried http://x, got:\n<urlopen error no route>\n")

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", offline)
    with pytest.raises(FFLabelsError, match=r"cannot be downloaded: <urlopen error no route> \(set --data"):
        load("mnist", f"data.root='{tmp_path}'")


def test_damaged_files_of_mnist_are_named(tmp_path):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for split, kind in itertools.product(("train", "t10k"), ("images-idx3", "labels-idx1")):
        (folder / f"{split}-{kind}-ubyte").write_bytes(b"nothing")
    with pytest.raises(FFLabelsError, match="MNIST cannot be read: "):
        load("mnist", f"data.root='{tmp_path}'", "data.offline=true")


def test_damaged_files_of_cifar_count_as_missing(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch", "batches.meta"]:
        (folder / name).write_bytes(b"nothing")
    with pytest.raises(FFLabelsError, match="CIFAR10 is missing"):
        load("cifar10", f"data.root='{tmp_path}'", "data.offline=true")


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1), ("RGBA", 3), ("1", 1), ("P", 3)])
def test_a_folder_of_class_folders(tmp_path, mode, channels):
    data = load(make_folder(tmp_path, mode=mode))
    assert data.shape == (channels, 10, 12)
    assert data.class_names == ("cat", "dog")
    assert (len(data.train), len(data.validation), len(data.test)) == (13, 1, 2)
    assert load(tmp_path).digest == data.digest
    assert load(tmp_path, "data.size=8").shape == (channels, 8, 8)


def test_a_folder_with_its_own_test_images(tmp_path):
    make_folder(tmp_path / "train")
    make_folder(tmp_path / "test", each=3)
    data = load(tmp_path)
    assert (len(data.train), len(data.validation), len(data.test)) == (14, 2, 6)


def test_gray_images_among_coloured_ones_become_three_channels(tmp_path):
    make_folder(tmp_path)
    Image.fromarray(np.full((10, 12), 77, np.uint8)).save(tmp_path / "cat" / "gray.png")
    data = load(tmp_path, "data.validation=0")
    every = torch.cat([data.train.images, data.test.images])
    assert every.shape[1] == 3
    assert ((every == 77).flatten(1).all(1)).sum() == 1


def break_images(folder):
    """2 of 16 images cannot be read; got dog/0.png .*; dog/1.png"""
    for k in range(2):
        (folder / "dog" / f"{k}.png").write_bytes(b"\x89PNG nothing")


def empty_a_class(folder):
    """no image in the class folder"""
    for path in (folder / "dog").iterdir():
        path.unlink()


def leave_one_class(folder):
    """not a folder of class folders; got 1 subfolders; expected 2 or more"""
    empty_a_class(folder)
    (folder / "dog").rmdir()


def mix_sizes(folder):
    """images of mixed sizes; got 5×5, 10×12; expected one size .--set data.size=32"""
    Image.new("RGB", (5, 5)).save(folder / "dog" / "small.png")


def leave_few(folder):
    """too few images; got 4; expected at least 6"""
    for name in ("cat", "dog"):
        for path in list((folder / name).iterdir())[2:]:
            path.unlink()


@pytest.mark.parametrize("change", [break_images, empty_a_class, leave_one_class, mix_sizes, leave_few])
def test_what_is_wrong_with_a_folder_is_said(tmp_path, change):
    make_folder(tmp_path)
    change(tmp_path)
    with pytest.raises(FFLabelsError, match=change.__doc__):
        load(tmp_path)


def test_classes_of_train_and_test_must_be_the_same(tmp_path):
    make_folder(tmp_path / "train")
    make_folder(tmp_path / "test", classes=("cat", "dog", "emu"))
    with pytest.raises(FFLabelsError, match="classes of train and test differ; got emu"):
        load(tmp_path)


def test_the_first_training_images_are_of_all_classes(tmp_path):
    make_folder(tmp_path / "train", classes=("a", "b", "c"), each=30)
    make_folder(tmp_path / "test", classes=("a", "b", "c"), each=3)
    assert set(load(tmp_path, "data.limit=20").train.classes.tolist()) == {0, 1, 2}


@pytest.mark.parametrize("name", ["2024", "true", "müll 😀", "it's"])
def test_folders_of_any_name(tmp_path, name):
    make_folder(tmp_path / name)
    assert ffnet.load_data(quick_preset(str(tmp_path / name)).config.data).name == name


def test_files_that_systems_hide_are_no_images(tmp_path):
    make_folder(tmp_path)
    (tmp_path / "cat" / "._0.png").write_bytes(b"resource fork")
    assert sum(len(part) for part in (load(tmp_path).train, load(tmp_path).validation, load(tmp_path).test)) == 16


def test_what_pictures_hold_is_kept(tmp_path):
    clear = np.zeros((4, 4, 4), np.uint8)
    clear[0, 0] = (10, 20, 30, 255)
    Image.fromarray(clear).save(tmp_path / "clear.png")
    found = read_pictures([tmp_path / "clear.png"], (3, 4, 4))[0]
    assert found[:, 0, 0].tolist() == [10, 20, 30]
    assert found[:, 1, 1].tolist() == [255, 255, 255]
    turned = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40)
    exif = turned.getexif()
    exif[0x0112] = 6  # turn by 90°
    turned.save(tmp_path / "turned.png", exif=exif)
    assert read_pictures([tmp_path / "turned.png"], (1, 3, 2))[0, 0].tolist() == [[120, 0], [160, 40], [200, 80]]
    Image.fromarray(np.full((4, 4), 200, np.float32)).save(tmp_path / "bright.tiff")
    with pytest.raises(FFLabelsError, match="values out of range; got 200 to 200; expected integers ≥ 0, or floats in"):
        read_pictures([tmp_path / "bright.tiff"], (1, 4, 4))
    with pytest.raises(FFLabelsError, match=r"none.png: cannot be read as an image: No such file or directory$"):
        read_pictures([tmp_path / "none.png"], (1, 4, 4))


def test_images_are_resized_however_many_there_are():
    assert load("digits", "data.size=40").shape == (1, 40, 40)


@pytest.mark.slow
@needs_real_data
def test_real_images_are_enlarged():
    data = load("cifar10", "data.offline=true", "data.size=48", "data.limit=100", "data.validation=100")
    assert data.shape == (3, 48, 48)
    assert data.test.images.float().std() > 40


def test_too_many_validation_images():
    with pytest.raises(
        FFLabelsError, match=r"data.validation: leaves no training image; got 1437; expected below 1437"
    ):
        load("digits", "data.validation=1437")


@pytest.mark.slow
def test_a_net_is_trained_on_a_folder_and_names_its_classes(tmp_path):
    make_folder(tmp_path / "pictures", each=20)
    config = ffnet.Config().override(
        [f"data.name='{tmp_path / 'pictures'}'", "data.size=16", "train.epochs=1", "inference.linear_epochs=1",
         "labels.candidates=16"]
    )  # fmt: skip
    run = ffnet.train(config, out=tmp_path / "run")
    assert run.about.data.class_names == ["cat", "dog"]
    assert run.net.shape == (3, 16, 16)


def test_pictures_are_fitted_to_a_shape(tmp_path):
    Image.new("RGB", (9, 7), (255, 0, 0)).save(tmp_path / "red.png")
    Image.new("L", (9, 7), 100).save(tmp_path / "gray.png")
    assert read_pictures([tmp_path / "red.png"], (1, 4, 5)).unique().tolist() == [76]  # 0.299 · 255
    found = read_pictures([tmp_path / "gray.png", tmp_path / "red.png"], (3, 4, 5))
    assert found.shape == (2, 3, 4, 5)
    assert found[0].unique().tolist() == [100]
    with pytest.raises(FFLabelsError, match=r"none.png: cannot be read as an image"):
        read_pictures([tmp_path / "none.png"], (1, 4, 4))


def test_floats_are_resized_as_bytes_are():
    images = np.random.default_rng(0).integers(0, 256, (3, 1, 12, 12), np.uint8)
    classes = np.zeros(3, np.int64)
    small = to_split((images / 255).astype(np.float32), classes, 6).images
    assert small.dtype == torch.float32
    torch.testing.assert_close(small * 255, to_split(images, classes, 6).images.float(), atol=0.51, rtol=0)


def test_pairs_of_a_split_are_made_of_its_own_digits(monkeypatch):
    classes = torch.arange(100) % 10
    parts = [Split(torch.full((100, 1, 2, 2), k, dtype=torch.uint8), classes) for k in range(3)]
    monkeypatch.setattr("ffnet.data.sources.load_mnist", lambda _: Data("mnist", *parts, tuple("0123456789")))
    data = ffnet.load_data("mnist-pairs")
    assert [part.images.unique().tolist() for part in (data.train, data.validation, data.test)] == [[0], [1], [2]]


@pytest.mark.parametrize("rule", ["by image", "by class"])
def test_no_image_is_in_two_splits_and_none_is_lost(rule):
    images, classes = np.arange(90, dtype=np.uint8)[:, None, None, None], np.arange(90) % 3
    given = (images[:60], classes[:60]), (images[60:], classes[60:])
    data = split_data(DataConfig(), "x", *given, tuple("abc"), 12, rule)
    parts = [part.images.flatten().tolist() for part in (data.train, data.validation, data.test)]
    assert [len(part) for part in parts] == [48, 12, 30]
    assert sorted(itertools.chain.from_iterable(parts)) == list(range(90))
