"""Design a label set: candidates → similarity → selection → scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fflabels import registry
from fflabels.arrays import Array, Shape, check_shape
from fflabels.brief import Brief
from fflabels.candidates import Candidates
from fflabels.checks import MAX_COMPARED, check_count, check_floor, check_integer, check_intensity, check_seed
from fflabels.codes import floor_of, is_code, references_for
from fflabels.diversity import Summary, summarize
from fflabels.errors import FFLabelsError
from fflabels.guard import complete
from fflabels.images import References
from fflabels.labeler import DEFAULT_SHAPE
from fflabels.labelset import LabelSet
from fflabels.many import Patterns, propose_many
from fflabels.metrics import METRICS, Matrix, get_metric
from fflabels.observer import DEFAULT_INTENSITY
from fflabels.progress import Progress, silent
from fflabels.scores import Provenance, scored_metrics
from fflabels.selection.construct import Chosen, least_sum
from fflabels.selection.dispersion import METHODS, Method, Selection, check_certify, check_effort, select
from fflabels.selection.vectors import select_vectors

CHANCE_SETS = 5
"""Sets chosen at random; the chance baseline is their mean."""

LARGE, REDUCED = 128, 64
"""Labels of images with a side of more pixels than `LARGE` are chosen and scored with that side `REDUCED`."""

LEAST = 16
"""The shorter side of an elongated image is not reduced below this."""

CHANCE_LABELS = 200
"""With a slow metric, the random sets have at most this many labels in all; there is always at least one set."""


def design(
    labeler: registry.LabelerLike,
    n: int,
    *,
    candidates: int = 2000,
    shape: Shape = DEFAULT_SHAPE,
    metric: str = "pearson",
    seed: int = 0,
    references: str | Array | References | None = None,
    value_range: str = "type",
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
        How many labels, one per class.
    candidates
        How many distinct, visible draws to choose from (2000 in the paper); all there are if the labeler has fewer, but
        at least n. More than 20,000 need image-independent labels and pearson, and are compared with the chosen only:
        see `select_vectors`.
    shape
        (C, H, W) of the images that labels are scored on; the recipes of pictures fit any shape. (W, 1, 1) for codes
        over W channels. Images of more than 128 pixels a side are reduced to 64: see `judged_shape`.
    metric
        A registered metric: ``pearson`` (the paper's, and that of codes), ``shift`` or ``dprime``; see `similarity`.
    seed
        Of the draws and of the search.
    references, value_range
        As for `load_references`; default: 64 crops of photographs.
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

    Examples
    --------
    >>> from fflabels import design
    >>> labels = design("fourier", 3, candidates=20, shape=(1, 8, 8), references="digits")
    >>> len(labels), labels.scores.similarity["pearson"].max
    (3, 0.0)
    """
    labeler = registry.as_labeler(labeler)
    measure = get_metric(metric)
    if method not in METHODS:
        raise FFLabelsError("unknown method", where="method", got=method, expected=", ".join(METHODS))
    n, candidates, seed = check_integer(n, "n"), check_integer(candidates, "candidates"), check_seed(seed)
    if n < 1:
        raise FFLabelsError("too few", where="n", got=n, expected="at least 1")
    check_count(n, "n")
    check_effort(seed, iterations)
    min_visibility, intensity = check_floor(min_visibility), check_intensity(intensity)
    check_certify(certify, 0 if candidates > MAX_COMPARED else candidates)
    floor_of(labeler, min_visibility)

    # A labeler whose n labels are the only ones leaves nothing to choose.
    shape = check_shape(shape)
    recipes = complete(labeler, n, shape)
    judged = shape if recipes else judged_shape(shape, labeler.min_side)
    reduced = reduced_from(shape, labeler.min_side)
    brief = Brief(
        labeler, references_for(labeler, references, judged, value_range=value_range), intensity, min_visibility, seed
    )
    measure.check(brief.references, intensity)
    if recipes:
        whole = LabelSet(recipes, labeler, Provenance("complete"))
        report = whole.score(brief.shape, brief.references, intensity=intensity, progress=progress)
        return replace(whole, scores=report.scores)
    if candidates < n:
        raise FFLabelsError("fewer than n", where="candidates", got=candidates, expected=f"at least {n}")

    # Too many candidates to compare all with all.
    if candidates > MAX_COMPARED:
        if is_code(labeler):
            raise FFLabelsError(
                "too many codes to compare pair by pair", where="candidates", got=candidates,
                expected=f"at most {MAX_COMPARED}",
            )  # fmt: skip
        if not measure.by_vectors or method != "best" or certify is not False:
            plain = " or ".join(name for name, metric in METRICS.items() if metric.by_vectors)
            raise FFLabelsError(
                "too many to compare pair by pair", where="candidates", got=candidates,
                expected=f"at most {MAX_COMPARED}, or {plain} and the method best without a certificate",
            )  # fmt: skip
        return _design_from_many(brief, n, candidates, metric, iterations, progress, reduced)

    # Candidates, their similarities, the selection; then its scores.
    pool = brief.candidates(candidates, at_least=n, progress=progress)
    matrix = brief.similarity(pool, metric, progress)
    chosen = select(matrix, n, seed=seed, iterations=iterations, method=method, certify=certify, progress=progress)
    tie_breaker = None if is_code(labeler) else measure.tie_breaker
    if method == "best" and tie_breaker and n > 1 and chosen.score == 0:
        chosen = _break_tie(
            brief, pool, lambda some: matrix[np.ix_(some, some)], chosen, tie_breaker, iterations, progress
        )
    provenance = Provenance(method + reduced, metric, seed, len(pool), pool.drawn, pool.min_visibility)
    return _scored(brief, pool, chosen, provenance, {metric: matrix}, progress)


def judged_shape(shape: Shape, min_side: int = 1) -> Shape:
    """Return the shape that labels are chosen and scored at: smaller than that of large images [ours].

    What this costs in accuracy is measured in docs/selection.md.
    """
    c, h, w = check_shape(shape)
    longest, reduced = max(h, w), max(REDUCED, min_side)
    if longest <= max(LARGE, reduced):
        return c, h, w
    least = min(h, w, max(LEAST, min_side))
    new_h, new_w = (max(least, round(side * reduced / longest)) for side in (h, w))
    if new_h == new_w:  # must not look square if it is not: some labels need square images
        new_h, new_w = new_h + (h > w), new_w + (w > h)
    return c, new_h, new_w


def reduced_from(shape: Shape, min_side: int = 1) -> str:
    """Return what the provenance says of large images; nothing for others."""
    return "" if judged_shape(shape, min_side) == shape else f", reduced from {'x'.join(map(str, shape))}"


def _design_from_many(
    brief: Brief, n: int, candidates: int, metric: str, iterations: int | None, progress: Progress, reduced: str
) -> LabelSet:
    """Return n of more candidates than can be compared all with all: by the correlation of their patterns."""
    seed, tie_breaker = brief.seed, METRICS[metric].tie_breaker
    pool = propose_many(
        brief.labeler, candidates, shape=brief.shape, seed=seed, references=brief.references,
        min_visibility=brief.min_visibility, at_least=n, progress=progress,
    )  # fmt: skip
    patterns = Patterns(brief.labeler, pool, brief.shape)
    chosen = select_vectors(patterns, n, seed=seed, iterations=iterations, progress=progress)
    if tie_breaker and n > 1 and chosen.score == 0:

        def similarity_of(some: Chosen) -> Matrix:
            return brief.similarity([pool[int(i)] for i in some], metric, progress)

        chosen = _break_tie(brief, pool, similarity_of, chosen, tie_breaker, iterations, progress)
    provenance = Provenance("best" + reduced, metric, seed, len(pool), pool.drawn, pool.min_visibility)
    return _scored(brief, pool, chosen, provenance, {}, progress)


def _scored(
    brief: Brief,
    pool: Candidates,
    chosen: Selection,
    provenance: Provenance,
    matrices: Mapping[str, Matrix],
    progress: Progress,
) -> LabelSet:
    """Return the set of the chosen candidates, with its scores and the chance baseline.

    `matrices` has the known similarities of all candidates.
    """
    n, references = len(chosen.indices), brief.references
    labels = LabelSet([pool[int(i)] for i in chosen.indices], brief.labeler, provenance)
    chance = {m: _chance(brief, pool, m, matrices.get(m), n) for m in scored_metrics(references, brief.intensity)}
    report = labels.score(brief.shape, references, intensity=brief.intensity, random=chance, progress=progress)
    return LabelSet(labels.recipes, brief.labeler, provenance, report.scores, chosen)


def _break_tie(
    brief: Brief,
    pool: Candidates,
    similarity_of: Callable[[Chosen], Matrix],
    chosen: Selection,
    tie_breaker: str,
    iterations: int | None,
    progress: Progress,
) -> Selection:
    """Return a set that is as uncorrelated and least alike by another metric, where uncorrelated sets abound [ours].

    Two waves a quarter period apart have pearson 0, yet one is the other, shifted. The search goes over the perfect
    set found and the first candidates; among sets that are as good, swaps then lower the sum of squares.
    `similarity_of` returns the similarities of some candidates by the metric that chose the set.
    """
    some = np.union1d(chosen.indices, np.arange(min(len(pool), max(512, 4 * len(chosen.indices)))))
    alike = brief.similarity([pool[int(i)] for i in some], tie_breaker, progress)
    matrix = similarity_of(some)
    both = np.where(matrix > 0, 1 + matrix, alike)
    better = select(both, len(chosen.indices), seed=brief.seed, iterations=iterations, progress=progress)
    found = matrix[np.ix_(better.indices, better.indices)]
    if np.triu(found, 1).max(initial=0) > 0:  # a pair is correlated
        return chosen
    np.fill_diagonal(both, -np.inf)
    used = chosen.iterations + better.iterations
    return replace(chosen, indices=some[least_sum(both, better.indices)], iterations=used)


def chance_sets(count: int, n: int, seed: int) -> list[npt.NDArray[np.int64]]:
    """Return the random sets of n of `count` candidates whose mean is the chance baseline."""
    return [np.random.default_rng([seed, k]).choice(count, n, replace=False) for k in range(CHANCE_SETS)]


def _chance(brief: Brief, pool: Candidates, metric: str, matrix: Matrix | None, n: int) -> Summary:
    """Return the similarity of n candidates chosen at random, mean of up to `CHANCE_SETS` draws."""
    summaries, rounded = [], METRICS[metric].rounded
    draws = max(1, CHANCE_LABELS // n) if METRICS[metric].slow and matrix is None else CHANCE_SETS
    for some in chance_sets(len(pool), n, brief.seed)[:draws]:
        alike = brief.similarity([pool[int(i)] for i in some], metric) if matrix is None else matrix[np.ix_(some, some)]
        summaries.append(summarize(alike, rounded))
    largest, mean = (rounded(float(np.mean([getattr(s, f) for s in summaries]))) for f in ("max", "mean"))
    return Summary(largest, mean)
