"""LabelSet: n recipes, one per class, with provenance and scores; load, save, embed."""

from __future__ import annotations

import json
import os
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from fflabels import registry
from fflabels.arrays import Array, Shape, array_namespace, check_images, check_shape, constant_like, device, size
from fflabels.brief import Brief
from fflabels.checks import check_integer, check_intensity, check_seed
from fflabels.codes import code_matrix, references_for
from fflabels.diversity import Summary, summarize, worst_pairs
from fflabels.effect import visibility
from fflabels.errors import FFLabelsError, LabelsChangedWarning, short
from fflabels.files import write_whole
from fflabels.guard import check_fits, checked_embed, checked_imprint, checked_imprint_each, draw, made
from fflabels.images import REFERENCE_COUNT, References
from fflabels.labeler import Labeler, host_integers
from fflabels.metrics import METRICS, Matrix, metrics_on
from fflabels.metrics.dprime import dprime, dprime_text
from fflabels.observer import DEFAULT_INTENSITY
from fflabels.origin import LabelerMark, find_labeler, is_newer, make_labeler, make_recipes, versions
from fflabels.progress import Progress, silent
from fflabels.recipe import MAX_RECIPES, Recipe, canonical_json, first_not_finite, plain_number, sha256
from fflabels.reference_imprints import ReferenceImprints
from fflabels.selection import Selection

if TYPE_CHECKING:
    from PIL.Image import Image

FORMAT = "fflabels label set"
VERSION = 2
READABLE = (1, 2)
"""Versions that are read; version 1 has no reference imprints."""

MAX_BYTES = 64 << 20

DUPLICATE = 0.999
"""Two labels more similar than this count as one."""

HARD = 2.0
"""Labels nearer than this, in d′, are likely hard to learn [ours]."""

SAMPLED = 8
"""Draws that the size of a file is judged by."""

Changed: TypeAlias = Literal["warn", "refuse", "ignore"]
"""What to do when a labeler draws otherwise than when a file was written."""

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


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file, but for its hash."""

    format: str
    version: int
    labeler: LabelerMark
    provenance: Provenance
    scores: Scores | None
    recipes: list[Any]
    imprints: ReferenceImprints | None = None


@dataclass(frozen=True)
class Contents:
    """What a label-set file says of its labels, without their labeler's code: for an overview that draws none."""

    labeler: LabelerMark
    n: int
    provenance: Provenance
    scores: Scores | None

    def __len__(self) -> int:
        return self.n

    @property
    def warning(self) -> str | None:
        """As `LabelSet.warning`; plugins are not loaded here, and taken to overwrite no pixels."""
        ours = [e for e in registry.entries() if e.state == "builtin" and e.name == self.labeler.name]
        built_in = ours[0] if self.labeler.distribution == registry.DISTRIBUTION and ours else None
        overwrites = built_in and registry.load_class(built_in).overwrites
        return None if overwrites else _warning(self.scores, self.provenance)

    @classmethod
    def load(cls, path: str | Path) -> Contents:
        """Read a label-set file; errors as by `LabelSet.load`, but for a labeler that is not installed."""
        return cls.from_json(_read(path), str(path))

    @classmethod
    def from_json(cls, data: bytes, where: str = "label set") -> Contents:
        """Read the content of a label-set file."""
        document = _parse(data, where)
        return cls(document.labeler, len(document.recipes), document.provenance, document.scores)


def check_unit(images: Array) -> None:
    """Refuse images with values below 0, above 1 or undefined. On a GPU this waits for the device."""
    xp = array_namespace(images)
    if size(images) and not bool(xp.all((images >= 0) & (images <= 1))):
        low, high = float(xp.min(images)), float(xp.max(images))
        hint = "divide by 255" if 1 < high <= 255 and low >= 0 else None
        raise FFLabelsError("out of range", where="images", got=f"{low:g} to {high:g}", expected="0 to 1", hint=hint)


def _intensity(intensity: float | Array, images: Array) -> float | Array:
    """Return the label intensity as a number, or as an array (N, 1, 1, 1) that is like the images."""
    if isinstance(intensity, int | float):
        if not 0 <= intensity <= 1:
            raise FFLabelsError("out of range", where="intensity", got=intensity, expected="0 to 1")
        return float(intensity)  # a NumPy scalar would raise the type of the images
    given = intensity.cpu() if hasattr(intensity, "cpu") else intensity
    each = np.asarray(given, np.float64)
    if each.shape not in ((), (images.shape[0],)):
        expected = f"one number, or one per image, ({images.shape[0]},)"
        raise FFLabelsError("does not fit", where="intensity", got=f"shape {each.shape}", expected=expected)
    if each.size and not (each.min() >= 0 and each.max() <= 1):
        got = f"{each.min():g} to {each.max():g}"
        raise FFLabelsError("out of range", where="intensity", got=got, expected="0 to 1")
    return constant_like(each.reshape(-1, 1, 1, 1), images, images.dtype) if each.ndim else float(each)


@dataclass(frozen=True)
class LabelSet:
    """The labels of n classes.

    Parameters
    ----------
    recipes
        One per class.
    labeler
        The labeler that draws them, or its name.
    provenance
        How they were chosen; default: by hand.
    scores
        Their scores; see `score`.

    Attributes
    ----------
    selection
        The result of the search, if the set was just designed; not stored in the file.
    """

    recipes: Sequence[Recipe]
    labeler: Labeler[Any]
    provenance: Provenance = field(default=Provenance("by hand"))
    scores: Scores | None = None
    selection: Selection | None = field(default=None, compare=False, repr=False)

    def __init__(
        self,
        recipes: Sequence[Recipe],
        labeler: Labeler[Any] | str,
        provenance: Provenance | None = None,
        scores: Scores | None = None,
        selection: Selection | None = None,
    ) -> None:
        labeler = registry.get_labeler(labeler) if isinstance(labeler, str) else labeler
        if not recipes or len(recipes) > MAX_RECIPES:
            raise FFLabelsError(
                "bad number of recipes", where="recipes", got=len(recipes), expected=f"1 to {MAX_RECIPES}"
            )
        checked = []
        for i, recipe in enumerate(recipes):
            if not isinstance(recipe, labeler.recipe_type):
                raise FFLabelsError(
                    "not a recipe of the labeler",
                    where=f"recipes[{i}]",
                    got=recipe,
                    expected=labeler.recipe_type.__name__,
                )
            try:
                checked.append(recipe.checked())
            except msgspec.ValidationError as error:
                raise FFLabelsError(f"bad recipe: {error}", where=f"recipes[{i}]") from None
        object.__setattr__(self, "recipes", tuple(checked))
        object.__setattr__(self, "labeler", labeler)
        object.__setattr__(self, "provenance", provenance or Provenance("by hand"))
        object.__setattr__(self, "scores", scores)
        object.__setattr__(self, "selection", selection)

    def __len__(self) -> int:
        return len(self.recipes)

    def __repr__(self) -> str:
        scored = f", scored at {'×'.join(map(str, self.scores.shape))}" if self.scores else ""
        return f"LabelSet({len(self)} {self.labeler.name} labels, {self.provenance.method}{scored})"

    def plot(self, **options: Any) -> Image:
        """Return a contact sheet, a picture of Pillow: each label in the same images, and alone.

        Parameters
        ----------
        **options
            As for `fflabels.gallery.contact_sheet`: shape, references, intensity, names.
        """
        from fflabels.gallery import contact_sheet

        return contact_sheet(self, **options)

    def _repr_html_(self) -> str:
        import base64
        from html import escape

        from fflabels.gallery import png

        text = escape(repr(self).removeprefix("LabelSet(").removesuffix(")"))
        return f'<img alt="{text}" src="data:image/png;base64,{base64.b64encode(png(self.plot())).decode()}">'

    def __hash__(self) -> int:
        """Equal sets have equal hashes; scores and provenance do not count."""
        return hash((tuple(self.recipes), self.labeler.name))

    def imprints(self, images: Array) -> Array:
        """Return what every label adds to every image: (n, N, C, H, W) for images (N, C, H, W) in [0, 1]."""
        check_images(images)
        return array_namespace(images).stack([checked_imprint(self.labeler, images, recipe) for recipe in self.recipes])

    def codes(self, width: int | None = None) -> npt.NDArray[np.float64]:
        """Return the codes as a matrix, (n, W) in [0, 1]: label y's value for channel c in row y, column c.

        Parameters
        ----------
        width
            The number of channels W; default: the set's own.

        Raises
        ------
        FFLabelsError
            When the labels are no codes, or fit another number of channels.
        """
        return code_matrix(self.labeler, self.recipes, self.shape[0] if width is None else width)

    def embed(self, images: Array, labels: Array, intensity: float | Array = DEFAULT_INTENSITY) -> Array:
        """Return ``(1 − K)·images + K·imprint``, each image with its label; one-hot overwrites instead.

        Parameters
        ----------
        images
            (N, C, H, W) floats in [0, 1] of any array-API library.
        labels
            (N,) integers from 0 to n − 1.
        intensity
            The label intensity K, from 0 (the image alone) to 1 (the imprint alone): one number, or one per image (N,).

        Raises
        ------
        FFLabelsError
            For images, labels or intensities of another shape, type or range.
        """
        check_images(images)
        check_unit(images)
        intensity = _intensity(intensity, images)
        index = host_integers(labels)
        low, high = (int(index.min()), int(index.max())) if len(index) else (0, 0)
        if len(index) != images.shape[0] or not 0 <= low <= high < len(self):
            raise FFLabelsError(
                "labels do not fit",
                where="labels",
                got=f"{len(index)} from {low} to {high}",
                expected=f"{images.shape[0]}, one per image, from 0 to {len(self) - 1}",
            )
        beside = hasattr(labels, "cpu") and device(labels) == device(images)  # a tensor that need not be moved
        imprints = checked_imprint_each(self.labeler, images, self.recipes, labels if beside else index)
        return checked_embed(self.labeler, images, imprints, intensity)

    def score(
        self,
        shape: Shape | None = None,
        references: str | Array | References | None = None,
        *,
        intensity: float = DEFAULT_INTENSITY,
        random: Mapping[ScoredMetric, Summary] | None = None,
        progress: Progress = silent,
    ) -> Report:
        """Return the set's similarity by every metric, visibility, worst pairs and duplicates.

        Parameters
        ----------
        shape
            (C, H, W), for codes (W, 1, 1); default: the set's own.
        references
            As for `load_references`; not for codes.
        intensity
            The label intensity K, for ``dprime``; that metric is left out at K = 1, and where there are too few images.
        random
            The chance baseline, to be stored beside.
        """
        shape = self.shape if shape is None else check_shape(shape)
        check_fits(self.labeler, shape)
        images, intensity = references_for(self.labeler, references, shape), check_intensity(intensity)
        brief = Brief(self.labeler, images, intensity)
        metrics = scored_metrics(images, intensity)
        matrices = {metric: brief.similarity(self.recipes, metric, progress) for metric in metrics}
        seen = visibility(self.recipes, self.labeler, images)
        scores = Scores(
            shape=images.shape,
            references=ReferenceMark(images.name, len(images.images), images.digest) if len(images.images) else None,
            similarity={metric: summarize(matrix, METRICS[metric].rounded) for metric, matrix in matrices.items()},
            random={**(random or {})},
            visibility=seen and [round(v, 6) for v in seen],
            intensity=intensity if any(METRICS[metric].uses_intensity for metric in matrices) else None,
        )
        return Report(scores, matrices)

    def reordered(self, order: Sequence[int]) -> LabelSet:
        """Return the set with its labels in another order: label k is the present label ``order[k]``.

        Raises
        ------
        FFLabelsError
            When `order` does not name every label once.
        """
        order = [check_integer(k, "order") for k in order]
        if sorted(order) != list(range(len(self))):
            raise FFLabelsError("not an order of the labels", where="order", got=order, expected="each label once")
        scores = self.scores
        if scores:
            place = {old: new for new, old in enumerate(order)}
            similarity = {
                metric: msgspec.structs.replace(
                    summary, pair=summary.pair and tuple(sorted(place[k] for k in summary.pair))
                )
                for metric, summary in scores.similarity.items()
            }
            seen = scores.visibility and [scores.visibility[k] for k in order]
            scores = msgspec.structs.replace(scores, similarity=similarity, visibility=seen)
        return LabelSet([self.recipes[k] for k in order], self.labeler, self.provenance, scores)

    @property
    def warning(self) -> str | None:
        """Why the set is likely hard to learn, and what may help; None when no problem is expected.

        Labels that overwrite pixels get no warning: a network sees them in their place, but the observer of d′ averages
        over the image [measured: one-hot labels train well at d′ 0.1].
        """
        return None if self.labeler.overwrites else _warning(self.scores, self.provenance)

    @property
    def shape(self) -> Shape:
        """The shape that the set was scored at; without scores the default of its labeler, 1×32×32 for pictures."""
        if self.scores:
            return self.scores.shape
        with registry.blaming(self.labeler):
            return max(map(self.labeler.default_shape, self.recipes))

    @property
    def intensity(self) -> float:
        """The label intensity K that the set was scored at, or 0.35."""
        return (self.scores and self.scores.intensity) or DEFAULT_INTENSITY

    def to_json(self) -> bytes:
        """Return the label-set file: sorted keys, no times, and a hash of the content.

        Raises
        ------
        FFLabelsError
            If it would be larger than what is read, or a label cannot be drawn because of an error in its labeler.
        """
        document = _Document(
            format=FORMAT,
            version=VERSION,
            labeler=LabelerMark.of(self.labeler),
            provenance=self.provenance,
            scores=self.scores,
            recipes=[msgspec.to_builtins(recipe) for recipe in self.recipes],
            imprints=ReferenceImprints.draw(self.labeler, self.recipes, self.shape),
        )
        content = msgspec.to_builtins(document, enc_hook=plain_number)
        content["sha256"] = sha256(canonical_json(content))
        data = _indented(content) + b"\n"
        if len(data) > MAX_BYTES:
            raise _too_large(len(data), len(self), "recipes")
        return data

    def save(self, path: str | Path) -> None:
        """Write the label-set file, whole or not at all."""
        write_whole(path, self.to_json())

    @classmethod
    def load(cls, path: str | Path, *, changed: Changed = "warn") -> LabelSet:
        """Read a label-set file.

        Parameters
        ----------
        changed
            What to do when the labeler draws otherwise than when the file was written: ``warn``, ``refuse`` or
            ``ignore``.

        Raises
        ------
        FFLabelsError
            When it is missing, too large, damaged, of another version, or made by a labeler that is not installed.
        """
        return cls.from_json(_read(path), where=str(path), changed=changed)

    @classmethod
    def from_json(
        cls,
        data: bytes,
        where: str = "label set",
        *,
        changed: Changed = "warn",
        labeler: type[Labeler[Any]] | None = None,
    ) -> LabelSet:
        """Read the content of a label-set file; see `load`. A `labeler` draws it in place of the one that it names."""
        if changed not in get_args(Changed):
            raise FFLabelsError("unknown", where="changed", got=changed, expected=", ".join(get_args(Changed)))
        document = _parse(data, where)
        mark = document.labeler
        labeler_type = labeler or find_labeler(mark, where)
        recipes = make_recipes(labeler_type, document.recipes, mark, where)
        labels = cls(recipes, make_labeler(labeler_type, mark, where), document.provenance, document.scores)
        if changed != "ignore":
            _check_unchanged(labels, document, where, changed)
        return labels


def _warning(scores: Scores | None, provenance: Provenance) -> str | None:
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


def _check_unchanged(labels: LabelSet, document: _Document, where: str, changed: Changed) -> None:
    """Say that the labels are drawn otherwise than when a file was written, or by another version."""
    labeler_type = type(labels.labeler)
    between = versions(labeler_type, document.labeler)
    if document.imprints and (other := document.imprints.changed(labels.labeler, labels.recipes)):
        what = (
            f"{where}: {len(other)} of {len(labels)} labels of {registry.source(labels.labeler)} are drawn otherwise "
            f"than when the set was written, label {other[0]} among them{between}"
        )
        if changed == "refuse":
            raise FFLabelsError(what)
        warnings.warn(what, LabelsChangedWarning, stacklevel=4)
    elif between and (document.labeler.distribution != registry.DISTRIBUTION or is_newer(document.labeler)):
        drawn = "its labels are drawn as before" if document.imprints else "the file cannot tell whether it draws alike"
        warnings.warn(f"{where}: {drawn}{between}", LabelsChangedWarning, stacklevel=4)


def check_size(labeler: Labeler[Any], n: int, shape: Shape, seed: int, where: str = "n") -> None:
    """Refuse so many labels that their file could not be read, before the work: judged by a few draws.

    `where` is the name of `n` for the error.
    """
    sample = [draw(labeler, np.random.default_rng([seed, j]), shape) for j in range(SAMPLED)]
    bytes_each = len(_indented([msgspec.to_builtins(recipe) for recipe in sample])) / SAMPLED
    if n * bytes_each > MAX_BYTES:
        raise _too_large(int(n * bytes_each), n, where)


def _too_large(size: int, n: int, where: str) -> FFLabelsError:
    return FFLabelsError(
        f"{n} recipes are too large for a label-set file", where=where, got=f"{size >> 20} MiB",
        expected=f"at most {MAX_BYTES >> 20} MiB", hint=f"about {max(1, n * MAX_BYTES // size)} labels fit",
    )  # fmt: skip


def _indented(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False).encode()


def scored_metrics(references: References, intensity: float) -> tuple[ScoredMetric, ...]:
    """Return the metrics that a set is scored by: those of the file that can be computed on the reference images."""
    enough = metrics_on(references, intensity)
    return tuple(metric for metric in SCORED_METRICS if metric in enough)


def named_set(name: str, n: int | None = None, shape: Shape | None = None, seed: int = 0) -> LabelSet:
    """Return a labeler's built-in set.

    Parameters
    ----------
    name
        For instance ``fourier:paper10``.
    n, shape, seed
        The number of labels, their shape and the seed: for sets that are made for these, such as ``code:hadamard``.
        A set of fixed recipes has a number of its own, fits any shape, and depends on no seed.

    Raises
    ------
    FFLabelsError
        When there is no such set, `n` or `shape` is missing, or the set cannot be made for them.

    Examples
    --------
    >>> from fflabels import named_set
    >>> len(named_set("fourier:paper10"))
    10
    >>> named_set("code:groups", 2, (4, 1, 1)).codes().tolist()
    [[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]]
    """
    kind, colon, which = name.rpartition(":")
    if not colon:
        raise FFLabelsError("no built-in set", where="name", got=name, expected="KIND:SET, such as fourier:paper10")
    labeler = registry.make(registry.find(kind))
    if which not in labeler.named_sets:
        raise FFLabelsError(
            "no such built-in set", where=kind, got=which, expected=", ".join(labeler.named_sets) or "it has none",
            hint="fflabels select --kind code --classes makes them" if name == "code:classes" else None,
        )  # fmt: skip
    recipes, provenance = labeler.named_sets[which], Provenance(f"built-in set {which}")
    if callable(recipes):
        if n is None or shape is None:
            raise FFLabelsError(
                "is made for a number of labels and a shape", where=name, expected="n and shape", hint="--n, --shape"
            )
        n, seed = check_integer(n, "n"), check_seed(seed)
        if not 1 <= n <= MAX_RECIPES:
            raise FFLabelsError("too few" if n < 1 else "too many", where="n", got=n, expected=f"1 to {MAX_RECIPES}")
        recipes = made(labeler, which, n, check_shape(shape), seed)
        provenance = msgspec.structs.replace(provenance, seed=seed)
    elif n not in (None, len(recipes)):
        raise FFLabelsError("a set of another size", where=name, got=n, expected=f"{len(recipes)}")
    return LabelSet(recipes, labeler, provenance)


def open_set(name: str | Path, n: int | None = None, shape: Shape | None = None, seed: int = 0) -> LabelSet:
    """Return the label set in a file, or a built-in one (``fourier:paper10``); see `named_set` for the rest."""
    if isinstance(name, str) and ":" in name and not os.path.exists(name):  # noqa: PTH110, takes names of any length
        return named_set(name, n, shape, seed)
    labels = LabelSet.load(name)
    if n not in (None, len(labels)):
        raise FFLabelsError("a set of another size", where=str(name), got=n, expected=f"{len(labels)}")
    return labels


def _read(path: str | Path) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise FFLabelsError(f"cannot be read: {reason}", where=str(path)) from None


def is_label_set(path: Path) -> bool:
    """Return whether a file is a label set, of any version and also a damaged one: JSON that says so at the top."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return False
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("format") == FORMAT


def _parse(data: bytes, where: str) -> _Document:
    if len(data) > MAX_BYTES:
        raise FFLabelsError("too large for a label-set file", where=where, expected=f"at most {MAX_BYTES >> 20} MiB")

    # Strict JSON: UTF-8, no duplicate keys.
    try:
        content = json.loads(data.decode(), object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise FFLabelsError(f"not UTF-8: byte {error.start}", where=where) from None
    except RecursionError:
        raise FFLabelsError("nested too deeply", where=where) from None
    except ValueError as error:
        raise FFLabelsError(f"not a label-set file: {error}", where=where) from None

    # Format, version and size, before anything else is believed.
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        other = f'"format": "{content["format"]}"' if isinstance(content, dict) and "format" in content else None
        expected = f'an object with "format": "{FORMAT}"'
        raise FFLabelsError("not a label-set file", where=where, got=other, expected=expected)
    if content.get("version") not in READABLE:
        raise FFLabelsError(
            "unknown version of the label-set file",
            where=where,
            got=content.get("version"),
            expected=" or ".join(map(str, READABLE)),
            hint="is there a newer fflabels?",
        )
    recipes = content.get("recipes")
    if isinstance(recipes, list) and not 1 <= len(recipes) <= MAX_RECIPES:
        raise FFLabelsError("bad number of recipes", where=where, got=len(recipes), expected=f"1 to {MAX_RECIPES}")

    # The hash of the content, which has finite numbers only.
    stated = content.pop("sha256", None)
    try:
        actual = sha256(canonical_json(content))
    except RecursionError:  # the writer's depth is a little less than the reader's
        raise FFLabelsError("nested too deeply", where=where) from None
    except UnicodeEncodeError:
        raise FFLabelsError("not text: half of a surrogate pair", where=where) from None
    except ValueError:
        bad = first_not_finite(content)
        assert bad
        place = f"{where}: {short(bad[0])}"
        raise FFLabelsError("not finite", where=place, got=bad[1], expected="a finite number") from None
    if stated != actual:
        raise FFLabelsError(
            "damaged or edited: the content does not match its hash", where=where, got=str(stated), expected=actual
        )

    # The fields and their types.
    try:
        document = msgspec.convert(content, _Document)
    except msgspec.ValidationError as error:
        raise FFLabelsError(f"not a label-set file: {error}", where=where) from None
    if scores := document.scores:
        check_shape(scores.shape, where=f"{where}: scores.shape")
        labels = len(document.recipes)
        if scores.visibility is not None and len(scores.visibility) != labels:
            got, expected = len(scores.visibility), str(labels)
            raise FFLabelsError("not one per label", where=f"{where}: scores.visibility", got=got, expected=expected)
        if scores.intensity is not None:
            check_intensity(scores.intensity, f"{where}: scores.intensity")
        for metric, summary in scores.similarity.items():
            if summary.pair and not (0 <= min(summary.pair) < max(summary.pair) < labels):
                place, expected = f"{where}: scores.similarity.{metric}.pair", f"two labels, from 0 to {labels - 1}"
                raise FFLabelsError("no pair of labels", where=place, got=summary.pair, expected=expected)
    if document.imprints:
        document.imprints.checked(len(document.recipes), where)
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        [(twice, _), *_] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"duplicate key {twice[:40]!r}")
    return content
