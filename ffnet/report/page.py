"""The report of a run: one HTML page with all its pictures inside, which opens from a file and on a phone."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path

from torch import Tensor

from fflabels.errors import MissingExtraError
from fflabels.files import write_whole
from fflabels.gallery import contact_sheet
from fflabels.images import References
from fflabels.labelset import LabelSet
from fflabels.progress import Progress, silent
from ffnet.data.images import to_unit
from ffnet.data.load import Data, Split, one_a_class
from ffnet.evaluation.activation_maps import activation_maps
from ffnet.evaluation.diagnosis import diagnose
from ffnet.inference.predict import scores
from ffnet.model.net import FFNet
from ffnet.runs.files import CONFIG, LABELS
from ffnet.runs.folder import Run
from ffnet.runs.log import TIMINGS, read_lines

try:
    import jinja2

    from ffnet.report import figures
except ModuleNotFoundError as error:
    raise MissingExtraError('reports need matplotlib and Jinja: pip install "fflabels[plots]"') from error

REPORT = "report.html"

GALLERY = 20
"""Labels in the gallery, at most."""

LOOKED_AT = 1000
"""Validation images among which mistakes are looked for and labels are diagnosed."""

SHOWN = 16
"""Mistakes shown."""

EXPLAINED = 6
"""Images whose activation maps are shown."""


@dataclass(frozen=True)
class Section:
    """A part of the page: a heading, words, pictures (data URL, what it shows), a table (head, rows), a file's text."""

    title: str
    words: str = ""
    pictures: tuple[tuple[str, str], ...] = ()
    table: tuple[list[str], list[list[str]]] | None = None
    text: str = ""


def write_report(
    run: Run, data: Data | None = None, *, out: str | Path | None = None, progress: Progress = silent
) -> Path:
    """Write the report of a run, and return where it is.

    Parameters
    ----------
    run
        Finished or not: the page has what there is, and says what there is not.
    data
        The run's data set; without it the page has no mistakes, maps or diagnosis.
    out
        The file; ``report.html`` in the run folder unless given.
    progress
        Called with what is being done, sections done, and sections in all.
    """
    makers: list[Callable[[], Section | None]] = [
        partial(_results, run), partial(_labels, run, data), partial(_offered, run), partial(_learning, run),
        partial(_layers, run), partial(_confusion, run), partial(_mistakes, run, data), partial(_maps, run, data),
        partial(_diagnosis, run, data), partial(_settings, run), partial(_provenance, run),
    ]  # fmt: skip
    sections = []
    for k, make in enumerate(makers):
        if section := make():
            sections.append(section)
        progress("report", k + 1, len(makers))
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("ffnet.report").joinpath("page.html").read_text(encoding="utf-8"))
    page = template.render(
        title=run.folder.resolve().name, lines=_lines(run), verdict=verdict(run), missing=_missing(run, data),
        sections=sections,
    )  # fmt: skip
    path = Path(out) if out else run.folder / REPORT
    write_whole(path, page.encode())
    return path


def verdict(run: Run) -> str:
    """Return in a line whether a run is really forward–forward: what each layer learns from, where the label enters."""
    net = run.config.net
    if run.config.algorithm == "bp":
        return "Back-propagation: the baseline, not forward–forward."
    offered = "at every layer" if run.config.labels.intensity else "behind layer 1"
    enters = f"{offered if net.label_every_layer else 'only at the input'}, as an image"
    if run.config.layer_local:
        chosen = (
            ", with wrong labels that the last layer takes for right"
            if run.config.train.negatives == "hard"
            else " alone"
        )
        return f"Pure forward–forward: each layer learns from its own activity{chosen}; the label enters {enters}."
    why = "the summed loss reaches back through all layers" if not net.detach else "layer 1 learns from layer 2's loss"
    return f"Not layer-local: {why}. The label enters {enters}."


def _lines(run: Run) -> list[str]:
    about, config = run.about, run.config
    shape = "×".join(map(str, about.data.shape))
    counts = ", ".join(f"{count:,} {split}" for split, count in about.data.counts.items())
    widths = "-".join(map(str, config.net.widths))
    found = [f"{about.data.name}, {shape}, {len(about.data.class_names)} classes: {counts} images"]
    found.append(f"{widths} filters of {config.net.kernel}×{config.net.kernel}, {config.net.norm} norm")
    if isinstance(run.net, FFNet):
        found.append(f"{len(run.net.labels)} {run.net.labels.labeler.name} labels, K = {config.labels.intensity:g}")
        found.append(f"{config.train.goodness} goodness, {config.train.loss} loss, {config.train.negatives} negatives")
    done = len(run.metrics)
    found.append(f"{done} of {config.train.epochs} epochs, batch {config.train.batch}, seed {config.seed}")
    return found


def _missing(run: Run, data: Data | None) -> list[str]:
    found = []
    if run.results is None:
        found.append(f"This run is not finished: ffnet resume {run.folder} goes on with it. No accuracies yet.")
    if data is None:
        found.append("The run's data set was not at hand: no mistakes, no activation maps, no diagnosis of labels.")
    return found


def _results(run: Run) -> Section | None:
    if run.results is None:
        return None
    rows = []
    for part in filter(None, (run.results.validation, run.results.test)):
        for name, reading in part.accuracies.items():
            beside = "–" if reading.untrained is None else _percent(reading.untrained)
            rows.append([f"{part.split}, {part.images:,}", name, _percent(reading.accuracy), beside])
    words = "One seed. Choices belong to validation; the test images of this run were read "
    words += f"{run.test_reads} times. " if run.test_reads != 1 else "once. "
    if isinstance(run.net, FFNet):
        words += "The last column is the same reading fitted to the untrained net: what random filters give."
    return Section("Accuracy, %", words, table=(["images", "read by", "accuracy", "untrained"], rows))


def _labels(run: Run, data: Data | None) -> Section | None:
    if not isinstance(run.net, FFNet):
        return None
    labels = run.net.labels
    shown = LabelSet(labels.recipes[:GALLERY], labels.labeler, labels.provenance, None)
    references = References(to_unit(data.train.images[:8]).numpy(), data.name) if data else None
    sheet = io.BytesIO()
    contact_sheet(
        shown, shape=run.net.shape, references=references, intensity=run.config.labels.intensity
    ).save(sheet, format="PNG")  # fmt: skip
    words = _first(len(labels))
    if labels.scores:
        scored = [f"{metric} {found.max:.3f}" for metric, found in labels.scores.similarity.items()]
        words += f"The most similar pair: {', '.join(scored)}. Chosen: {labels.provenance.method}."
    return Section("Labels", words, (_picture(sheet.getvalue(), "every label, embedded and alone"),))


def _first(count: int) -> str:
    """Return a sentence, where not all labels are shown."""
    return "" if count <= GALLERY else f"The first {GALLERY} of {count}. "


def _offered(run: Run) -> Section | None:
    if not isinstance(run.net, FFNet) or not isinstance(patterns_NMHW := run.net.embedder.offered, Tensor):
        return None
    names = run.about.data.class_names[:GALLERY]
    words = _first(len(patterns_NMHW))
    words += f"Each layer behind the first is offered {patterns_NMHW.shape[1]} low waves of the label, a channel each, "
    words += "beside the activity of the one before. In the linear classifier's pass: the mean of all labels."
    picture = figures.offered(patterns_NMHW[:GALLERY], names)
    return Section("The label in later layers", words, (_picture(picture, "what the second layer is offered"),))


def _learning(run: Run) -> Section | None:
    if not run.metrics:
        return None
    words = (
        "" if run.config.algorithm == "bp" else "Discrimination: how often a layer tells a positive from a negative."
    )
    return Section("Learning", words, (_picture(figures.learning_curves(run.metrics), "loss and accuracy by epoch"),))


def _layers(run: Run) -> Section | None:
    parts = [run.results.validation, run.results.test] if run.results else []
    layers = {str(part.split): part.goodness.layers for part in parts if part and part.goodness}
    if not layers:
        return None
    chance = 1 / len(run.about.data.class_names)
    picture = _picture(figures.layer_accuracies(layers, chance), "accuracy of each layer's goodness alone")
    return Section("Each layer alone", "The class whose label has the most goodness in this layer.", (picture,))


def _confusion(run: Run) -> Section | None:
    if run.results is None:
        return None
    names = run.about.data.class_names
    pictures = [
        _picture(figures.confusion(reading.confusion, names), f"test images, read by {name}")
        for name, reading in run.results.test.accuracies.items()
    ]
    return Section("Which class is taken for which", "", tuple(pictures))


def _looked_at(data: Data) -> tuple[str, Split]:
    name = "validation" if len(data.validation) else "train"
    part: Split = getattr(data, name)
    return name, part[:LOOKED_AT]


def _mistakes(run: Run, data: Data | None) -> Section | None:
    if data is None or run.results is None:
        return None
    name, part = _looked_at(data)
    scores_NC = scores(run.net, part.images).cpu()
    sure_N = scores_NC.softmax(1).amax(1)
    wrong = (scores_NC.argmax(1) != part.classes).nonzero()[:, 0]
    if not len(wrong):
        return Section("Most confident mistakes", f"None among {len(part):,} {name} images.")
    worst = wrong[sure_N[wrong].argsort(descending=True)][:SHOWN]
    names = run.about.data.class_names
    predicted = scores_NC.argmax(1)
    picture = figures.mistakes(
        part.images[worst], [names[k] for k in part.classes[worst]], [names[k] for k in predicted[worst]]
    )
    read = "the linear classifier" if isinstance(run.net, FFNet) else "the net"
    words = f"{len(wrong):,} of {len(part):,} {name} images are mistaken by {read}; these with most confidence."
    return Section("Most confident mistakes", words, (_picture(picture, "right class → predicted class"),))


def _maps(run: Run, data: Data | None) -> Section | None:
    if data is None or run.results is None:
        return None
    _, part = _looked_at(data)
    images = one_a_class(part, EXPLAINED).images
    found = activation_maps(run.net, images)
    names = run.about.data.class_names
    picture = figures.activation(images, found, [names[k] for k in found.classes])
    words = "What each pixel adds to the evidence for the predicted class: green speaks for it, pink against it."
    return Section("Class activation maps", words, (_picture(picture, "image, each layer's map, their sum"),))


def _diagnosis(run: Run, data: Data | None) -> Section | None:
    if data is None or not run.metrics or not isinstance(run.net, FFNet):
        return None
    found = diagnose(run.net, data, count=LOOKED_AT)
    names = run.about.data.class_names
    rows = [
        [
            "what decides" if line.layer == 0 else f"layer {line.layer}",
            *map(_percent, (line.images, line.noise, line.other, line.favourite)),
        ]
        for line in found.shortcuts
    ]
    pairs = "; ".join(
        f"{names[p.a]}–{names[p.b]} {_percent(p.mistaken)} % "
        f"({', '.join(f'{metric} {value:.3f}' for metric, value in p.similarity.items())})"
        for p in found.pairs[:5]
        if p.mistaken
    )
    words = f"Taken for one another most often, with the similarity of their labels: {pairs or 'none'}. "
    ranks = [f"{metric} {value:+.2f}" for metric, value in found.rank_correlation.items() if value is not None]
    if ranks:
        words += f"Rank correlation of similarity and mistakes over all pairs: {', '.join(ranks)}. "
    words += (
        "The table: how often the right label has more goodness than a wrong one, on the image, on noise, and on an "
        "image of a third class. Above 50 in the last two, a layer reads the label alone: the shortcut. Favourite: the "
        "share of noise images that are given the most frequent label."
    )
    head = ["%", "image", "noise", "third class", "favourite"]
    return Section("What the net makes of its labels", words, table=(head, rows))


def _settings(run: Run) -> Section:
    return Section("Settings", text=(run.folder / CONFIG).read_text())


def _provenance(run: Run) -> Section:
    rows = [[name, version] for name, version in sorted(run.about.versions.items())]
    rows += [["device", run.about.device], ["data", f"{run.about.data.name}, SHA-256 {run.about.data.sha256[:16]}…"]]
    timings = read_lines(run.folder / TIMINGS)
    rows.append(["processor seconds", f"{sum(float(str(line['cpu_seconds'])) for line in timings):,.0f}"])
    if (run.folder / LABELS).exists():
        assert isinstance(run.net, FFNet)
        rows.append(["labels", f"{LABELS}, {run.net.labels.labeler!r}"])
    return Section("Provenance", table=(["what", "which"], rows))


def _picture(data: bytes, what: str) -> tuple[str, str]:
    return f"data:image/png;base64,{b64encode(data).decode()}", what


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"
