"""The scores of a label set at a shape, and how its recipes were chosen: what its file says beside the recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import msgspec
import numpy as np

from fflabels.diversity import Summary, worst_pairs
from fflabels.images import REFERENCE_COUNT, References
from fflabels.metrics import Matrix, metrics_on
from fflabels.metrics.dprime import dprime, dprime_text

DUPLICATE = 0.999
"""Two labels more similar than this count as one."""

HARD = 2.0
"""Labels nearer than this, in d′, are likely hard to learn [ours]."""

Pair: TypeAlias = tuple[int, int, float]

ScoredMetric: TypeAlias = Literal["pearson", "shift", "dprime"]
"""The metrics that the file has fields for; sets are scored by these, and by no other registered one."""

SCORED_METRICS: tuple[ScoredMetric, ...] = get_args(ScoredMetric)


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the recipes were chosen."""

    method: str
    metric: str | None = None
    seed: int | None = None
    candidates: int | None = None
    drawn: int | None = None
    min_visibility: float | None = None


class ReferenceMark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which images the scores were taken on."""

    name: str
    count: int
    sha256: str


class Scores(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Scores of a label set at a shape, on reference images; rounded to 6 digits.

    Attributes
    ----------
    shape, references
        The shape and the images; no images for codes.
    similarity
        The largest and the mean similarity, by metric.
    random
        The same for n labels chosen at random from the candidates, mean of several draws; empty for sets that were not
        selected.
    visibility
        Each label's visibility; None for codes.
    intensity
        The label intensity K of ``dprime``; None for codes, and in files written before it was stored.
    """

    shape: tuple[int, int, int]
    references: ReferenceMark | None
    similarity: dict[ScoredMetric, Summary]
    random: dict[ScoredMetric, Summary]
    visibility: list[float] | None
    intensity: float | None = None

    @property
    def place(self) -> str:
        """Where the scores were taken: the shape and the images, in words."""
        on = f" on {self.references.count} {self.references.name}" if self.references else ""
        return f"{'x'.join(map(str, self.shape))}{on}"

    @property
    def taken_on(self) -> object:
        """What tells apart scores of one set: the images' hash, which depends on the shape; for codes the shape.

        Of the built-in photographs the name: before they were computed in integers, each kind of processor had a hash
        of its own.
        """
        if not self.references:
            return self.shape
        built_in = self.references.name == "photographs"
        return (self.references.name, self.shape) if built_in else self.references.sha256

    @property
    def visibility_range(self) -> str:
        """The least visibility, whose it is, and the mean, in words."""
        if not (seen := self.visibility):
            return "–"
        least, mean = min(seen), sum(seen) / len(seen)
        return f"least {least:.2f} (label {seen.index(least)}), mean {mean:.2f} of the images' contrast"

    @property
    def least_dprime(self) -> tuple[float, int, int] | None:
        """The least d′ of any two labels, and which; None if it was not computed, and for a set of one."""
        summary = self.similarity.get("dprime")
        return (dprime(summary.max), *summary.pair) if summary and summary.pair else None

    @property
    def intensity_words(self) -> str:
        """A space and "at K …"; empty for codes, and for old files, which do not tell K."""
        return "" if self.intensity is None else f" at K {self.intensity:g}"

    @property
    def readability(self) -> str | None:
        """The least d′ in words, beside chance's; None where there is none."""
        if not (least := self.least_dprime):
            return None
        chance = self.random.get("dprime")
        beside = f"; chance {dprime_text(dprime(chance.max))}" if chance else ""
        if self.references and self.references.count < REFERENCE_COUNT:
            beside += f"; likely too high, on {self.references.count} images only"
        where = self.intensity_words and f",{self.intensity_words}"
        return f"least d′: {dprime_text(least[0])} (labels {least[1]} and {least[2]}){where}{beside}"


@dataclass(frozen=True)
class Report:
    """The scores of a set with all similarities: the worst pairs by metric, and duplicates."""

    scores: Scores
    matrices: Mapping[ScoredMetric, Matrix]

    def worst(self, metric: ScoredMetric, count: int = 5) -> list[Pair]:
        """Return the most similar pairs (i, j, similarity)."""
        return worst_pairs(self.matrices[metric], count)

    @property
    def duplicates(self) -> list[Pair]:
        """Pairs of labels whose pearson similarity says that they are one."""
        matrix = self.matrices["pearson"]
        return [(int(i), int(j), float(matrix[i, j])) for i, j in np.argwhere(np.triu(matrix, 1) > DUPLICATE)]


def warning_of(scores: Scores | None, provenance: Provenance) -> str | None:
    """Return why labels that overwrite no pixels are likely hard to learn, and what may help; None if they are not."""
    closest = scores and scores.least_dprime
    if not (scores and closest) or closest[0] >= HARD:
        return None
    least, i, j = closest
    visible = (provenance.min_visibility or 0) >= 1
    return (
        f"likely hard to learn: to an untrained observer labels {i} and {j} lie d′ {least:.2f} "
        f"apart{scores.intensity_words}, less than {HARD:g}; what may help: "
        f"{'' if visible else '--min-visibility 1, '}another kind, a larger K"
    )


def scored_metrics(references: References, intensity: float) -> tuple[ScoredMetric, ...]:
    """Return the metrics that a set is scored by: those of the file that can be computed on the reference images."""
    enough = metrics_on(references, intensity)
    return tuple(metric for metric in SCORED_METRICS if metric in enough)
