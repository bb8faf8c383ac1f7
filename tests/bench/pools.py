"""The pools that selection is measured on: (2000, 2000) similarities, from fixed seeds."""

import numpy as np

from fflabels import get_labeler, load_references, propose, similarity

COUNT, N = 2000, 100
SHAPE = (1, 32, 32)


def fourier(**parameters):
    """|Pearson| of continuous Fourier labels."""
    labeler = get_labeler("fourier", frequencies="continuous", **parameters)
    return of_labels(labeler)


def of_labels(labeler):
    """|Pearson| of a labeler's candidates on 64 photographs."""
    references = load_references(None, SHAPE)
    pool = propose(labeler, COUNT, shape=SHAPE, references=references)
    return similarity(pool, labeler, shape=SHAPE, references=references)


def gaussian(dimensions, count=COUNT):
    """|Products| of random unit vectors."""
    x = np.random.default_rng(0).standard_normal((count, dimensions))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return np.abs(x @ x.T).astype(np.float32)


# name: (what makes it, floor against RDKit's MaxMinPicker, floor against the best of 50 greedy starts)
POOLS = {
    "Fourier, 1 wave": (lambda: fourier(waves=1, max_frequency=16), 0.72, 0.75),
    "Fourier, 3 waves": (lambda: fourier(waves=3, max_frequency=16), 0.72, 0.75),
    "Fourier, f < 6": (lambda: fourier(waves=1, max_frequency=6), 0.72, 0.75),
    "morphology": (lambda: of_labels(get_labeler("morph")), 0.95, 0.97),
    "Gaussian, 64 dimensions": (lambda: gaussian(64), 0.94, 0.96),
    "Gaussian, 256 dimensions": (lambda: gaussian(256), 0.94, 0.96),
    "Gaussian, 1024 dimensions": (lambda: gaussian(1024), 0.94, 0.96),
}
