"""``dprime``: how many standard deviations labels lie apart to an untrained local observer [ours]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fflabels.metrics.metric import GRID, Matrix, Metric, finished
from fflabels.observer import NEEDED_FOR, Observer
from fflabels.progress import Progress
from fflabels.recipe import Recipe

if TYPE_CHECKING:
    from fflabels.brief import Brief

NEEDED = 32
"""The fewest different reference images. d′ is too high on few: of one set 2.4 on 64, up to 4.7 on 32, 6.6 on 16."""

MOST = 100.0
"""A larger d′ is shown as "more than 100": it is not exact, because similarities are rounded."""

BATCH = 512
"""Labels whose distances from all others are made at once: 80 MiB for 20,000."""


def compute(recipes: Sequence[Recipe], brief: Brief, progress: Progress) -> Matrix:
    """Return 1/(1 + d′²), (n, n), of the d′ that `Observer` sees between two labels."""
    from scipy.spatial.distance import cdist  # takes a moment to import

    seen = Observer(brief.references, brief.intensity).look(brief.labeler, recipes, progress)
    result = np.zeros((len(seen), len(seen)), np.float32)
    for k in range(0, len(seen), BATCH):
        result[k : k + BATCH] = 1 / (1 + cdist(seen[k : k + BATCH], seen, "sqeuclidean"))
    return finished(result)


def dprime(similarity: float) -> float:
    """Return d′ for a similarity by ``dprime``: the distance that 1/(1 + d′²) was made of."""
    return float(np.sqrt(max(1 / max(similarity, 1 / GRID) - 1, 0)))


def four_digits(similarity: float) -> float:
    """Return four significant digits: float32 sums differ in the seventh with the processor and the threads."""
    return float(f"{similarity:.4g}")


def dprime_text(value: float) -> str:
    """Return d′ with two decimals, or that it is more than can be told."""
    return f"{value:.2f}" if value <= MOST else f"more than {MOST:g}"


METRIC = Metric(
    "dprime",
    compute,
    title="d′",
    score=dprime,
    higher_is_better=True,
    min_images=NEEDED,
    needs=NEEDED_FOR,
    uses_intensity=True,
    below_one=True,
    rounded=four_digits,
    text=dprime_text,
    slow=True,
)
