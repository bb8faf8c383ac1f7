"""The values of pictures in a folder that are black and white: by type, as given, and as found."""

import numpy as np
import pytest
import tifffile

from fflabels.errors import FFLabelsError, PictureWarning
from ffnet.config import Config
from ffnet.data.folders import read_pictures, with_range
from ffnet.data.load import check_range, load_data


@pytest.fixture
def folder(tmp_path):
    """Return a folder of two classes, 12-bit data in 16-bit files."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for k in range(6):
            pixels = rng.integers(0, 4096, (8, 8)).astype(np.uint16)
            tifffile.imwrite(tmp_path / name / f"{k}.tif", pixels)
    return tmp_path


def config_of(folder, value_range):
    return Config().replaced({"data.name": str(folder), "data.range": value_range}).data


def largest(data):
    return max(int(part.images.max()) for part in (data.train, data.validation, data.test))


def test_12_bit_data_in_16_bit_files_are_named_by_default(folder):
    with pytest.warns(PictureWarning, match="12-bit data in 16-bit files"):
        data = load_data(config_of(folder, "type"))
    assert largest(data) == 16


@pytest.mark.parametrize("value_range", ["auto", "0:4095"])
def test_they_take_all_256_grey_levels_by_their_own_range(folder, value_range):
    config = config_of(folder, value_range)
    assert largest(load_data(config)) == 255
    assert with_range(config).range == "0:4095"
    [found] = read_pictures([folder / "cat" / "0.tif"], (1, 8, 8), with_range(config).range)
    stored = tifffile.imread(folder / "cat" / "0.tif")
    assert np.abs(found[0].numpy() - stored / 4095 * 255).max() <= 0.5


def test_pictures_that_are_not_read_do_not_count_for_auto(folder):
    white = np.full((8, 8), 65535, np.uint16)
    for place in (".cache", "cat/thumbs", "run"):
        (folder / place).mkdir()
        tifffile.imwrite(folder / place / "white.tif", white)
    (folder / "run" / "run.json").touch()
    tifffile.imwrite(folder / "beside.tif", white)
    (folder / "run" / "white.tif").rename(folder / "cat" / "thumbs" / "more.tif")
    assert with_range(config_of(folder, "auto")).range == "0:4095"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", [0, 5])
def test_auto_leaves_pixels_that_are_no_numbers_to_the_reader(tmp_path, bad, place):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for k in range(6):
            pixels = np.full((8, 8), 400, np.float32)
            pixels[0, 0] = bad if k == place else 0
            tifffile.imwrite(tmp_path / name / f"{k}.tif", pixels)
    config = config_of(tmp_path, "auto")
    assert with_range(config).range == "0:511"
    with pytest.raises(FFLabelsError, match=rf"cat/{place}.tif.*NaN or infinite pixels"):
        load_data(config)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data.name": "digits", "data.range": "auto"}, "data.range: does not apply to digits; got auto"),
        ({"data.name": "digits", "data.range": "0:9"}, "data.range: does not apply to digits; got 0:9"),
        ({"data.name": "mine", "data.range": "auto"}, "data.range: needs a folder of pictures; got auto"),
    ],
)
def test_a_range_where_none_applies_is_refused(settings, message, tmp_path, monkeypatch):
    (tmp_path / "digits").mkdir()  # the data set has the name, not the folder
    monkeypatch.chdir(tmp_path)
    data = Config().replaced(settings).data
    with pytest.raises(FFLabelsError, match=message):
        check_range(data) or with_range(data)


def test_a_range_that_is_none_is_refused():
    with pytest.raises(FFLabelsError, match=r"data.range: not a range of values.*expected type, auto or LOW:HIGH"):
        Config().replaced({"data.range": "12"})
