import numpy as np
import pytest
from fflabels_wavelet import FAMILIES, Wavelet, WaveletRecipe

from fflabels import FFLabelsError
from fflabels.testing import LabelerTests

X = np.random.default_rng(0).random((4, 2, 16, 24))


class TestWavelet(LabelerTests):
    labeler = Wavelet()


class TestDeep(LabelerTests):
    labeler = Wavelet(levels=4, wavelets=("sym4", "coif1"))


@pytest.mark.parametrize("wavelet", FAMILIES)
def test_gains_of_one_leave_the_image_and_of_zero_its_mean(wavelet):
    one = WaveletRecipe(wavelet, 1, ((1, 1, 1), (1, 1, 1)))
    np.testing.assert_allclose(Wavelet().imprint(X, one), X, atol=1e-12)
    none = WaveletRecipe(wavelet, 0, ((0, 0, 0), (0, 0, 0)))
    np.testing.assert_allclose(Wavelet().imprint(X, none), np.broadcast_to(X.mean((2, 3), keepdims=True), X.shape))


def test_the_finest_haar_detail_is_what_two_by_two_means_leave():
    means = X.reshape(4, 2, 8, 2, 12, 2).mean((3, 5)).repeat(2, 2).repeat(2, 3)
    smooth = Wavelet().imprint(X, WaveletRecipe("haar", 1, ((0, 0, 0),)))
    np.testing.assert_allclose(smooth, means, atol=1e-12)
    flipped = Wavelet().imprint(X, WaveletRecipe("haar", 1, ((-1, -1, -1),)))
    np.testing.assert_allclose(flipped, np.clip(2 * means - X, 0, 1), atol=1e-12)


def test_images_too_small_are_refused():
    with pytest.raises(FFLabelsError, match="too small for a wavelet"):
        Wavelet().propose(np.random.default_rng(0), (1, 3, 16))
