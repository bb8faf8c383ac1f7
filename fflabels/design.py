"""Design a label set: candidates → similarity → selection → scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fflabels import registry
from fflabels.arrays import Array, Shape, check_shape
from fflabels.candidates import Candidates, propose
from fflabels.checks import check_floor, check_intensity
from fflabels.diversity import (
    MAX_COMPARED,
    Matrix,
    Metric,
    Summary,
    check_count,
    check_metric,
    metrics_on,
    similarity,
    summarize,
)
from fflabels.errors import FFLabelsError
from fflabels.guard import complete
from fflabels.images import References, load_references
from fflabels.labeler import Labeler
from fflabels.labelset import DEFAULT_SHAPE, LabelSet, Provenance
from fflabels.many import Patterns, propose_many
from fflabels.observer import DEFAULT_INTENSITY, check_enough
from fflabels.progress import Progress, silent
from fflabels.selection.construct import least_sum
from fflabels.selection.dispersion import METHODS, Method, Selection, check_certify, check_effort, select
from fflabels.selection.vectors import select_vectors

CHANCE_SETS = 5
"""Sets chosen at random that the baseline is the mean of."""

CHANCE_LABELS = 200
"""By ``dprime``, which takes longer, fewer sets where they have more labels in all; one at least."""


def design(
    labeler: Labeler[Any] | str,
    n: int,
    *,
    candidates: int = 2000,
    shape: Shape = DEFAULT_SHAPE,
    metric: Metric = "pearson",
    seed: int = 0,
    references: str | Array | References | None = None,
    min_visibility: float | None = None,
    intensity: float = DEFAULT_INTENSITY,
    method: Method = "best",
    iterations: int | None = None,
    certify: bool | float = False,
    progress: Progress = silent,
) -> LabelSet:
    """Return n labels, the most diverse of many candidates (paper, section "FF-trained CNNs application on CIFAR100").

    Parameters
    ----------
    labeler
        A labeler or its name.
    n
        How many labels, one a class.
    candidates
        How many distinct, visible draws to choose from (2000 in the paper). Where the labeler has fewer, but n, those.
        More than 20,000 are compared with the chosen only: image-independent labels, by pearson, see `select_vectors`.
    shape
        (C, H, W) that they are scored at; the recipes fit any.
    metric
        ``pearson`` (the paper's), ``shift`` or ``dprime``; see `similarity`.
    seed
        Of the draws and of the search.
    references
        As for `load_references`; 64 crops of photographs unless given.
    min_visibility
        See `propose`.
    intensity
        The label intensity K, for ``dprime``.
    method, iterations, certify
        See `select`; the result's `selection` has the certificate.

    Raises
    ------
    FFLabelsError
        For an unknown labeler, metric or method, or when fewer than n distinct, visible labels are found.
    """
    labeler = registry.get_labeler(labeler) if isinstance(labeler, str) else labeler
    check_metric(metric)
    if method not in METHODS:
        raise FFLabelsError("unknown method", where="method", got=method, expected=", ".join(METHODS))
    if n < 1:
        raise FFLabelsError("too few", where="n", got=n, expected="at least 1")
    check_count(n, "n")
    check_effort(seed, iterations)
    check_floor(min_visibility)
    check_intensity(intensity)
    check_certify(certify, 0 if candidates > MAX_COMPARED else candidates)
    shape = check_shape(shape)
    found = load_references(references, shape)
    if recipes := complete(labeler, n, shape):
        whole = LabelSet(recipes, labeler, Provenance("complete"))
        report = whole.score(shape, found, intensity=intensity, progress=progress)
        return LabelSet(recipes, labeler, whole.provenance, report.scores)
    if candidates < n:
        raise FFLabelsError("fewer than n", where="candidates", got=candidates, expected=f"at least {n}")
    if metric == "dprime":
        check_enough(found)
    if candidates > MAX_COMPARED:
        return _design_from_many(
            labeler,
            n,
            candidates,
            metric,
            seed,
            found,
            min_visibility,
            intensity,
            method,
            iterations,
            certify,
            progress,
        )
    pool = propose(
        labeler,
        candidates,
        shape=shape,
        seed=seed,
        references=found,
        min_visibility=min_visibility,
        at_least=n,
        progress=progress,
    )
    matrix = similarity(
        pool, labeler, shape=shape, metric=metric, references=found, intensity=intensity, progress=progress
    )
    chosen = select(matrix, n, seed=seed, iterations=iterations, method=method, certify=certify, progress=progress)
    if method == "best" and metric == "pearson" and n > 1 and chosen.score == 0:
        chosen = _break_tie(pool, labeler, matrix, chosen, found, seed, iterations, progress)
    provenance = Provenance(method, metric, seed, len(pool), pool.drawn, pool.min_visibility)
    return _scored(pool, labeler, chosen, provenance, {metric: matrix}, found, intensity, progress)


def _design_from_many(
    labeler: Labeler[Any],
    n: int,
    candidates: int,
    metric: Metric,
    seed: int,
    references: References,
    min_visibility: float | None,
    intensity: float,
    method: Method,
    iterations: int | None,
    certify: bool | float,
    progress: Progress,
) -> LabelSet:
    """Return n of more candidates than can be compared all with all: by pearson, of image-independent labels."""
    if metric != "pearson" or method != "best" or certify is not False:
        raise FFLabelsError(
            "too many to compare all with all", where="candidates", got=candidates,
            expected=f"at most {MAX_COMPARED}, or pearson and the method best without a certificate",
        )  # fmt: skip
    shape = references.shape
    pool = propose_many(
        labeler,
        candidates,
        shape=shape,
        seed=seed,
        references=references,
        min_visibility=min_visibility,
        at_least=n,
        progress=progress,
    )
    chosen = select_vectors(Patterns(labeler, pool, shape), n, seed=seed, iterations=iterations, progress=progress)
    if n > 1 and chosen.score == 0:
        some = np.union1d(chosen.indices, np.arange(min(len(pool), max(512, 4 * n))))
        few = Candidates([pool[int(i)] for i in some], pool.drawn, 0, 0, pool.min_visibility)
        matrix = similarity(few, labeler, shape=shape, references=references, progress=progress)
        within = replace(chosen, indices=np.searchsorted(some, chosen.indices))
        better = _break_tie(few, labeler, matrix, within, references, seed, iterations, progress)
        chosen = replace(better, indices=some[better.indices])
    provenance = Provenance(method, metric, seed, len(pool), pool.drawn, pool.min_visibility)
    return _scored(pool, labeler, chosen, provenance, {}, references, intensity, progress)


def _scored(
    pool: Candidates,
    labeler: Labeler[Any],
    chosen: Selection,
    provenance: Provenance,
    matrices: Mapping[Metric, Matrix],
    references: References,
    intensity: float,
    progress: Progress,
) -> LabelSet:
    """Return the set of the chosen candidates, with its scores and what chance gives beside them.

    `matrices` has the similarities of all candidates that are known.
    """
    n, seed = len(chosen.indices), provenance.seed or 0
    labels = LabelSet([pool[int(i)] for i in chosen.indices], labeler, provenance)
    chance = {
        m: _chance(pool, labeler, m, matrices.get(m), n, references, intensity, seed) for m in metrics_on(references)
    }
    scores = labels.score(references.shape, references, intensity=intensity, random=chance, progress=progress).scores
    return LabelSet(labels.recipes, labeler, provenance, scores, chosen)


def _break_tie(
    pool: Candidates,
    labeler: Labeler[Any],
    matrix: Matrix,
    chosen: Selection,
    references: References,
    seed: int,
    iterations: int | None,
    progress: Progress,
) -> Selection:
    """Return a set that is as uncorrelated and least alike under shifts, where uncorrelated sets abound [ours].

    Two waves a quarter period apart have pearson 0, yet one is the other, shifted. The search goes over the perfect
    set found and the first candidates; among sets that are as good, swaps then lower the sum of squares.
    """
    some = np.union1d(chosen.indices, np.arange(min(len(pool), max(512, 4 * len(chosen.indices)))))
    alike = similarity(
        [pool[int(i)] for i in some],
        labeler,
        shape=references.shape,
        metric="shift",
        references=references,
        progress=progress,
    )
    both = np.where(matrix[np.ix_(some, some)] > 0, 1 + matrix[np.ix_(some, some)], alike)
    better = select(both, len(chosen.indices), seed=seed, iterations=iterations, progress=progress)
    if better.score >= 1:
        return chosen
    np.fill_diagonal(both, -np.inf)
    used = chosen.iterations + better.iterations
    return replace(chosen, indices=some[least_sum(both, better.indices)], iterations=used)


def chance_sets(count: int, n: int, seed: int) -> list[npt.NDArray[np.int64]]:
    """Return the sets of n of `count` candidates that the baseline is the mean of."""
    return [np.random.default_rng([seed, k]).choice(count, n, replace=False) for k in range(CHANCE_SETS)]


def _chance(
    pool: Candidates,
    labeler: Labeler[Any],
    metric: Metric,
    matrix: Matrix | None,
    n: int,
    references: References,
    intensity: float,
    seed: int,
) -> Summary:
    """Return what n candidates chosen by chance have, mean of `CHANCE_SETS` draws or a few less."""
    found = []
    draws = max(1, CHANCE_LABELS // n) if metric == "dprime" and matrix is None else CHANCE_SETS
    for some in chance_sets(len(pool), n, seed)[:draws]:
        if matrix is not None:
            found.append(summarize(matrix[np.ix_(some, some)]))
        else:
            recipes = [pool[int(i)] for i in some]
            alike = similarity(
                recipes, labeler, shape=references.shape, metric=metric, references=references, intensity=intensity
            )
            found.append(summarize(alike))
    largest, mean = (round(float(np.mean([getattr(s, f) for s in found])), 6) for f in ("max", "mean"))
    return Summary(largest, mean)
