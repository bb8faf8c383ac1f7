"""The baseline: morphology labels as one writes them with scikit-image and scipy, image by image."""

import numpy as np
from scipy import ndimage
from skimage import morphology as sm

from fflabels import operators as ops

GREY = {
    ops.Erode: sm.erosion,
    ops.Dilate: sm.dilation,
    ops.Open: sm.opening,
    ops.Close: sm.closing,
    ops.WhiteTophat: lambda x, f, mode: x - sm.opening(x, f, mode=mode),
    ops.BlackTophat: lambda x, f, mode: sm.closing(x, f, mode=mode) - x,
    ops.Gradient: lambda x, f, mode: sm.dilation(x, f, mode=mode) - sm.erosion(x, f, mode=mode),
}


def footprint(name, width):
    """Return the footprint as scikit-image takes it."""
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
            return np.eye(width)[::-1] if width % 2 else np.pad(np.eye(width)[::-1], ((0, 1), (1, 0)))
    return (sm.disk if name == "disk" else sm.diamond)(width // 2)


def apply(operator, x):
    """Return one operator of one image (H, W)."""
    h, w = x.shape
    match operator:
        case ops.Grey():
            return GREY[type(operator)](x, footprint(operator.footprint, operator.width), mode="ignore")
        case ops.Flip():
            return x[:, ::-1] if operator.axis == "horizontal" else x[::-1]
        case ops.Rotate():
            return np.rot90(x, operator.quarters)
        case ops.Transpose():
            return x.T
        case ops.Shift():
            return np.roll(x, (round(operator.dy * h), round(operator.dx * w)), (0, 1))
        case ops.Shear():
            matrix = np.array(
                [[1, operator.factor], [0, 1]] if operator.axis == "vertical" else [[1, 0], [operator.factor, 1]]
            )
            centre = np.array([(h - 1) / 2, (w - 1) / 2])
            return ndimage.affine_transform(x, matrix, centre - matrix @ centre, order=1, mode="reflect")
        case ops.Zoom():
            matrix = np.eye(2) / operator.factor
            centre = np.array([(h - 1) / 2, (w - 1) / 2])
            return ndimage.affine_transform(x, matrix, centre - matrix @ centre, order=1, mode="reflect")
        case ops.Invert():
            return 1 - x
        case ops.Posterize():
            return np.clip(np.floor(x * operator.levels), 0, operator.levels - 1) / (operator.levels - 1)
        case ops.Blur():
            return ndimage.gaussian_filter(x, operator.sigma, mode="reflect")
        case ops.Sharpen():
            return np.clip(x + operator.amount * (x - ndimage.gaussian_filter(x, 1.0, mode="reflect")), 0, 1)
        case ops.Edge():
            dy, dx = {0: (0, 1), 45: (-1, 1), 90: (1, 0), 135: (1, 1)}[operator.angle]
            padded = np.pad(x, operator.step, mode="edge")
            moved = [padded[operator.step * (1 + s * dy) :][:h, operator.step * (1 + s * dx) :][:, :w] for s in (1, -1)]
            return 0.5 + 0.5 * (moved[0] - moved[1])
    raise AssertionError(operator)


def select_labels(labeler, count, n, images, draws):
    """Return n of `count` candidates, and the candidates' similarity: draw, imprint image by image, correlate, pick."""
    recipes = [labeler.propose(np.random.default_rng([0, j]), images.shape[1:]) for j in range(draws)]
    residuals = np.empty((len(images), draws, images[0].size), np.float32)
    for k, recipe in enumerate(recipes):
        for i, image in enumerate(images):
            x = image[0]
            for operator in recipe.chain:
                x = apply(operator, x)
            residuals[i, k] = (x - image[0]).ravel()
    contrast = np.sqrt(np.mean([image.var() for image in images]))
    visible = np.sqrt((residuals**2).mean(axis=(0, 2))) >= contrast
    residuals, total = residuals[:, visible], 0
    with np.errstate(invalid="ignore", divide="ignore"):
        for each in residuals:
            total = total + np.nan_to_num(np.corrcoef(each))
    alike = np.abs(total / len(images))
    kept = []
    for k in range(len(alike)):
        if len(kept) < count and (alike[k, kept] <= 0.999).all():
            kept.append(k)
    alike = alike[np.ix_(kept, kept)]
    chosen = [int(alike.mean(axis=0).argmin())]
    while len(chosen) < n:
        closest = alike[chosen].max(axis=0)
        closest[chosen] = np.inf
        chosen.append(int(closest.argmin()))
    return chosen, alike
