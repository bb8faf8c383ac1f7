"""Several kinds of labels side by side: how unlike n labels can be, and what chance gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex

import msgspec
import numpy as np

from fflabels import registry
from fflabels.arrays import Array, Shape
from fflabels.brief import Brief
from fflabels.candidates import Candidates
from fflabels.checks import check_count, check_floor, check_integer, check_intensity, check_seed
from fflabels.codes import floor_of, is_code, references_for
from fflabels.design import chance_sets, judged_shape
from fflabels.diversity import summarize
from fflabels.errors import FFLabelsError
from fflabels.guard import complete
from fflabels.images import References
from fflabels.labeler import DEFAULT_SHAPE, Labeler, typed_text
from fflabels.metrics import METRICS, Matrix, get_metric, metrics_on
from fflabels.observer import DEFAULT_INTENSITY
from fflabels.progress import Progress, silent
from fflabels.selection.dispersion import select

COUNTS = (10, 100, 500)


@dataclass(frozen=True)
class Reach:
    """How dissimilar n labels of one kind are, by one metric.

    Attributes
    ----------
    kind
        The labeler's name; ``distribution:name`` where labelers of one name and two distributions are compared.
    params
        Those of its parameters that are not the default, ``name=value``.
    metric, n
        By what, and how many labels.
    candidates
        How many distinct, visible labels they were chosen from; None where the kind leaves nothing to choose.
    selected, random
        The similarity of the most similar pair among the n selected, and among n chosen at random (the mean of five
        draws). None where the kind has no n labels; `random` also where there is nothing to choose.
    reason
        Why the kind has no n labels; empty where it has.
    row
        Index of the labeler among those compared, from 0; two may have the same name and parameters.
    """

    kind: str
    params: str
    metric: str
    n: int
    candidates: int | None
    selected: float | None
    random: float | None
    reason: str = ""
    row: int = 0


def compare(
    labelers: Sequence[registry.LabelerLike] | registry.LabelerLike,
    counts: Sequence[int] | int = COUNTS,
    *,
    candidates: int = 2000,
    shape: Shape = DEFAULT_SHAPE,
    metrics: Sequence[str] | str | None = None,
    seed: int = 0,
    references: str | Array | References | None = None,
    min_visibility: float | None = None,
    intensity: float = DEFAULT_INTENSITY,
    progress: Progress = silent,
) -> list[Reach]:
    """Return, for every kind, count and metric, the smallest largest-pair similarity that selection reaches.

    Sets are selected by the metric they are reported by: the row of ``shift`` is of a set selected by ``shift``.

    Parameters
    ----------
    labelers
        Labelers or their names, or a single one; so with counts and metrics.
    counts
        How many labels, one per class.
    candidates
        The size of the pool; at least the largest count is asked for.
    metrics
        Registered metrics; by default all that there are enough reference images for.
    shape, seed, references, min_visibility, intensity
        As for `design`, which reduces large images.

    Returns
    -------
    list of Reach
        In the order of labelers, metrics, counts.

    Raises
    ------
    FFLabelsError
        For arguments out of range. What a labeler cannot do is reported in its rows.

    Examples
    --------
    >>> from fflabels import compare
    >>> small = {"candidates": 20, "shape": (1, 8, 8), "references": "digits"}
    >>> [reach] = compare(["fourier"], [3], metrics=["pearson"], **small)
    >>> reach.kind, reach.n, reach.selected
    ('fourier', 3, 0.0)
    """
    labelers = [labelers] if isinstance(labelers, (str, Labeler, type)) else labelers
    metrics = [metrics] if isinstance(metrics, str) else metrics
    counts = [counts] if isinstance(counts, SupportsIndex) else counts
    if not labelers or not counts:
        raise FFLabelsError("nothing to compare", where="labelers" if not labelers else "counts")
    candidates, counts = check_integer(candidates, "candidates"), [check_integer(n, "counts") for n in counts]
    for n in counts:
        if n < 1:
            raise FFLabelsError("too few", where="counts", got=n, expected="at least 1")
    for metric in metrics or ():
        get_metric(metric)
    seed, min_visibility, intensity = check_seed(seed), check_floor(min_visibility), check_intensity(intensity)
    check_count(max(candidates, *counts), "candidates" if candidates >= max(counts) else "counts")
    made = list(map(registry.as_labeler, labelers))
    if len({is_code(labeler) for labeler in made}) > 1:
        kinds = ", ".join(labeler.name for labeler in made)
        raise FFLabelsError("codes and pictures are not compared with each other", where="labelers", got=kinds)
    least = max(labeler.min_side for labeler in made)
    images = references_for(made[0], references, judged_shape(shape, least))
    floor_of(made[0], min_visibility)
    for metric in metrics or ():
        METRICS[metric].check(images, intensity)
    reached = []
    for row, (labeler, kind) in enumerate(zip(made, _kinds(made), strict=True)):
        pools = _Pools(Brief(labeler, images, intensity, min_visibility, seed), max(candidates, *counts), progress)
        for metric in metrics or metrics_on(images, intensity):
            for n in counts:
                reached.append(_reach(pools, kind, row, metric, n))
    return reached


def _kinds(labelers: Sequence[Labeler[Any]]) -> list[str]:
    """Return the labelers' names, with their distributions where two have one name."""
    owners = {(labeler.name, registry.owner(labeler)[0]) for labeler in labelers}
    names = [name for name, _ in owners]
    return [
        f"{registry.owner(labeler)[0]}:{labeler.name}".lstrip(":") if names.count(labeler.name) > 1 else labeler.name
        for labeler in labelers
    ]


def _reach(pools: _Pools, kind: str, row: int, metric: str, n: int) -> Reach:
    seed, params = pools.brief.seed, _params(pools.brief.labeler)
    try:
        matrix, complete = pools.similarity(n, metric)
    except FFLabelsError as error:  # the labeler cannot draw n labels at this shape
        return Reach(kind, params, metric, n, None, None, None, str(error), row=row)
    size = None if complete else len(matrix)
    if n > len(matrix):
        trouble = f"has no more than {size} distinct, visible labels"
        return Reach(kind, params, metric, n, size, None, None, trouble, row=row)
    chosen = select(matrix, n, seed=seed, progress=pools.progress).score
    return Reach(kind, params, metric, n, size, chosen, None if complete else _chance(matrix, n, seed), row=row)


class _Pools:
    """A labeler's candidates and their similarities, made once; a labeler with a complete set is asked anew per n."""

    def __init__(self, brief: Brief, candidates: int, progress: Progress) -> None:
        self.brief, self.candidates, self.progress = brief, candidates, progress
        self._proposed: Candidates | FFLabelsError | None = None
        self._known: dict[tuple[int, str], Matrix] = {}

    def similarity(self, n: int, metric: str) -> tuple[Matrix, bool]:
        """Return the similarities of the labels to choose n from, and whether they are the only n there can be."""
        only = complete(self.brief.labeler, n, self.brief.shape)
        pool = self._pool() if only is None else only
        key = (0 if only is None else n, metric)
        if key not in self._known:
            self._known[key] = self.brief.similarity(pool, metric, self.progress)
        return self._known[key], only is not None

    def _pool(self) -> Candidates:
        if self._proposed is None:
            try:
                self._proposed = self.brief.candidates(self.candidates, at_least=1, progress=self.progress)
            except FFLabelsError as error:  # reported for each count and metric, met once
                self._proposed = error
        if isinstance(self._proposed, FFLabelsError):
            raise self._proposed
        return self._proposed


def _chance(matrix: Matrix, n: int, seed: int) -> float:
    largest = [summarize(matrix[np.ix_(some, some)]).max for some in chance_sets(len(matrix), n, seed)]
    return round(float(np.mean(largest)), 6)


def _params(labeler: Labeler[Any]) -> str:
    default = type(labeler)().params
    values = msgspec.structs.asdict(labeler.params)
    changed = {name: value for name, value in values.items() if value != getattr(default, name)}
    return " ".join(f"{name}={typed_text(value)}" for name, value in changed.items())
