"""Several kinds of labels side by side: how unlike n labels can be, and what chance gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fflabels import registry
from fflabels.arrays import Array, Shape, check_shape
from fflabels.candidates import Candidates, propose
from fflabels.checks import check_floor, check_intensity, check_seed
from fflabels.design import chance_sets
from fflabels.diversity import Matrix, Metric, check_count, check_metric, metrics_on, similarity, summarize
from fflabels.errors import FFLabelsError
from fflabels.guard import complete
from fflabels.images import References, load_references
from fflabels.labeler import Labeler
from fflabels.labelset import DEFAULT_SHAPE
from fflabels.observer import DEFAULT_INTENSITY, check_enough
from fflabels.progress import Progress, silent
from fflabels.selection.dispersion import select

COUNTS = (10, 100, 500)


@dataclass(frozen=True)
class Reach:
    """How unlike n labels of one kind are, by one metric.

    Attributes
    ----------
    kind
        The labeler's name.
    params
        Those of its parameters that are not the default, ``name=value``.
    metric, n
        By what, and how many labels.
    candidates
        How many distinct, visible labels they were chosen from; None where the kind leaves nothing to choose.
    selected, random
        The similarity of the most similar pair among the n selected, and among n chosen by chance (the mean of five
        draws). None where the kind has no n labels; by chance also where there is nothing to choose.
    reason
        Why the kind has no n labels; empty where it has.
    """

    kind: str
    params: str
    metric: Metric
    n: int
    candidates: int | None
    selected: float | None
    random: float | None
    reason: str = ""


def compare(
    labelers: Sequence[Labeler[Any] | str],
    counts: Sequence[int] = COUNTS,
    *,
    candidates: int = 2000,
    shape: Shape = DEFAULT_SHAPE,
    metrics: Sequence[Metric] | None = None,
    seed: int = 0,
    references: str | Array | References | None = None,
    min_visibility: float | None = None,
    intensity: float = DEFAULT_INTENSITY,
    progress: Progress = silent,
) -> list[Reach]:
    """Return, for every kind, count and metric, the least largest similarity that selection reaches.

    Each is selected by its own metric: the row of ``shift`` says what a set selected by ``shift`` has.

    Parameters
    ----------
    labelers
        Labelers or their names.
    counts
        How many labels, one a class.
    candidates
        The size of the pool; at least the largest count is asked for.
    metrics
        By which; all that there are reference images enough for unless given.
    shape, seed, references, min_visibility, intensity
        As for `design`.

    Returns
    -------
    list of Reach
        In the order of labelers, metrics, counts.

    Raises
    ------
    FFLabelsError
        For arguments out of range; what a labeler cannot do is told in its rows.
    """
    if not labelers or not counts:
        raise FFLabelsError("nothing to compare", where="labelers" if not labelers else "counts")
    for n in counts:
        if n < 1:
            raise FFLabelsError("too few", where="counts", got=n, expected="at least 1")
    for metric in metrics or ():
        check_metric(metric)
    check_seed(seed)
    check_floor(min_visibility)
    check_intensity(intensity)
    check_count(max(candidates, *counts), "candidates" if candidates >= max(counts) else "counts")
    found = load_references(references, check_shape(shape))
    if "dprime" in (metrics or ()):
        check_enough(found)
    reached = []
    for name in labelers:
        labeler = registry.get_labeler(name) if isinstance(name, str) else name
        pools = _Pools(labeler, max(candidates, *counts), found, seed, min_visibility, intensity, progress)
        for metric in metrics or metrics_on(found):
            for n in counts:
                reached.append(_reach(pools, metric, n, seed, progress))
    return reached


def _reach(pools: _Pools, metric: Metric, n: int, seed: int, progress: Progress) -> Reach:
    kind, params = pools.labeler.name, _params(pools.labeler)
    try:
        matrix, complete = pools.similarity(n, metric)
    except FFLabelsError as error:  # the labeler cannot draw n labels at this shape
        return Reach(kind, params, metric, n, None, None, None, str(error))
    size = None if complete else len(matrix)
    if n > len(matrix):
        return Reach(kind, params, metric, n, size, None, None, f"has no more than {size} distinct, visible labels")
    chosen = select(matrix, n, seed=seed, progress=progress).score
    return Reach(kind, params, metric, n, size, chosen, None if complete else _chance(matrix, n, seed))


class _Pools:
    """The candidates of a labeler and their similarities, made once; a kind without a choice has a pool for each n."""

    def __init__(
        self,
        labeler: Labeler[Any],
        candidates: int,
        references: References,
        seed: int,
        min_visibility: float | None,
        intensity: float,
        progress: Progress,
    ) -> None:
        self.labeler, self.candidates, self.references = labeler, candidates, references
        self.seed, self.min_visibility, self.intensity, self.progress = seed, min_visibility, intensity, progress
        self._proposed: Candidates | FFLabelsError | None = None
        self._known: dict[tuple[int, Metric], Matrix] = {}

    def similarity(self, n: int, metric: Metric) -> tuple[Matrix, bool]:
        """Return how alike those are that n labels are chosen from, and whether they are the only n there can be."""
        shape = self.references.shape
        only = complete(self.labeler, n, shape)
        pool = self._pool() if only is None else only
        key = (0 if only is None else n, metric)
        if key not in self._known:
            self._known[key] = similarity(
                pool,
                self.labeler,
                shape=shape,
                metric=metric,
                references=self.references,
                intensity=self.intensity,
                progress=self.progress,
            )
        return self._known[key], only is not None

    def _pool(self) -> Candidates:
        if self._proposed is None:
            try:
                self._proposed = propose(
                    self.labeler,
                    self.candidates,
                    shape=self.references.shape,
                    seed=self.seed,
                    references=self.references,
                    min_visibility=self.min_visibility,
                    at_least=1,
                    progress=self.progress,
                )
            except FFLabelsError as error:  # told for each count and metric, met once
                self._proposed = error
        if isinstance(self._proposed, FFLabelsError):
            raise self._proposed
        return self._proposed


def _chance(matrix: Matrix, n: int, seed: int) -> float:
    found = [summarize(matrix[np.ix_(some, some)]).max for some in chance_sets(len(matrix), n, seed)]
    return round(float(np.mean(found)), 6)


def _params(labeler: Labeler[Any]) -> str:
    default = type(labeler)().params
    fields = [f for f in labeler.params.__struct_fields__ if getattr(labeler.params, f) != getattr(default, f)]
    values = {f: getattr(labeler.params, f) for f in fields}
    return " ".join(f"{f}={','.join(map(str, v)) if isinstance(v, tuple) else v}" for f, v in values.items())
