import numpy as np
import pytest
from fflabels_gabor import Gabor, GaborRecipe, texture

from fflabels import FFLabelsError
from fflabels.testing import LabelerTests


class TestGabor(LabelerTests):
    labeler = Gabor()


class TestNarrow(LabelerTests):
    labeler = Gabor(spread=0.1, max_frequency=3.0, min_frequency=2.0)


@pytest.mark.parametrize(("frequency", "orientation"), [(8, 0), (8, 90), (12, 45), (16, 120)])
def test_the_spectrum_is_where_the_recipe_says(frequency, orientation):
    power = np.abs(np.fft.fft2(texture(GaborRecipe(frequency, orientation, 0.5, 3), 128, 128) - 0.5)) ** 2
    fy, fx = np.meshgrid(*(2 * [np.fft.fftfreq(128, 1 / 128)]), indexing="ij")
    y, x = frequency * np.sin(np.radians(orientation)), frequency * np.cos(np.radians(orientation))
    near = np.minimum(np.hypot(fy - y, fx - x), np.hypot(fy + y, fx + x)) < 3
    assert power[near].sum() > 0.9 * power.sum()


def test_every_label_has_the_contrast_of_even_grey():
    found = [texture(GaborRecipe(5.0, 30.0, 0.5, seed), 64, 64).std() for seed in range(20)]
    assert np.allclose(found, 1 / np.sqrt(12), atol=0.04)


def test_frequencies_that_do_not_fit_are_refused():
    with pytest.raises(FFLabelsError, match="min_frequency: above a quarter of the image's width; got 5"):
        Gabor(min_frequency=5.0).propose(np.random.default_rng(0), (1, 16, 16))
    with pytest.raises(FFLabelsError, match=r"max_frequency: below min_frequency; got 2.0; expected at least 3"):
        Gabor(min_frequency=3.0, max_frequency=2.0)
