"""The sections of the report page on labels: the labels themselves, and what the net makes of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor

from fflabels.gallery import contact_sheet, png
from fflabels.images import References
from fflabels.labelset import LabelSet
from fflabels.origin import LabelerMark
from ffnet.data.dataset import Data, first_of_each_class
from ffnet.data.images import to_unit
from ffnet.evaluation.activation_maps import ActivationMaps
from ffnet.evaluation.diagnosis import diagnose
from ffnet.evaluation.goodness_maps import code_correlations, goodness_maps
from ffnet.evaluation.statistics import percent
from ffnet.labels.codes import Codes
from ffnet.model.net import FFNet, Net
from ffnet.prepare import sets_of
from ffnet.report import figures
from ffnet.report.names import drawable, numbered
from ffnet.report.section import MAX_IMAGES, Section, first_images, picture
from ffnet.runs.folder import Run

MAX_LABELS = 20
"""At most this many labels are drawn."""

MAPPED_IMAGES = 6
"""Number of images whose goodness maps are drawn."""


def makers(run: Run, data: Data | None) -> list[Callable[[], Section]]:
    """Return functions that make the sections on the labels of a run."""
    net = run.net
    if not isinstance(net, FFNet):
        return []
    if isinstance(net.labels, Codes):
        sections: list[Callable[[], Section]] = [partial(_codes, run, net.labels), partial(_correlations, run, net)]
        return [*sections, partial(_goodness_maps, run, net, data)] if data is not None and run.metrics else sections
    sections = [partial(_pictures, run, net, net.labels, data)]
    if net.embedder and net.embedder.label_patterns is not None:
        sections.append(partial(_label_channels, run, net.embedder.label_patterns))
    return sections


def summary(run: Run) -> list[str]:
    """Return lines on labels, goodness and loss for the top of the page; none without labels."""
    labels, train = run.labels, run.config.train
    if labels is None:
        return []
    if isinstance(labels, Codes):
        learned = "learned" if run.config.labels.goodness.learn else "fixed"
        return [f"{len(labels)} {learned} codes over channels, {train.goodness} goodness, softmax over all labels"]
    return [
        f"{len(labels)} {LabelerMark.of(labels.labeler).title} labels, K = {run.config.labels.intensity:g}",
        f"{train.goodness} goodness, {train.loss} loss, {train.negatives} negatives",
    ]


def labelers(net: Net) -> list[str]:
    """Return the labelers of a net, as text."""
    return list(dict.fromkeys(repr(labels.labeler) for labels in sets_of(net)))


def _pictures(run: Run, net: FFNet, labels: LabelSet, data: Data | None) -> Section:
    """Return the labels that images carry."""
    images = first_of_each_class(data.train, 8).images if data else None
    references = References(to_unit(images).numpy(), data.name) if data and images is not None else None
    sheet = _sheet(run, labels, shape=net.shape, references=references, intensity=run.config.labels.intensity)
    words = _first_labels(len(labels))
    if labels.scores:
        largest = [f"{metric} {similarity.max:.3f}" for metric, similarity in labels.scores.similarity.items()]
        words += (
            f"Similarity of the most similar pair: {', '.join(largest)}. Selection method: {labels.provenance.method}."
        )
    return Section("Labels", words, (picture(sheet, "each label, on images and alone"),))


def _sheet(run: Run, labels: LabelSet, **options: Any) -> bytes:
    """Return a contact sheet of the first labels with the names of their classes."""
    shown = LabelSet(labels.recipes[:MAX_LABELS], labels.labeler, labels.provenance)
    return png(contact_sheet(shown, names=numbered(run.about.data.class_names[:MAX_LABELS]), **options))


def _first_labels(count: int) -> str:
    """Return a sentence if not all labels are shown."""
    return "" if count <= MAX_LABELS else f"The first {MAX_LABELS} of {count}. "


def _label_channels(run: Run, patterns_NMHW: Tensor) -> Section:
    """Return the label channels that later layers receive."""
    names = drawable(run.about.data.class_names[:MAX_LABELS])
    words = _first_labels(len(patterns_NMHW))
    words += f"Each layer after the first also receives {patterns_NMHW.shape[1]} patterns of the label as channels. "
    words += "In the linear classifier's pass it receives their mean over all labels."
    drawn = figures.label_channels(patterns_NMHW[:MAX_LABELS], names)
    return Section("The label in later layers", words, (picture(drawn, "the label channels of the second layer"),))


def _codes(run: Run, codes: Codes) -> Section:
    """Return the codes that training starts from, for the last layer."""
    width, regions = run.config.code_lengths[-1], run.config.code_regions[-1]
    entries = "channels" if regions == 1 else f"channels in {regions}×{regions} regions"
    labels = codes.sets[width]
    sheet = _sheet(run, labels, shape=(width, 1, 1))
    words = _first_labels(len(codes))
    words += f"A label is a pattern over the {entries} of a layer: its goodness is the energy of the black ones, minus "
    words += f"that of the white ones. These are the codes of the last layer ({codes.origin(width)})"
    words += ", before training; they are learned together with the layer." if run.config.labels.goodness.learn else "."
    caption = f"codes of {width} numbers, for {entries}, and their correlation"
    return Section("Labels", words, (picture(sheet, caption),))


def _correlations(run: Run, net: FFNet) -> Section:
    """Return how alike each layer takes the classes to be: the correlation of their codes."""
    names = drawable(run.about.data.class_names)
    drawn = figures.correlations({f"layer {k}": matrix for k, matrix in code_correlations(net).items()}, names)
    words = (
        "Correlation of the codes of any two labels. Learned codes are alike for classes that look alike to the layer."
    )
    return Section(
        "Which classes each layer takes to be alike", words, (picture(drawn, "correlation of codes", chart=True),)
    )


def _goodness_maps(run: Run, net: FFNet, data: Data) -> Section:
    """Return which pixels decide between the first class and the runner-up."""
    words = (
        "What each pixel adds to the goodness of the predicted class, minus that of the runner-up: green speaks for "
        "the class, pink for the runner-up. Titles: true class → predicted class, not runner-up. Each map has its own "
        "scale."
    )
    return map_section("Goodness maps", words, run, data, partial(goodness_maps, net))


def map_section(title: str, words: str, run: Run, data: Data, maps_of: Callable[[Tensor], ActivationMaps]) -> Section:
    """Return a section with the maps of an image of each of the first classes."""
    _, part = first_images(data)
    shown = first_of_each_class(part, MAPPED_IMAGES)
    maps = maps_of(shown.images)
    drawn = figures.activation(shown.images, maps, maps.titles(drawable(run.about.data.class_names), shown.classes))
    return Section(title, words, (picture(drawn, "image, each layer's map, their sum"),))


def diagnosis(run: Run, data: Data | None) -> Section | None:
    """Return which classes are mistaken for one another, and whether layers use the label alone."""
    if data is None or not run.metrics or not isinstance(run.net, FFNet):
        return None
    # How often the right label wins, on an image, on noise and on an image of a third class.
    result = diagnose(run.net, data, count=MAX_IMAGES)
    names = run.about.data.class_names
    rows = [
        [
            "all layers" if line.layer == 0 else f"layer {line.layer}",
            *map(percent, (line.images, line.noise, line.other, line.favourite)),
        ]
        for line in result.shortcuts
    ]

    # The pairs of labels that are confused most often.
    pairs = "; ".join(
        f"{names[p.a]}–{names[p.b]} {percent(p.mistaken)} % "
        f"({', '.join(f'{metric} {value:.3f}' for metric, value in p.similarity.items())})"
        for p in result.pairs[:5]
        if p.mistaken
    )
    words = f"Classes most often mistaken for one another, with the similarity of their labels: {pairs or 'none'}. "
    ranks = [f"{metric} {value:+.2f}" for metric, value in result.rank_correlation.items() if value is not None]
    if ranks:
        words += f"Rank correlation of similarity and mistakes over all pairs: {', '.join(ranks)}. "
    spread = percent(1.96 * 0.5 / math.sqrt(result.count))
    words += (
        "The table shows how often the right label has higher goodness than a wrong one: on the image, on noise, and "
        f"on an image of a third class. If a layer looks at the image, the last two are within about {spread} of 50; "
        "far above, it uses the label alone: the shortcut. Favourite is the share of noise images that are "
        "assigned the label predicted most often."
    )
    head = ["%", "image", "noise", "third class", "favourite"]
    return Section("Label confusions", words, table=(head, rows))
