"""Contact sheets: every label is on it, drawn as it is embedded."""

import numpy as np
import pytest
from PIL import Image

from fflabels import FFLabelsError, design, gallery, named_set
from fflabels.gallery import contact_sheet, save_sheet
from fflabels.images import load_references


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 32, 32), (4, 20, 12), (1, 300, 200)])
def test_a_sheet_at_any_shape(shape):
    sheet = contact_sheet(named_set("fourier:paper10"), shape=shape)
    assert sheet.width < 4000
    assert len(set(sheet.getdata() if not hasattr(sheet, "get_flattened_data") else sheet.get_flattened_data())) > 50


@pytest.mark.slow
def test_the_intensity_shows_and_every_label_has_its_own_look():
    labels = design("morph", 5, candidates=30, shape=(1, 16, 16))
    weak, strong = (np.asarray(contact_sheet(labels, intensity=k)).astype(int) for k in (0.0, 0.9))
    assert np.abs(weak - strong).mean() > 2
    images = load_references(None, (1, 16, 16)).images[:1]
    assert len({gallery.strip(labels, k, images).tobytes() for k in range(5)}) == 5


def test_it_says_where_the_scores_were_taken_and_is_as_wide_as_that():
    labels = design("fourier", 2, candidates=4, shape=(1, 8, 8))
    assert gallery._title(labels).endswith("scored at 1x8x8 on photographs")
    assert contact_sheet(labels, shape=(1, 12, 12)).width > 600


def test_of_very_many_labels_the_first_are_shown(monkeypatch):
    monkeypatch.setattr(gallery, "MAX_SHOWN", 4)
    labels = named_set("fourier:paper10")
    first = type(labels)(labels.recipes[:4], labels.labeler)
    assert contact_sheet(labels, shape=(1, 16, 16)).size == contact_sheet(first, shape=(1, 16, 16)).size
    assert gallery._title(labels) == "10 fourier labels · the first 4"


def test_it_is_saved_whole(tmp_path):
    sheet = contact_sheet(named_set("fourier:paper10"), shape=(1, 16, 16))
    save_sheet(sheet, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as found:
        np.testing.assert_array_equal(np.asarray(found), np.asarray(sheet))
    with pytest.raises(FFLabelsError, match="cannot be written"):
        save_sheet(sheet, tmp_path / "missing" / "a.png")
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_labels_of_several_channels_show_every_channel():
    labels = named_set("waves:reed-solomon", 4, (8, 16, 16))
    few, many = contact_sheet(labels), contact_sheet(named_set("waves:reed-solomon", 4, (16, 16, 16)))
    assert many.width >= few.width + 8 * gallery.SIDE
    channels = labels.labeler.patterns(labels.recipes[:1], (8, 16, 16))[0]
    tiles = np.asarray(gallery.strip(labels, 0, np.zeros((1, 8, 16, 16), np.float32)).convert("L"))
    for k, channel in enumerate(channels):  # each pixel is enlarged four times
        tile = tiles[::4, k * (gallery.SIDE + gallery.GAP) :][:, : gallery.SIDE : 4]
        np.testing.assert_allclose(tile / 255, channel, atol=1 / 255)


def test_each_label_is_drawn_alone(monkeypatch):
    drawn, labels = [], named_set("fourier:paper10")
    imprint = type(labels.labeler).imprint
    monkeypatch.setattr(type(labels.labeler), "imprint", lambda self, *args: drawn.append(1) or imprint(self, *args))
    contact_sheet(labels, shape=(1, 16, 16))
    assert len(drawn) <= 2 * len(labels)
