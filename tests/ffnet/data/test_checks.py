"""Arrays from Python are checked before anything is made of them."""

import warnings

import numpy as np
import pytest
import torch
from reference import TWO_LAYERS

import ffnet
from fflabels.errors import FFLabelsError
from ffnet.data.arrays import images_of
from ffnet.data.dataset import Data, Split
from ffnet.data.images import DarkImagesWarning, image_array
from ffnet.prepare import check_run

X = np.zeros((6, 8, 8))
Y = [0, 1] * 3


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((6, 8, 8, 1)), r"X: channels last; got shape \(6, 8, 8, 1\); .*X.transpose"),
        (np.zeros((6, 8, 8, 2)), r"X: channels last; got shape \(6, 8, 8, 2\)"),
        (np.zeros((6, 8, 8), complex), r"X: not numbers; got complex128"),
        (np.full((6, 8, 8), "a"), r"X: not numbers; got <U1"),
        ([[1, 2], [3]], r"X: rows of different lengths"),
        (None, r"X: not numbers; got object"),
    ],
)
def test_images_that_nothing_can_be_fitted_to_are_refused_in_one_line(X, message):
    for check in (image_array, images_of):
        with pytest.raises(FFLabelsError, match=message):
            check(X)


@pytest.mark.parametrize(
    "X",
    [
        np.zeros((6, 8, 8, 1)), np.zeros((6, 8, 8, 2)), np.zeros((6, 8, 8), complex), np.full((6, 8, 8), "a"),
        [[1, 2], [3]],
    ],
)  # fmt: skip
def test_an_estimator_refuses_them_before_it_trains(X, monkeypatch):
    monkeypatch.setattr("ffnet.estimator.fit", lambda *_: pytest.fail("trained"))
    with pytest.raises(ValueError, match=r"channels last|[Cc]omplex|convert|not numbers|inhomogeneous|different"):
        ffnet.FFClassifier().fit(X, Y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1, 2, 3, 4, np.nan], "y contains NaN"),
        (np.linspace(0, 1, 6), "label type: continuous"),
        (np.zeros(6, complex), "Complex data"),
        ([None] * 6, "label type: unknown|contains None"),
        (None, "requires y to be passed"),
        (np.eye(6), "y should be a 1d array"),
        ([0, 1], "inconsistent numbers of samples"),
    ],
)
def test_an_estimator_refuses_what_is_no_class(y, message):
    with pytest.raises(ValueError, match=message):
        ffnet.FFClassifier().fit(X, y)


def test_bytes_of_a_mask_are_called_dark():
    with pytest.warns(DarkImagesWarning, match=r"X: all bytes are 0 or 1, .* X.astype\(bool\) takes 1 as white"):
        image_array(np.eye(8, dtype=np.uint8)[None])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for mask in (np.eye(8, dtype=bool), 255 * np.eye(8, dtype=np.uint8), np.zeros((8, 8), np.uint8)):
            image_array(mask[None])


def data_set(classes, images=None):
    images = torch.zeros(12, 1, 16, 16, dtype=torch.uint8) if images is None else images
    train = Split(images, classes)
    return Data("mine", train, train[:0], train, ("a", "b"))


RIGHT = torch.arange(12) % 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (data_set(RIGHT.int()), r"data set mine, train: not one class per image; got torch.int32 of shape \(12,\)"),
        (data_set(RIGHT.float()), r"not one class per image; got torch.float32"),
        (data_set(RIGHT[:6]), r"not one class per image; got torch.int64 of shape \(6,\); .*\(12,\)"),
        (data_set(RIGHT + 1), r"no such class; got classes from 1 to 2; expected 0 to 1, one for each of the 2"),
        (data_set(RIGHT - 1), r"no such class; got classes from -1 to 0"),
        (data_set(RIGHT, torch.full((12, 1, 16, 16), torch.nan)), r"mine, train: images: out of range"),
        (data_set(RIGHT, torch.zeros(12, 16, 16)), r"mine, train: not images; got shape \(12, 16, 16\)"),
        (data_set(RIGHT, torch.zeros(12, 1, 16, 16, dtype=torch.int16)), r"neither bytes nor floats"),
    ],
)
def test_a_data_set_that_cannot_be_trained_on_is_refused_before_a_folder_is_made(tmp_path, data, message):
    config = ffnet.Config().override([*TWO_LAYERS, "train.epochs=1", "labels.candidates=16"])
    with pytest.raises(FFLabelsError, match=message):
        ffnet.train(config, out=tmp_path / "run", data=data)
    assert not (tmp_path / "run").exists()
    with pytest.raises(FFLabelsError, match=message):
        ffnet.label_set(config, data)


def test_all_splits_are_checked():
    train = data_set(RIGHT).train
    other = Split(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(FFLabelsError, match="mine, validation: images: images do not fit the net"):
        ffnet.label_set(ffnet.Config(), Data("mine", train, other, train, ("a", "b")))


def test_one_image_on_maps_of_one_pixel_has_no_variance():
    data = ffnet.load_data(ffnet.Config().override(["data.limit=200", "data.size=8"]).data)
    config = ffnet.Config().override(["net.norm=batch", "train.batch=1", "net.widths=[4,4]", "net.pools=[8,1]"])
    with pytest.raises(FFLabelsError, match=r"net.norm: one value per channel has no variance"):
        check_run(config, data)
    check_run(config.override(["train.batch=2"]), data)


def test_a_single_class_is_refused():
    split = Split(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(FFLabelsError, match="classes: nothing to tell apart; got 1; expected 2 or more"):
        check_run(ffnet.Config(), ffnet.Data("one", split, split, split, ("a",)))
