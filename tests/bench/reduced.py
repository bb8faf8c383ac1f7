"""How similarity on images reduced to 64×64 predicts that at 224×224: prints the table in docs/selection.md.

python tests/bench/reduced.py [CANDIDATES] [CHANNELS]
"""

import sys

import numpy as np
from scipy.stats import spearmanr

from fflabels import get_labeler, propose, select, similarity
from fflabels.design import chance_sets, judged_shape

KINDS = {
    "morph": {},
    "morph, morphology alone": {"families": ("morphology",)},
    "morph, geometry alone": {"families": ("geometry",)},
    "fourier": {},
}
SIDE, CHOSEN = 224, 10


def row(name, kind, params, count, channels):
    """Return the row of one kind."""
    full = (channels, SIDE, SIDE)
    small = judged_shape(full)
    labeler = get_labeler(kind, **params)
    pool = list(propose(labeler, count, shape=small))
    at_small, at_full = (similarity(pool, labeler, shape=shape) for shape in (small, full))
    pairs = np.triu_indices(count, 1)
    rank = spearmanr(at_small[pairs], at_full[pairs]).statistic
    apart = np.abs(at_small[pairs] - at_full[pairs])

    def largest(indices):
        return at_full[np.ix_(indices, indices)][np.triu_indices(len(indices), 1)].max()

    by_small, by_full = (largest(select(matrix, CHOSEN).indices) for matrix in (at_small, at_full))
    chance = np.mean([largest(some) for some in chance_sets(count, CHOSEN, 0)])
    cells = [rank, np.median(apart), np.quantile(apart, 0.95), by_small, by_full, chance]
    return f"| {name} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |"


if __name__ == "__main__":
    count, channels = (int(word) for word in [*sys.argv[1:], *("200", "1")[len(sys.argv) - 1 :]])
    print("| kind | rank correlation | median difference | 95 % below | chosen at 64² | chosen at 224² | chance |")
    print("|---|---|---|---|---|---|---|")
    for name, params in KINDS.items():
        print(row(name, name.partition(",")[0], params, count, channels), flush=True)
