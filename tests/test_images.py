"""Reference images: the built-in ones, folders, arrays, 16 bit and several channels, and every way to get it wrong."""

import hashlib
import os

import numpy as np
import pytest
import tifffile
from PIL import Image

from fflabels import FFLabelsError, References, load_references, named_set
from fflabels.errors import PictureWarning
from fflabels.images import REFERENCE_COUNT, digits, load_classed, photographs, to_shape
from fflabels.images.photographs import _resized, _unit
from fflabels.labelset import open_set


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 32, 32), (1, 28, 28), (4, 16, 24), (1, 1, 2)])
def test_photographs_come_at_any_shape_and_always_the_same(shape):
    found = load_references(None, shape)
    assert found.images.shape == (REFERENCE_COUNT, *shape)
    assert found.images.dtype == np.float32
    assert 0 <= found.images.min() <= found.images.max() <= 1
    photographs.cache_clear()
    assert load_references("photographs", shape).digest == found.digest


@pytest.mark.parametrize(("shape", "digest"), [((1, 32, 32), "48f00636"), ((3, 32, 32), "1944556f")])
def test_photographs_have_the_same_bits_on_every_processor(shape, digest):
    assert hashlib.sha256(photographs(shape).tobytes()).hexdigest().startswith(digest)


@pytest.mark.parametrize(("old", "new"), [((37, 50), (8, 8)), ((20, 31), (32, 40)), ((16, 16), (16, 16))])
def test_photographs_are_resized_as_pillow_does(old, new):
    crop = np.random.default_rng(0).integers(0, 256, (3, *old), dtype=np.uint8)
    resized, white = _resized(crop, *new, coloured=True)
    expected = to_shape((crop[None] / 255).astype(np.float32), (3, *new))[0]
    np.testing.assert_allclose(_unit(resized, white, 3), expected, atol=1e-5)
    grey, white = _resized(crop, *new, coloured=False)
    expected = to_shape((crop[None] / 255).astype(np.float32), (1, *new))[0]
    np.testing.assert_allclose(_unit(grey, white, 1), expected, atol=1e-5)


def test_photographs_have_contrast_and_differ():
    images = photographs((1, 32, 32)).reshape(REFERENCE_COUNT, -1)
    assert images.std(axis=1).min() > 0.02
    assert np.triu(np.corrcoef(images), 1).max() < 0.99


def test_digits_are_the_1797_of_uci():
    images, classes = digits()
    assert images.shape == (1797, 1, 8, 8)
    assert np.bincount(classes).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert load_references("digits", (1, 16, 16)).images.shape == (REFERENCE_COUNT, 1, 16, 16)


def gradient(h=10, w=12, channels=None, top=255, dtype=np.uint8):
    ramp = np.linspace(0, top, h * w).reshape(h, w).astype(dtype)
    return ramp if channels is None else np.stack([ramp // (k + 1) for k in range(channels)], axis=-1)


def write_png(folder, name, array):
    Image.fromarray(array).save(folder / name)


def test_a_folder_of_pictures(tmp_path):
    write_png(tmp_path, "b.png", gradient())
    write_png(tmp_path, "a.PNG", 255 - gradient())
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden.png").write_text("nor this")
    found = load_references(tmp_path, (1, 10, 12))
    np.testing.assert_allclose(found.images[1, 0], gradient() / 255, atol=1e-6)
    np.testing.assert_allclose(found.images[0, 0], 1 - gradient() / 255, atol=1e-6)


def test_colours_become_grey_by_luma_and_grey_is_repeated(tmp_path):
    write_png(tmp_path, "rgb.png", gradient(channels=3))
    rgb = load_references(tmp_path, (3, 10, 12)).images
    np.testing.assert_allclose(rgb[0], gradient(channels=3).transpose(2, 0, 1) / 255, atol=1e-6)
    grey = load_references(tmp_path, (1, 10, 12)).images
    np.testing.assert_allclose(grey[0, 0], np.tensordot([0.299, 0.587, 0.114], rgb[0], 1), atol=1e-6)
    repeated = load_references(References(grey), (3, 10, 12)).images
    np.testing.assert_array_equal(repeated[:, 2], grey[:, 0])


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "L", "I;16", "CMYK"])
def test_every_mode_of_picture(tmp_path, mode):
    if mode == "I;16":
        picture = Image.fromarray(gradient(top=65535, dtype=np.uint16))
    else:
        picture = Image.fromarray(gradient(channels=3)).convert(mode)
    picture.save(tmp_path / ("x.tif" if mode == "CMYK" else "x.png"))
    assert load_references(tmp_path, (1, 10, 12)).images.max() > 0.4


def test_sixteen_bits_and_several_channels(tmp_path):
    stack = np.stack([gradient(top=4095, dtype=np.uint16), gradient(top=1000, dtype=np.uint16)])
    tifffile.imwrite(tmp_path / "cells.tif", stack, metadata={"axes": "CYX"})
    for value_range, white in (("auto", 4095), ("0:2047", 2047), ("1000:4095", None)):
        found = load_references(tmp_path / "cells.tif", (2, 10, 12), value_range=value_range)
        expected = stack / white if white else (stack - 1000.0) / 3095
        np.testing.assert_allclose(found.images[0], expected.clip(0, 1), atol=1e-6)
    with pytest.warns(PictureWarning, match=r"12-bit data in 16-bit files.*4095 of 65535; --range auto"):
        found = load_references(tmp_path / "cells.tif", (2, 10, 12))
    np.testing.assert_allclose(found.images[0], stack / 65535, atol=1e-6)


def test_a_tiff_stack_is_many_images(tmp_path):
    stack = np.random.default_rng(0).integers(0, 255, (70, 10, 12), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "time.tif", stack, metadata={"axes": "TYX"})
    found = load_references(tmp_path / "time.tif", (1, 10, 12)).images
    assert len(found) == REFERENCE_COUNT
    np.testing.assert_allclose(found[[0, -1], 0], stack[[0, -1]] / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "fitted"),
    [
        ((10, 12), (1, 1, 10, 12)),
        ((5, 10, 12), (5, 1, 10, 12)),
        ((5, 3, 10, 12), (5, 3, 10, 12)),
        ((5, 10, 12, 3), (5, 3, 10, 12)),
    ],
)
def test_arrays_in_every_layout(tmp_path, shape, fitted):
    images = np.random.default_rng(0).random(shape, dtype=np.float32)
    np.save(tmp_path / "x.npy", images)
    np.savez(tmp_path / "x.npz", images=images, classes=np.zeros(5))
    for name in ("x.npy", "x.npz"):
        assert load_references(tmp_path / name, fitted[1:]).images.shape == fitted


def test_large_images_are_averaged_down(tmp_path):
    coarse = np.random.default_rng(0).random((3, 1, 8, 8), dtype=np.float32)
    np.save(tmp_path / "x.npy", coarse.repeat(8, axis=2).repeat(8, axis=3))
    found = load_references(tmp_path / "x.npy", (1, 8, 8)).images
    assert np.corrcoef(found.ravel(), coarse.ravel())[0, 1] > 0.9


def test_contrast_and_digest():
    images = np.zeros((2, 1, 2, 2), np.float32)
    images[:, :, 0] = 1
    assert References(images).contrast == pytest.approx(0.5)
    assert References(images).digest != References(images.reshape(2, 1, 1, 4)).digest


def save(path, array):
    np.save(path, array)


def test_sizes_and_kinds_may_be_mixed(tmp_path):
    write_png(tmp_path, "a.png", gradient())
    write_png(tmp_path, "b.png", gradient(8, 8, channels=3))
    write_png(tmp_path, "c.png", gradient(top=65535, dtype=np.uint16))
    with pytest.warns(PictureWarning, match=r"images of 1x10x12, 3x8x8 were all brought to 1x8x8"):
        found = load_references(tmp_path, (1, 8, 8)).images
    np.testing.assert_allclose(found[0], found[2], atol=0.01)


def truncated(folder):
    write_png(folder, "a.png", gradient(64, 64))
    data = (folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes(data[: len(data) // 2])


def pickled(folder):
    np.save(folder / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)


def two_arrays(folder):
    np.savez(folder / "x.npz", a=np.zeros(3), b=np.zeros(3))


MISTAKES = [
    (lambda f: None, "", "no image in the folder"),
    (lambda f: None, "missing", "no such file or folder; got .*missing; expected photographs, digits"),
    (truncated, "", "a.png: cannot be read as images"),
    (lambda f: (f / "a.png").write_text("no"), "", "a.png: cannot be read as images"),
    (lambda f: (f / "a.tif").write_text("no"), "", "a.tif: cannot be read as images"),
    (lambda f: (f / "x.npy").write_text("no"), "x.npy", "x.npy: cannot be read as images"),
    (pickled, "x.npy", "cannot be read as images: .*objects"),
    (two_arrays, "x.npz", "which array holds the images.; got a, b; expected one array, or one named images"),
    (lambda f: save(f / "x.npy", np.full((2, 8, 8), np.nan)), "x.npy", "NaN or infinite pixels"),
    (lambda f: save(f / "x.npy", np.full((2, 8, 8), 255.0)), "x.npy", "values out of range; got 255 to 255"),
    (lambda f: save(f / "x.npy", np.full((2, 8, 8), -3)), "x.npy", "values out of range; got -3"),
    (lambda f: save(f / "x.npy", np.full((2, 8, 8), "a")), "x.npy", "not numbers"),
    (lambda f: save(f / "x.npy", np.zeros((0, 8, 8))), "x.npy", "not a stack of images"),
    (lambda f: save(f / "x.npy", np.zeros((2, 2, 2, 8, 8))), "x.npy", r"not a stack of images; got shape \(2, 2, 2, 8, 8\)"),
    (lambda f: save(f / "x.npy", np.zeros((8, 9, 3))), "x.npy", r"one picture of 3 channels, or a stack of images 3 pixels wide.; .*a\[None\] or a\[:, None\]"),
    (lambda f: save(f / "x.npy", np.zeros((512, 512, 1))), "x.npy", r"one picture of 1 channels, or a stack"),
    (lambda f: save(f / "x.npy", np.zeros((512, 512, 2))), "x.npy", r"one picture of 2 channels, or a stack"),
    (lambda f: save(f / "x.npy", np.zeros((512, 512, 5))), "x.npy", r"one picture of 5 channels, or a stack"),
    (lambda f: save(f / "x.npy", np.zeros((20, 4096))), "x.npy", r"one picture, or a picture a row"),
    (lambda f: save(f / "x.npy", np.zeros((3, 80, 90, 8, 1))), "x.npy", r"not a stack of images"),
    (lambda f: save(f / "x.npy", np.full((2, 8, 8), 0.5)), "x.npy", "the reference images are constant"),
    (lambda f: save(f / "x.npy", np.random.default_rng(0).random((2, 5, 8, 8))), "x.npy", "channels do not fit; got 5 channels; expected 1"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "name", "message"), MISTAKES, ids=[m for _, _, m in MISTAKES])
def test_mistakes_are_named(tmp_path, make, name, message):
    make(tmp_path)
    with pytest.raises(FFLabelsError, match=message) as caught:
        load_references(tmp_path / name, (1, 8, 8))
    assert "\n" not in str(caught.value)


def test_an_array_is_read_as_its_file_is(tmp_path):
    deep = (np.random.default_rng(0).random((200, 8, 8)) * 500).astype(np.uint16)
    deep[1, 0, 0] = 60_000  # none of the 64 that are taken
    np.save(tmp_path / "deep.npy", deep)
    for value_range, largest in (("auto", 0.01), ("0:499", 1.01)):
        found, filed = (load_references(x, (1, 8, 8), value_range=value_range) for x in (deep, tmp_path / "deep.npy"))
        np.testing.assert_array_equal(found.images, filed.images)
        assert 0.9 * largest - 0.005 < found.images.max() < largest


def test_a_name_is_that_of_the_folder_and_in_unicode(tmp_path, monkeypatch):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    np.save(folder / "x.npy", np.random.default_rng(0).random((3, 8, 8)))
    write_png(folder, "a.png", gradient())
    monkeypatch.chdir(folder)
    assert load_references(".", (1, 8, 8)).name == "caf\ufffd"
    assert load_references("x.npy", (1, 8, 8)).name == "x.npy"


def test_photographs_are_those_whatever_folder_has_the_name(tmp_path, monkeypatch):
    for name in ("photographs/a", "photographs/b"):
        (tmp_path / name).mkdir(parents=True)
        write_png(tmp_path / name, "x.png", gradient())
    monkeypatch.chdir(tmp_path)
    assert load_classed("photographs", (1, 8, 8)).classes is None


def test_images_given_as_they_are_are_finite():
    with pytest.raises(FFLabelsError, match=r"given: NaN or infinite pixels"):
        load_references(References(np.full((2, 1, 8, 8), np.nan, np.float32)), (1, 8, 8))


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32])
def test_bytes_in_a_wide_type_are_not_called_constant(dtype):
    nothing = r"next to nothing of their type's range; got .*\(--range auto or LOW:HIGH"
    with pytest.warns(PictureWarning, match="8-bit data in"), pytest.raises(FFLabelsError, match=nothing):
        load_references(gradient().astype(dtype)[None, None], (1, 8, 8))
    assert load_references(gradient().astype(dtype)[None, None], (1, 8, 8), value_range="auto").contrast > 0.1


def test_references_without_an_image_are_refused():
    with pytest.raises(FFLabelsError, match="given: no images"):
        load_references(References(np.empty((0, 1, 8, 8), np.float32)), (1, 8, 8))


def test_names_that_no_file_can_have_are_one_line(tmp_path):
    with pytest.raises(FFLabelsError, match=r"cannot be read: File name too long"):
        load_references("a" * 300, (1, 8, 8))
    for name in ("a" * 300, "x:" + "a" * 300, "a\0b"):
        with pytest.raises(FFLabelsError):
            open_set(name)
        with pytest.raises(FFLabelsError, match="cannot be written"):
            named_set("fourier:paper10").save(tmp_path / name)
