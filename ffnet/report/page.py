"""The report of a run: one HTML file that contains all its pictures and needs no network."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from pathlib import Path

from fflabels.errors import MissingExtraError
from fflabels.files import write_whole
from fflabels.progress import Progress, silent
from ffnet.config import Config
from ffnet.data.dataset import Data
from ffnet.evaluation.activation_maps import activation_maps
from ffnet.evaluation.statistics import percent
from ffnet.inference.predict import scores
from ffnet.report import headline
from ffnet.report.advice import advice
from ffnet.report.section import Section, first_images, picture
from ffnet.runs.files import CONFIG, LABELS
from ffnet.runs.folder import Run, check_alike
from ffnet.runs.log import TIMINGS, read_lines
from ffnet.runs.record import Record

try:
    import jinja2

    from ffnet.report import figures, label_sections
    from ffnet.report.names import drawable, legend
except ModuleNotFoundError as error:
    raise MissingExtraError("reports need matplotlib and Jinja", extra="plots") from error

REPORT = "report.html"

MAX_MISTAKES = 16
"""At most this many mistakes are drawn."""


def write_report(
    run: Run,
    data: Data | None = None,
    *,
    out: str | Path | None = None,
    baseline: Run | Record | None = None,
    progress: Progress = silent,
) -> Path:
    """Write the report of a run, and return where it is.

    Parameters
    ----------
    run
        Finished or not; the page names the sections that it cannot have.
    data
        The run's data set; without it there are no mistakes, activation maps and label confusions.
    out
        The file; default: ``report.html`` in the run folder.
    baseline
        A finished run on the same data, such as one by back-propagation, whose accuracies stand in the headline.
    progress
        Called with the name of the work being done, sections done, and sections in all.
    """
    if baseline:
        check_alike([run, baseline])

    # Make the sections.
    makers: list[Callable[[], Section | None]] = [
        partial(_results, run), partial(_learning, run), partial(_layers, run), partial(_confusion, run),
        partial(_mistakes, run, data), *label_sections.makers(run, data), partial(_maps, run, data),
        partial(label_sections.diagnosis, run, data), partial(_usage, run), partial(_settings, run),
        partial(_provenance, run),
    ]  # fmt: skip
    sections = []
    for k, make in enumerate(makers):
        if section := make():
            sections.append(section)
        progress("report", k + 1, len(makers))

    # Fill the template.
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("ffnet.report").joinpath("page.html").read_text(encoding="utf-8"))
    page = template.render(
        title=run.folder.resolve().name, headline=headline.sentence(run), bars=headline.bars(run, baseline),
        below=headline.missing_baseline(run, baseline), lines=_summary(run), verdict=verdict(run),
        missing=_missing(run, data), advice=advice(run), sections=sections,
    )  # fmt: skip
    path = Path(out) if out else run.folder / REPORT
    write_whole(path, page.encode())
    return path


def verdict(run: Run) -> str:
    """Return one line that says whether a run is layer-local, and where the label enters the net."""
    net = run.config.net
    if run.config.algorithm == "bp":
        return "Back-propagation: the baseline, not forward–forward."
    if run.config.algorithm == "local":
        return "Layer-local, but not forward–forward: each layer learns from a linear classifier of its own."
    if run.config.has_codes:
        codes = "learned together with the layer" if run.config.labels.goodness.learn else "fixed"
        return (
            "Pure forward–forward: each layer learns from its own activity alone. Labels are codes over its channels, "
            f"{codes}; images carry no label, and one pass gives the goodness of all labels."
        )
    image, layers = run.config.labels.intensity > 0, run.config.labels.layers
    if not layers.count:
        enters = "only at the input, as an image"
    elif layers.set == "imprint":
        enters = f"{'at every layer' if image else 'after layer 1'}, as an image"
    else:
        enters = f"{'at the input as an image, and ' if image else ''}after layer 1 as {layers.count} channels"
    if run.config.layer_local:
        hard = run.config.train.negatives == "hard"
        negatives = " and from wrong labels drawn by the last layer's goodness" if hard else " alone"
        return f"Pure forward–forward: each layer learns from its own activity{negatives}; the label enters {enters}."
    why = "the summed loss reaches back through all layers" if not net.detach else "layer 1 learns from layer 2's loss"
    return f"Not layer-local: {why}. The label enters {enters}."


def _summary(run: Run) -> list[str]:
    """Return the lines below the title: data, net, labels, training."""
    about, config = run.about, run.config
    shape = "×".join(map(str, about.data.shape))
    counts = ", ".join(f"{count:,} {split}" for split, count in about.data.counts.items())
    widths = "-".join(map(str, config.net.widths))
    lines = [f"{about.data.name}, {shape}, {len(about.data.class_names)} classes: {counts} images"]
    lines.append(f"{widths} filters of {config.net.kernel}×{config.net.kernel}, {config.net.norm} norm")
    lines += label_sections.summary(run)
    done = len(run.metrics)
    lines.append(f"{done} of {config.train.epochs} epochs, batch {config.train.batch}, seed {config.seed}")
    return [*lines, *filter(None, [legend(about.data.class_names)])]


def _missing(run: Run, data: Data | None) -> list[str]:
    """Return notes on what the page does not have."""
    notes = []
    if run.results is None:
        folder = shlex.quote(str(run.folder))
        notes.append(f"This run is not finished: ffnet resume {folder} continues it. There are no accuracies yet.")
    if data is None:
        notes.append(
            "The run's data set was not available: the page has no mistakes, activation maps or label confusions."
        )
    return notes


def _results(run: Run) -> Section | None:
    if run.results is None:
        return None
    rows = [
        [f"{part.split}, {part.images:,}", name, percent(accuracy.accuracy), percent(accuracy.untrained)]
        for part in run.results.parts
        for name, accuracy in part.accuracies.items()
    ]
    words = "One seed. Make choices on validation images; the test images of this run were evaluated "
    words += f"{run.test_reads} times. " if run.test_reads != 1 else "once. "
    if run.labels:
        words += "Goodness: the label with the highest goodness. Linear: a linear classifier, fitted afterwards "
        words += "to the layers' activations. Untrained net: the same with the initial, random filters."
    return Section("Accuracy, %", words, table=(["images", "inference", "accuracy", "untrained net"], rows))


def _learning(run: Run) -> Section | None:
    if not run.metrics:
        return None
    words = _discrimination(run.config) if run.config.algorithm == "ff" else ""
    drawn = picture(figures.learning_curves(run.metrics), "learning curves", chart=True)
    return Section("Learning", words, (drawn,))


def _discrimination(config: Config) -> str:
    if not config.has_codes and config.train.loss == "bce":
        return (
            "Discrimination: how often goodness is above the threshold with the right label, below it with a wrong one."
        )
    return "Discrimination: how often a layer gives the right label higher goodness than a wrong one."


def _layers(run: Run) -> Section | None:
    parts = run.results.parts if run.results else []
    layers = {str(part.split): part.goodness.layers for part in parts if part.goodness}
    if not layers:
        return None
    chance = 1 / len(run.about.data.class_names)
    caption = "accuracy by the goodness of each layer alone"
    drawn = picture(figures.layer_accuracies(layers, chance), caption, chart=True)
    words = "The predicted class is the one whose label has the highest goodness in this layer."
    return Section("Each layer alone", words, (drawn,))


def _confusion(run: Run) -> Section | None:
    if run.results is None:
        return None
    names = drawable(run.about.data.class_names)
    part = run.results.parts[-1]
    pictures = [
        picture(figures.confusion(accuracy.confusion, names, name), f"{name}, {part.split} images", chart=True)
        for name, accuracy in part.accuracies.items()
    ]
    words = "Each row is a true class; its images are counted under the class that was predicted."
    return Section("Confusion matrices", words, tuple(pictures))


def _mistakes(run: Run, data: Data | None) -> Section | None:
    if data is None or run.results is None:
        return None
    name, part = first_images(data)
    scores_NC = scores(run.net, part.images).cpu()
    predicted, confidence_N = scores_NC.argmax(1), scores_NC.softmax(1).amax(1)
    wrong = (predicted != part.classes).nonzero()[:, 0]
    if not len(wrong):
        return Section("Most confident mistakes", f"None among {len(part):,} {name} images.")
    worst = wrong[confidence_N[wrong].argsort(descending=True)][:MAX_MISTAKES]
    names = drawable(run.about.data.class_names)
    drawn = figures.mistakes(
        part.images[worst], [names[k] for k in part.classes[worst]], [names[k] for k in predicted[worst]]
    )
    by = {"linear": "The linear classifier", "goodness": "Goodness"}.get(run.net.inference, "The net")
    words = f"{by} is wrong on {len(wrong):,} of {len(part):,} {name} images, most confidently on these."
    return Section("Most confident mistakes", words, (picture(drawn, "true class → predicted class"),))


def _maps(run: Run, data: Data | None) -> Section | None:
    if data is None or run.results is None:
        return None
    words = "What each pixel adds to the evidence of the linear classifier for the predicted class: green is for it, "
    words += "pink against it. Titles: true class → predicted class. Each map has its own scale."
    return label_sections.map_section("Class activation maps", words, run, data, partial(activation_maps, run.net))


def _usage(run: Run) -> Section:
    """Return lines of Python, and a command, that use the net."""
    code = f"""import ffnet

run = ffnet.load_run({str(run.folder)!r})
images = run.data().test.images[:8]  # or your own, (N, {", ".join(map(str, run.about.data.shape))}), bytes or 0 to 1
predicted = run.predict(images)  # numbers of classes
names = [run.about.data.class_names[k] for k in predicted]
"""
    words = f"ffnet predict {shlex.quote(str(run.folder))} IMAGE… does the same for image files and folders."
    return Section("Use this net", words, code=code)


def _settings(run: Run) -> Section:
    return Section("Settings", text=(run.folder / CONFIG).read_text(encoding="utf-8"))


def _provenance(run: Run) -> Section:
    rows = [[name, version] for name, version in sorted(run.about.versions.items())]
    rows.append(["device", run.about.device])
    if start := run.about.started:
        rows.append(["started from", f"{start.run}, after {start.epochs} epochs"])
    for part in run.about.continued:
        versions = ", ".join(f"{name} {version}" for name, version in sorted(part.versions.items()))
        rows.append([f"continued after epoch {part.epoch}, step {part.step}", f"{part.device}; {versions}"])
    rows.append(["data", f"{run.about.data.name}, SHA-256 {run.about.data.sha256[:16]}…"])
    timings = read_lines(run.folder / TIMINGS)
    rows.append(["CPU seconds", f"{sum(float(str(line['cpu_seconds'])) for line in timings):,.0f}"])
    if (run.folder / LABELS).exists():
        rows.append(["labels", f"{LABELS}, {', '.join(label_sections.labelers(run.net))}"])
    rows += [["labeler", f"{m.name} of {m.distribution or 'a file'} {m.version}".rstrip()] for m in run.about.labelers]
    return Section("Provenance", table=(["what", "which"], rows))
