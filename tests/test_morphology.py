"""Grey operators equal scikit-image's bit for bit, on NumPy, torch and strict array-API arrays."""

import numpy as np
import pytest
from skimage import morphology as sm

from fflabels import FFLabelsError, morphology

SHAPES = [(2, 1, 9, 9), (1, 3, 5, 11), (1, 1, 1, 1), (2, 1, 2, 3), (1, 2, 13, 4)]


def footprint(name, width):
    match name:
        case "square":
            return np.ones((width, width))
        case "line0":
            return np.ones((1, width))
        case "line90":
            return np.ones((width, 1))
        case "line135":
            return np.eye(width)
        case "line45":
            # Even: in a frame one larger, so that the centre belongs to it.
            return np.eye(width)[::-1] if width % 2 else np.pad(np.eye(width)[::-1], ((0, 1), (1, 0)))
    return (sm.disk if name == "disk" else sm.diamond)(width // 2)


REFERENCES = {
    "erode": sm.erosion,
    "dilate": sm.dilation,
    "opening": sm.opening,
    "closing": sm.closing,
    "gradient": lambda x, f, mode: sm.dilation(x, f, mode=mode) - sm.erosion(x, f, mode=mode),
    "white_tophat": lambda x, f, mode: x - sm.opening(x, f, mode=mode),
    "black_tophat": lambda x, f, mode: sm.closing(x, f, mode=mode) - x,
}
EVERY = [(f, w) for f in morphology.FOOTPRINTS for w in range(2, 8) if w % 2 or f not in morphology.ODD_FOOTPRINTS]


def images(shape, dtype=np.float32):
    return np.random.default_rng(sum(shape)).random(shape).astype(dtype)


@pytest.mark.parametrize(("name", "width"), EVERY)
@pytest.mark.parametrize("operator", REFERENCES)
def test_it_equals_scikit_image(operator, name, width):
    for shape in SHAPES:
        for dtype in (np.float32, np.float64):
            x = images(shape, dtype)
            found = getattr(morphology, operator)(x, name, width)
            reference = REFERENCES[operator]
            expected = [[reference(c, footprint(name, width), mode="ignore") for c in image] for image in x]
            np.testing.assert_array_equal(found, np.array(expected))
            assert found.dtype == dtype


@pytest.mark.parametrize(("name", "width"), EVERY)
def test_torch_and_strict_arrays_give_the_same_bits(name, width):
    torch, strict = pytest.importorskip("torch"), pytest.importorskip("array_api_strict")
    x = images((3, 2, 9, 7))
    for operator in REFERENCES:
        run = getattr(morphology, operator)
        expected = run(x, name, width)
        np.testing.assert_array_equal(run(torch.from_numpy(x), name, width).numpy(), expected)
        np.testing.assert_array_equal(np.asarray(run(strict.asarray(x), name, width)), expected)


@pytest.mark.parametrize(("name", "width"), EVERY)
def test_every_footprint_holds_its_centre_and_mirrors_twice_into_itself(name, width):
    pieces = morphology.pieces(name, width)
    offsets = morphology.offsets(pieces)
    assert (0, 0) in offsets
    assert len(offsets) == footprint(name, width).sum()
    assert morphology.offsets(morphology.mirrored(pieces)) == {(-y, -x) for y, x in offsets}


@pytest.mark.parametrize(
    ("name", "width", "message"),
    [
        ("square", 8, "square: bad width; got 8; expected 2 to 7 pixels"),
        ("square", 1, "square: bad width; got 1"),
        ("disk", 4, "disk: bad width; got 4; expected an odd number"),
        ("dsik", 3, "unknown footprint; got dsik .did you mean 'disk'"),
    ],
)
def test_bad_footprints_are_named(name, width, message):
    with pytest.raises(FFLabelsError, match=message):
        morphology.dilate(images((1, 1, 4, 4)), name, width)
