"""Geometry and intensity operators against NumPy, scipy and plain formulas; what they refuse."""

import msgspec
import numpy as np
import pytest
from scipy import ndimage

from fflabels import operators as ops

X = np.random.default_rng(0).random((3, 2, 12, 12), dtype=np.float32)
WIDE = np.random.default_rng(1).random((2, 1, 9, 14), dtype=np.float32)


def resampled(x, coordinates):
    """Return scipy's linear interpolation of each image, mirrored far beyond its borders."""
    pad = 60
    found = np.empty_like(x)
    for i, j in np.ndindex(x.shape[:2]):
        wide = np.pad(x[i, j], pad, mode="symmetric")
        found[i, j] = ndimage.map_coordinates(wide, [c + pad for c in coordinates], order=1)
    return found


@pytest.mark.parametrize("x", [X, WIDE], ids=["square", "wide"])
def test_geometry_equals_numpy(x):
    np.testing.assert_array_equal(ops.Flip("horizontal")(x), x[..., ::-1])
    np.testing.assert_array_equal(ops.Flip("vertical")(x), x[..., ::-1, :])
    np.testing.assert_array_equal(ops.Rotate(2)(x), np.rot90(x, 2, axes=(2, 3)))
    h, w = x.shape[2:]
    np.testing.assert_array_equal(ops.Shift(0.25, -0.5)(x), np.roll(x, (round(h / 4), -round(w / 2)), (2, 3)))
    if h == w:
        for k in (1, 3):
            np.testing.assert_array_equal(ops.Rotate(k)(x), np.rot90(x, k, axes=(2, 3)))
        np.testing.assert_array_equal(ops.Transpose()(x), x.swapaxes(2, 3))


@pytest.mark.parametrize("x", [X, WIDE], ids=["square", "wide"])
@pytest.mark.parametrize("factor", [-1.0, -0.25, 0.5, 2.0])
def test_shear_equals_scipys_interpolation(x, factor):
    y, c = np.mgrid[: x.shape[2], : x.shape[3]].astype(float)
    horizontal = resampled(x, (y, c + factor * (y - (x.shape[2] - 1) / 2)))
    np.testing.assert_allclose(ops.Shear("horizontal", factor)(x), horizontal, atol=1e-5)
    vertical = resampled(x, (y + factor * (c - (x.shape[3] - 1) / 2), c))
    np.testing.assert_allclose(ops.Shear("vertical", factor)(x), vertical, atol=1e-5)


@pytest.mark.parametrize("x", [X, WIDE], ids=["square", "wide"])
@pytest.mark.parametrize("factor", [0.5, 0.75, 1.5, 3.0])
def test_zoom_equals_scipys_interpolation(x, factor):
    y, c = np.mgrid[: x.shape[2], : x.shape[3]].astype(float)
    cy, cx = (x.shape[2] - 1) / 2, (x.shape[3] - 1) / 2
    np.testing.assert_allclose(
        ops.Zoom(factor)(x), resampled(x, (cy + (y - cy) / factor, cx + (c - cx) / factor)), atol=1e-5
    )


@pytest.mark.parametrize("sigma", [0.75, 2.0, 4.0])
def test_blur_and_sharpen_equal_scipys_gaussian(sigma):
    blurred = ndimage.gaussian_filter(X.astype(float), sigma, mode="reflect", axes=(2, 3))
    np.testing.assert_allclose(ops.Blur(sigma)(X), blurred, atol=1e-5)
    fine = ndimage.gaussian_filter(X.astype(float), 1.0, mode="reflect", axes=(2, 3))
    np.testing.assert_allclose(ops.Sharpen(4.0)(X), np.clip(X + 4 * (X - fine), 0, 1), atol=1e-5)


def test_intensity_equals_its_formula():
    np.testing.assert_array_equal(ops.Invert()(X), 1 - X)
    found = ops.Posterize(4)(X)
    np.testing.assert_allclose(np.unique(found), [0, 1 / 3, 2 / 3, 1], atol=1e-6)
    np.testing.assert_allclose(found, np.minimum(np.floor(X * 4), 3) / 3, atol=1e-6)
    assert ops.Posterize(2)(np.ones((1, 1, 1, 1))) == 1


@pytest.mark.parametrize(("angle", "ahead"), [(0, (0, 1)), (45, (-1, 1)), (90, (1, 0)), (135, (1, 1))])
def test_edge_is_a_directional_difference(angle, ahead):
    dy, dx = 2 * ahead[0], 2 * ahead[1]
    found = ops.Edge(angle, 2)(WIDE)
    for y in range(9):
        for x in range(14):
            a = WIDE[:, :, np.clip(y + dy, 0, 8), np.clip(x + dx, 0, 13)]
            b = WIDE[:, :, np.clip(y - dy, 0, 8), np.clip(x - dx, 0, 13)]
            np.testing.assert_allclose(found[:, :, y, x], 0.5 + (a - b) / 2, atol=1e-6)


def test_every_operator_draws_itself_and_reads_back():
    rng = np.random.default_rng(0)
    for family, kinds in ops.OPERATORS.items():
        for kind in kinds:
            for _ in range(20):
                operator = kind.draw(rng)
                assert operator.family == family
                text = msgspec.json.encode(operator)
                assert msgspec.json.decode(text, type=ops.AnyOperator) == operator


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"op":"erode","footprint":"disk","width":4}', "disk: bad width; got 4"),
        ('{"op":"erode","footprint":"square","width":9}', "<= 7 - at `\\$.width`"),
        ('{"op":"melt"}', "Invalid value 'melt'"),
        ('{"op":"invert","much":1}', "unknown field `much`"),
        ('{"op":"rotate","quarters":4}', "quarters"),
        ('{"op":"shift","dy":1.5,"dx":0}', "dy"),
        ('{"op":"zoom","factor":null}', "factor"),
        ('{"op":"edge","angle":30,"step":1}', "angle"),
    ],
)
def test_bad_operators_are_refused_by_field(text, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.json.decode(text, type=ops.AnyOperator)


@pytest.mark.parametrize(
    "make",
    [lambda: ops.Zoom(9.0), lambda: ops.Rotate(0), lambda: ops.Blur(0.0), lambda: ops.Sharpen(-1.0), lambda: ops.Shear("vertical", 3.0), lambda: ops.Posterize(1), lambda: ops.Edge(0, 9), lambda: ops.Shift(0.0, 2.0)],
)  # fmt: skip
def test_bad_values_are_refused_at_once(make):
    with pytest.raises(ValueError, match="out of range"):
        make()
