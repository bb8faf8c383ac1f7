"""Threshold-descent tabu search for max–min dispersion.

A set with no pair at or above a threshold t is an independent set of the graph {similarity ≥ t}. Tabu search looks for
one of n members by swapping a member in most conflicts for an outsider in fewest; every success lowers t to that
set's own largest similarity; on stagnation a quarter of the set is replaced.
Sources: Glover 1989; Porumbel, Hao and Glover 2011 (max–min diversity by tabu search) [the combination: ours].
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fflabels.progress import Progress, silent
from fflabels.selection.construct import Chosen, largest_inside

STAGNATION = 1500
"""Swaps without fewer conflicts after which a quarter of the set is replaced."""

REPORT_EVERY = 1000

TABU = 1e6
"""What a tabu move costs: more than any number of conflicts, less than what can never be chosen (∞)."""


def descend(
    matrix: npt.NDArray[Any], start: Chosen, iterations: int, rng: np.random.Generator, progress: Progress = silent
) -> tuple[Chosen, int]:
    """Return a set at least as good as `start`, and the swaps made.

    Parameters
    ----------
    matrix
        (N, N) similarities, diagonal −∞.
    start
        n indices.
    iterations
        The budget of swaps. The search ends early when the set's largest similarity is the least of all.
    rng
        Draws tenures, ties and replacements.
    """
    search = _Search(matrix, start, rng)
    lowest = matrix[~np.eye(len(matrix), dtype=bool)].min()
    while search.iteration < iterations and search.threshold > lowest:
        search.swap()
        if search.conflicts == 0:
            search.lower_threshold()
        elif search.iteration - search.improved_at > STAGNATION:
            search.replace_a_quarter()
        if search.iteration % REPORT_EVERY == 0:
            progress("selection", search.iteration, iterations)
    return search.best, search.iteration


class _Search:
    """One search: the members, each candidate's number of conflicting members, and what is tabu until when."""

    def __init__(self, matrix: npt.NDArray[Any], start: Chosen, rng: np.random.Generator) -> None:
        self.matrix, self.rng = matrix, rng
        self.members = start.copy()
        self.best = start.copy()
        self.iteration = self.improved_at = 0
        self.set_threshold(largest_inside(matrix, start))

    def set_threshold(self, threshold: float) -> None:
        """Count conflicts anew for the members and a threshold; forget what was tabu."""
        count = len(self.matrix)
        self.threshold = threshold
        self.conflicting = (self.matrix[self.members] >= threshold).sum(axis=0).astype(np.float64)
        self.conflicts = self.fewest = int(self.conflicting[self.members].sum()) // 2
        self.barred = np.zeros(count)
        self.barred[self.members] = np.inf
        self.kept_until = np.zeros(count, np.int64)
        self.free_at = np.zeros(count, np.int64)
        self.freed: dict[int, list[int]] = {}
        self.ties = self.rng.random(count) / 2
        self.improved_at = self.iteration

    def lower_threshold(self) -> None:
        """Keep the set, which has no conflict, and ask for less than its own largest similarity."""
        self.best = self.members.copy()
        self.set_threshold(largest_inside(self.matrix, self.members))

    def swap(self) -> None:
        """Exchange a member in most conflicts for an outsider that then has fewest, among those not tabu."""
        self.iteration += 1
        for back in self.freed.pop(self.iteration, ()):
            if self.free_at[back] == self.iteration:
                self.barred[back] = 0
        within = self.conflicting[self.members] + self.ties[self.members]
        within[self.kept_until[self.members] > self.iteration] -= TABU
        slot = int(within.argmax())
        leaving = int(self.members[slot])
        self.conflicts -= int(self.conflicting[leaving])
        self.conflicting -= self.matrix[leaving] >= self.threshold
        entering = int((self.conflicting + self.barred + self.ties).argmin())
        self.conflicts += int(self.conflicting[entering])
        self.conflicting += self.matrix[entering] >= self.threshold
        self.members[slot] = entering
        self.barred[entering] = np.inf
        self.free_at[entering] = 0
        tenure = 7 + min(self.conflicts, 20) + int(self.rng.integers(10))
        if leaving != entering:
            self._bar(leaving, tenure)
        self.kept_until[entering] = self.iteration + tenure // 2
        if self.conflicts < self.fewest:
            self.fewest, self.improved_at = self.conflicts, self.iteration

    def replace_a_quarter(self) -> None:
        """Leave a dead end: start again from the best set with a random quarter of it exchanged."""
        self.members = self.best.copy()
        n = len(self.members)
        outside = np.setdiff1d(np.arange(len(self.matrix)), self.members)
        many = min(max(1, n // 4), len(outside))
        self.members[self.rng.choice(n, many, replace=False)] = self.rng.choice(outside, many, replace=False)
        self.set_threshold(self.threshold)

    def _bar(self, leaving: int, tenure: int) -> None:
        self.barred[leaving] = TABU
        self.free_at[leaving] = self.iteration + tenure
        self.freed.setdefault(self.iteration + tenure, []).append(leaving)
