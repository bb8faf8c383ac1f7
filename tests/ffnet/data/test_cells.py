"""The generated cells: the same bytes everywhere, every kind as often, each picture on its own."""

import hashlib

import numpy as np

from ffnet.data.cells import COSINES, KINDS, cells, cosine, ellipse


def test_the_bytes_are_the_same_on_every_machine():
    images, kinds = cells(14, seed=0)
    assert images.shape == (14, 3, 64, 64)
    assert images.dtype == np.uint8
    assert hashlib.sha256(images.tobytes()).hexdigest()[:16] == "621ea1cb664e012f"
    assert np.bincount(kinds).tolist() == [2] * len(KINDS)


def test_a_picture_depends_on_the_seed_and_its_place_alone():
    few, _ = cells(3, seed=5)
    more, _ = cells(7, seed=5)
    assert (few == more[:3]).all()
    assert (few != cells(3, seed=6)[0]).mean() > 0.5


def test_cosines_and_areas_are_right():
    assert tuple(np.round(256 * np.cos(np.arange(12) * np.pi / 12)).astype(int)) == COSINES
    assert [cosine(k) for k in (12, 18, -6)] == [-256, 0, 0]
    for direction in (0, 5, 17):
        area = ellipse((512, 512), 240, 160, direction).sum() / 256
        assert abs(area - np.pi * 15 * 10) < 15
