"""Contact sheets of codes: values and correlations can be read off the pixels."""

import numpy as np
import pytest

from fflabels import FFLabelsError, LabelSet, gallery, named_set
from fflabels.code_sheet import ALIKE, HEAD, INK, ITSELF, OPPOSITE, PAPER, code_sheet
from fflabels.gallery import contact_sheet
from fflabels.labelers.code import CodeRecipe


def pixels(picture):
    return np.asarray(picture).astype(int)


def test_values_and_correlations_are_drawn_side_by_side():
    values = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 0, 0]], float)
    sheet = pixels(code_sheet(values, np.corrcoef(values).astype(np.float32), "three codes"))
    row, channel, left = 24, 16, 46
    for y, x in np.ndindex(3, 4):
        colour = sheet[HEAD + y * row + row // 2, left + x * channel + channel // 2]
        assert tuple(colour) == (INK if values[y, x] else PAPER)
    right = left + 4 * channel + 28 + 34
    found = [[tuple(sheet[HEAD + y * row + 12, right + x * row + 12]) for x in range(3)] for y in range(3)]
    assert found == [[ITSELF, OPPOSITE, PAPER], [OPPOSITE, ITSELF, PAPER], [PAPER, PAPER, ITSELF]]


def test_the_scale_ends_at_the_largest_correlation():
    values = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 0, 1]], float)
    correlations = np.corrcoef(values).astype(np.float32)
    sheet = pixels(code_sheet(values, correlations, ""))
    assert np.abs(correlations - np.eye(3)).max() < 0.6
    assert (sheet == ALIKE).all(axis=2).any() or (sheet == OPPOSITE).all(axis=2).any()


@pytest.mark.parametrize(("n", "width"), [(1, 2), (2, 3), (10, 64), (63, 64), (200, 512)])
def test_a_sheet_of_any_size_is_no_larger_than_a_screen(n, width):
    values = np.random.default_rng(0).integers(0, 2, (n, width)).astype(float)
    values[:, 0], values[:, 1] = 0, 1
    labels = LabelSet([CodeRecipe(tuple(row)) for row in values.tolist()], "code")
    sheet = contact_sheet(labels)
    assert 300 < sheet.width < 1900
    assert sheet.height < 700


def test_shades_are_between_white_and_black():
    sheet = pixels(contact_sheet(LabelSet([CodeRecipe((0, 0.5, 1))], "code")))
    middle = np.round((np.array(PAPER) + INK) / 2)
    assert (np.abs(sheet - middle).max(axis=2) <= 1).sum() > 100


def test_title_and_strip(monkeypatch):
    labels = named_set("code:hadamard", 5, (8, 1, 1))
    scored = LabelSet(labels.recipes, labels.labeler, labels.provenance, labels.score().scores)
    assert gallery._title(scored) == "5 code labels · largest pearson 0.000 · scored at 8x1x1"
    strip = pixels(gallery.strip(labels, 2, np.empty((0, 8, 1, 1), np.float32)))
    np.testing.assert_array_equal(strip[5, 8::16, 0] == INK[0], labels.codes()[2] == 1)
    monkeypatch.setattr(gallery, "MAX_SHOWN", 3)
    assert contact_sheet(labels).height < contact_sheet(named_set("fourier:low10")).height


def test_class_names_stand_at_the_rows():
    labels = LabelSet([CodeRecipe((0, 0.5, 1)), CodeRecipe((1, 0.5, 0))], "code")
    named = contact_sheet(labels, names=["basophil", "a much longer name of a class"])
    assert named.width > contact_sheet(labels).width
    assert named.height == contact_sheet(labels).height


def test_one_name_per_label_is_needed():
    with pytest.raises(FFLabelsError, match="names: not one per label; got 1; expected 4"):
        contact_sheet(named_set("code:hadamard", 4, (16, 1, 1)), names=["a"])
