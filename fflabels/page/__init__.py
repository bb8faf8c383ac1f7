"""A label set as one HTML page with all its pictures inside, which opens from a file and on a phone."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from fflabels import gallery
from fflabels.codes import is_code
from fflabels.errors import MissingExtraError
from fflabels.files import write_whole
from fflabels.images import References
from fflabels.labelset import LabelSet
from fflabels.observer import DEFAULT_INTENSITY
from fflabels.probe import Probe
from fflabels.scores import Report, Scores

try:
    import jinja2

    from fflabels import plots
except ImportError as error:
    raise MissingExtraError("pages need matplotlib and Jinja", extra="plots") from error

SHEET = 100
"""Labels on the contact sheet, at most."""

PAIRS = 3
"""The worst pairs by each metric that are shown."""

IMAGES = 2
"""Reference images that these are embedded in."""


PICTURE_WORDS = {
    "sheet": "Each on three of the images, then its imprint on the first of them.",
    "maps": "0 unrelated, 1 the same; dprime: 1/(1 + d′²).",
    "worst": "Of each label: its imprint, then two of the images with it.",
}
CODE_WORDS = {
    "sheet": "The values of each code's channels, beside the correlations of all pairs.",
    "maps": "The signed correlation over the channels: −1 opposite, and best; 0 unrelated; 1 the same.",
    "worst": "Of each label: the values of its channels.",
}
"""What stands above the pictures."""


@dataclass(frozen=True)
class Picture:
    """A picture, as a data URL, and what it shows."""

    url: str
    what: str


@dataclass(frozen=True)
class Couple:
    """Two labels side by side, and how alike they are."""

    words: str
    pictures: tuple[Picture, Picture]


def write_page(
    labels: LabelSet, report: Report, references: References, path: str | Path, *, probe: Probe | None = None
) -> None:
    """Write the page of a set, whole or not at all.

    Parameters
    ----------
    labels
        The set.
    report
        Its scores, as they are to be shown: with what chance gives beside, where that is known.
    references
        The images that it was scored on.
    path
        The file.
    probe
        What a linear classifier reads, if that was tried.
    """
    scores = report.scores
    intensity = DEFAULT_INTENSITY if scores.intensity is None else scores.intensity
    some = LabelSet(labels.recipes[:SHEET], labels.labeler)
    sheet = gallery.contact_sheet(some, shape=scores.shape, references=references, intensity=intensity)
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string(files(__name__).joinpath("page.html").read_text(encoding="utf-8"))
    page = template.render(
        title=f"{len(labels)} {labels.labeler.name} labels",
        lines=_lines(labels, scores, intensity),
        scores=scores,
        warning=replace(labels, scores=scores).warning,
        head=["similarity", "largest", "mean", "chance: largest", "chance: mean"],
        rows=_rows(scores),
        visibility=f"visibility: {scores.visibility_range}",
        probe=probe.lines if probe else [],
        first=f"The first {SHEET} of {len(labels)}. " if len(labels) > SHEET else "",
        sheet=_picture(gallery.png(sheet), "every label"),
        maps=_maps(report) if len(labels) > 1 else [],
        words=CODE_WORDS if is_code(labels.labeler) else PICTURE_WORDS,
        worst=_worst(labels, report, references, intensity) if len(labels) > 1 else {},
    )
    write_whole(path, page.encode())


def _lines(labels: LabelSet, scores: Scores, intensity: float) -> list[str]:
    of = labels.provenance
    pool = f" from {of.candidates} candidates" if of.candidates else ""
    by = f", least largest {of.metric}" if of.metric else ""
    at = f", K = {intensity:g}" if scores.references else ""
    return [
        f"Scored at {scores.place.replace('x', '×', 2)}{at}.",
        f"Labeler {labels.labeler!r}. Chosen: {of.method}{pool}{by}.",
    ]


def _rows(scores: Scores) -> list[list[str]]:
    rows = []
    for metric, summary in scores.similarity.items():
        chance = scores.random.get(metric)
        beside = [f"{chance.max:.3f}", f"{chance.mean:.3f}"] if chance else ["–", "–"]
        rows.append([metric, f"{summary.max:.3f}", f"{summary.mean:.3f}", *beside])
    return rows


def _maps(report: Report) -> list[Picture]:
    return [
        _picture(plots.draw_similarity(matrix, metric), f"{metric} similarity of all pairs")
        for metric, matrix in report.matrices.items()
    ]


def _worst(labels: LabelSet, report: Report, references: References, intensity: float) -> dict[str, list[Couple]]:
    """Return the worst pairs by each metric."""
    images = references.images[:IMAGES]

    def shown(k: int) -> Picture:
        return _picture(gallery.png(gallery.strip(labels, k, images, intensity)), f"label {k}")

    return {
        metric: [
            Couple(f"{i} and {j}: {value:.3f}", (shown(i), shown(j))) for i, j, value in report.worst(metric, PAIRS)
        ]
        for metric in report.matrices
    }


def _picture(data: bytes, what: str) -> Picture:
    return Picture(f"data:image/png;base64,{b64encode(data).decode()}", what)
