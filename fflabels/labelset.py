"""LabelSet: n recipes, one per class, with provenance and scores; load, save, embed. Built-in sets by name."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from fflabels import registry
from fflabels.arrays import (
    Array,
    Shape,
    array_namespace,
    check_images,
    check_shape,
    check_unit,
    constant_like,
    device,
)
from fflabels.brief import Brief
from fflabels.checks import check_integer, check_intensity, check_seed
from fflabels.codes import code_matrix, references_for
from fflabels.diversity import Summary, summarize
from fflabels.effect import visibility
from fflabels.errors import FFLabelsError, LabelsChangedWarning
from fflabels.files import write_whole
from fflabels.guard import check_fits, checked_embed, checked_imprint, checked_imprint_each, made
from fflabels.images import References
from fflabels.label_set_file import FORMAT, MAX_BYTES, VERSION, Document, indented, parse, read_file, too_large
from fflabels.labeler import Labeler, host_integers
from fflabels.metrics import METRICS
from fflabels.observer import DEFAULT_INTENSITY
from fflabels.origin import LabelerMark, find_labeler, is_newer, make_labeler, make_recipes, versions
from fflabels.progress import Progress, silent
from fflabels.recipe import MAX_RECIPES, Recipe, canonical_json, plain_number, sha256
from fflabels.reference_imprints import ReferenceImprints
from fflabels.scores import Provenance, ReferenceMark, Report, ScoredMetric, Scores, scored_metrics, warning_of
from fflabels.selection import Selection

if TYPE_CHECKING:
    from PIL.Image import Image

Changed: TypeAlias = Literal["warn", "refuse", "ignore"]
"""What to do when a labeler draws differently from when a file was written."""


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
        labeler: registry.LabelerLike,
        provenance: Provenance | None = None,
        scores: Scores | None = None,
        selection: Selection | None = None,
    ) -> None:
        labeler = registry.as_labeler(labeler)
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
        return None if self.labeler.overwrites else warning_of(self.scores, self.provenance)

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

    def to_json(self, *, shape: Shape | None = None) -> bytes:
        """Return the label-set file: sorted keys, no times, and a hash of the content.

        Parameters
        ----------
        shape
            (C, H, W) of the images that the labels are for; default: the set's own `shape`.

        Raises
        ------
        FFLabelsError
            If it would be larger than what is read, or a label cannot be drawn because of an error in its labeler.
        """
        document = Document(
            format=FORMAT,
            version=VERSION,
            labeler=LabelerMark.of(self.labeler),
            provenance=self.provenance,
            scores=self.scores,
            recipes=[msgspec.to_builtins(recipe) for recipe in self.recipes],
            imprints=ReferenceImprints.draw(self.labeler, self.recipes, shape or self.shape),
        )
        content = msgspec.to_builtins(document, enc_hook=plain_number)
        content["sha256"] = sha256(canonical_json(content))
        data = indented(content) + b"\n"
        if len(data) > MAX_BYTES:
            raise too_large(len(data), len(self), "recipes")
        return data

    def save(self, path: str | Path, *, shape: Shape | None = None) -> None:
        """Write the label-set file, whole or not at all; `shape` as for `to_json`."""
        write_whole(path, self.to_json(shape=shape))

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        changed: Changed = "warn",
        labeler: Labeler[Any] | type[Labeler[Any]] | None = None,
    ) -> LabelSet:
        """Read a label-set file.

        Parameters
        ----------
        changed
            What to do when the labeler draws otherwise than when the file was written: ``warn``, ``refuse`` or
            ``ignore``.
        labeler
            The labeler to draw it, or its class, with the parameters in the file: for one that no distribution has, as
            in a notebook. Default: the one that the file names.

        Raises
        ------
        FFLabelsError
            When it is missing, too large, damaged, of another version, or made by a labeler that is not installed.
        """
        return cls.from_json(read_file(path), where=str(path), changed=changed, labeler=labeler)

    @classmethod
    def from_json(
        cls,
        data: bytes,
        where: str = "label set",
        *,
        changed: Changed = "warn",
        labeler: Labeler[Any] | type[Labeler[Any]] | None = None,
    ) -> LabelSet:
        """Read the content of a label-set file; see `load`."""
        if changed not in get_args(Changed):
            raise FFLabelsError("unknown", where="changed", got=changed, expected=", ".join(get_args(Changed)))
        document = parse(data, where)
        mark = document.labeler
        own = type(labeler) if isinstance(labeler, Labeler) else labeler
        labeler_type = own or find_labeler(mark, where)
        recipes = make_recipes(labeler_type, document.recipes, mark, where)
        labels = cls(recipes, make_labeler(labeler_type, mark, where), document.provenance, document.scores)
        if changed != "ignore":
            _check_unchanged(labels, document, where, changed)
        return labels


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
    labeler, which = find_named_set(name)
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


def find_named_set(name: str) -> tuple[Labeler[Any], str]:
    """Return the labeler of a built-in set, and the set's own name; refuse a name that there is not."""
    kind, colon, which = name.rpartition(":")
    if not colon:
        raise FFLabelsError("no built-in set", where="name", got=name, expected="KIND:SET, such as fourier:paper10")
    labeler = registry.make(registry.find(kind))
    if which not in labeler.named_sets:
        raise FFLabelsError(
            "no such built-in set", where=kind, got=which, expected=", ".join(labeler.named_sets) or "it has none",
            hint="fflabels select --kind code --classes makes them" if name == "code:classes" else None,
        )  # fmt: skip
    return labeler, which


def is_built_in(name: str | Path) -> bool:
    """Return whether a name is that of a built-in set, not of a file."""
    return isinstance(name, str) and ":" in name and not os.path.exists(name)  # noqa: PTH110, takes names of any length


def open_set(name: str | Path, n: int | None = None, shape: Shape | None = None, seed: int = 0) -> LabelSet:
    """Return the label set in a file, or a built-in one (``fourier:paper10``); see `named_set` for the rest."""
    if is_built_in(name):
        return named_set(str(name), n, shape, seed)
    labels = LabelSet.load(name)
    if n not in (None, len(labels)):
        raise FFLabelsError("a set of another size", where=str(name), got=n, expected=f"{len(labels)}")
    return labels


def _check_unchanged(labels: LabelSet, document: Document, where: str, changed: Changed) -> None:
    """Warn, or raise, if the labels are drawn differently from when the file was written, or by another version."""
    labeler_type = type(labels.labeler)
    between = versions(labeler_type, document.labeler)
    if document.imprints and (other := document.imprints.changed(labels.labeler, labels.recipes)):
        what = (
            f"{where}: {len(other)} of {len(labels)} labels of {registry.source(labels.labeler)} are drawn "
            f"differently from when the set was written, label {other[0]} among them{between}"
        )
        if changed == "refuse":
            raise FFLabelsError(what)
        warnings.warn(what, LabelsChangedWarning, stacklevel=4)
    elif between and (document.labeler.distribution != registry.DISTRIBUTION or is_newer(document.labeler)):
        drawn = "its labels are drawn as before" if document.imprints else "the file cannot tell whether it draws alike"
        warnings.warn(f"{where}: {drawn}{between}", LabelsChangedWarning, stacklevel=4)


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
