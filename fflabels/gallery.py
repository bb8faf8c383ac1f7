"""Contact sheets: each label on the same real images at K, and its imprint alone; of label channels, every channel."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fflabels.arrays import Array, Shape, check_shape
from fflabels.brief import Brief
from fflabels.code_sheet import FRAME, INK, PAPER, QUIET, code_sheet, code_strip, label_text
from fflabels.codes import is_code, references_for
from fflabels.errors import FFLabelsError, one_line
from fflabels.files import GENERATOR, write_whole
from fflabels.guard import checked_imprint
from fflabels.images import References, load_references
from fflabels.labelset import LabelSet
from fflabels.metrics import METRICS
from fflabels.observer import DEFAULT_INTENSITY

if TYPE_CHECKING:
    from PIL.Image import Image

SHOWN = 3
SIDE = 64
GAP = 3
CAPTION = 16

MAX_SHOWN = 2500
"""The most labels on one sheet; the first ones of a larger set."""


def contact_sheet(
    labels: LabelSet,
    *,
    shape: Shape | None = None,
    references: str | Array | References | None = None,
    intensity: float = DEFAULT_INTENSITY,
    names: Sequence[str] | None = None,
) -> Image:
    """Return a picture of every label: three reference images embedded at K, then its imprint on the first.

    Of codes it shows the values, labels by channels, beside the correlations of all pairs. Of labels of several
    channels, which later layers receive, it shows every channel.

    Parameters
    ----------
    labels
        The set; one cell per label, in order, numbered from 0.
    shape
        (C, H, W) to draw at; default: the set's own. One channel is shown grey, three in colour, others as
        their mean.
    references
        As for `load_references`; not for codes.
    intensity
        The label intensity K; codes have none.
    names
        One class name per label, shown beside its number.
    """
    from PIL import Image, ImageDraw, ImageFont

    if names is not None and len(names) != len(labels):
        raise FFLabelsError("not one per label", where="names", got=len(names), expected=f"{len(labels)}")
    if is_code(labels.labeler):
        return _code_sheet(labels, references_for(labels.labeler, references, shape or labels.shape), names)

    # Lay out the grid: columns so that the sheet is about 1.4 times as wide as high.
    images = load_references(references, check_shape(shape or labels.shape)).images[:SHOWN]
    in_layers = labels.labeler.pattern == "channels"
    tiles = [] if in_layers else [_thumbnail(image) for image in images]
    th, tw = _thumbnail(images[0]).shape[:2]
    count = images.shape[1] if in_layers else len(images) + 1
    cell_w, cell_h = count * (tw + GAP) + 4 * GAP, th + CAPTION + 2 * GAP
    shown = min(len(labels), MAX_SHOWN)
    columns = max(1, min(shown, round(math.sqrt(shown * 1.4 * cell_h / cell_w))))
    rows = math.ceil(shown / columns)
    head = (th if tiles else 0) + CAPTION + 22 + 4 * GAP
    text, font, large = _title(labels), ImageFont.load_default(11), ImageFont.load_default(15)
    width = max(columns * cell_w + 2 * GAP, math.ceil(large.getlength(text)) + 4 * GAP, 560)
    sheet = Image.new("RGB", (width, head + rows * cell_h + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)

    def put(tile: npt.NDArray[np.uint8], left: int, top: int) -> None:
        draw.rectangle((left - 1, top - 1, left + tw, top + th), outline=FRAME)
        sheet.paste(Image.fromarray(tile), (left, top))

    # The title, and the images alone.
    draw.text((2 * GAP, GAP), text, fill=INK, font=large)
    on_images = f"the images; below, each label: embedded in them at K = {intensity:g} | its imprint on the first"
    words = "each label: its channels, which later layers receive beside the image's" if in_layers else on_images
    draw.text((2 * GAP, 22 + GAP), words, fill=QUIET, font=font)
    for i, tile in enumerate(tiles):
        put(tile, 2 * GAP + i * (tw + GAP), 22 + CAPTION + GAP)

    # One cell per label.
    for k in range(shown):
        left, top = 2 * GAP + k % columns * cell_w, head + k // columns * cell_h
        draw.text((left, top), label_text(k, names), fill=QUIET, font=font)
        imprint = checked_imprint(labels.labeler, images[:1], labels.recipes[k])[0]
        drawn = imprint[:, None] if in_layers else [*_embedded(labels, k, images, intensity), imprint]
        for i, image in enumerate(drawn):
            apart = 2 * GAP if i and i == len(tiles) else 0
            put(_thumbnail(image), left + i * (tw + GAP) + apart, top + CAPTION - GAP)
    return sheet


def _code_sheet(labels: LabelSet, references: References, names: Sequence[str] | None) -> Image:
    some = LabelSet(labels.recipes[:MAX_SHOWN], labels.labeler)
    correlations = Brief(some.labeler, references).similarity(some.recipes, "pearson")
    return code_sheet(some.codes(references.shape[0]), correlations, _title(labels), names)


def strip(labels: LabelSet, k: int, images: npt.NDArray[np.float32], intensity: float = DEFAULT_INTENSITY) -> Image:
    """Return a picture of one label: its imprint on the first of `images` (N, C, H, W), then each embedded at K.

    Of a code it shows the values, of a label of several channels every channel.
    """
    from PIL import Image

    if is_code(labels.labeler):
        return code_strip(labels.codes(images.shape[1])[k])
    imprint = checked_imprint(labels.labeler, images[:1], labels.recipes[k])
    if labels.labeler.pattern == "channels":
        shown = list(imprint[0][:, None])
    else:
        shown = [*imprint, *_embedded(labels, k, images, intensity)]
    tiles = [np.pad(_thumbnail(np.asarray(one)), ((0, 0), (0, GAP), (0, 0)), constant_values=255) for one in shown]
    return Image.fromarray(np.concatenate(tiles, axis=1)[:, :-GAP])


def _embedded(labels: LabelSet, k: int, images: npt.NDArray[np.float32], intensity: float) -> Any:
    """Return images with label k; drawn alone, since a set's patterns are all drawn together."""
    return LabelSet([labels.recipes[k]], labels.labeler).embed(images, np.zeros(len(images), np.int64), intensity)


def save_sheet(sheet: Image, path: str | Path) -> None:
    """Write the picture as PNG, whole or not at all."""
    write_whole(path, png(sheet))


def png(picture: Image) -> bytes:
    """Return a picture as a PNG file."""
    from PIL.PngImagePlugin import PngInfo

    data, notes = io.BytesIO(), PngInfo()
    notes.add_text("Software", GENERATOR)
    picture.save(data, format="PNG", pnginfo=notes)
    return data.getvalue()


def _title(labels: LabelSet) -> str:
    parts = [f"{len(labels)} {labels.labeler.name} labels"]
    if len(labels) > MAX_SHOWN:
        parts.append(f"the first {MAX_SHOWN}")
    if scores := labels.scores:
        alike = {METRICS[name]: summary for name, summary in scores.similarity.items()}
        parts += [f"largest {m.title} {s.max:.3f}" for m, s in alike.items() if not m.higher_is_better]
        parts += [
            f"least {m.title} {m.text(m.score(s.max))}" for m, s in alike.items() if m.higher_is_better and s.pair
        ]
        on = f" on {one_line(scores.references.name)[:40]}" if scores.references else ""
        parts.append(f"scored at {'x'.join(map(str, scores.shape))}{on}")
    return " · ".join(parts).replace("′", "'")  # which the font lacks


def _thumbnail(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return (H', W', 3) bytes of an image (C, H, W): enlarged by whole pixels to about `SIDE`, or thinned out."""
    pixels = image if image.shape[0] == 3 else np.repeat(image.mean(axis=0, keepdims=True), 3, axis=0)
    longest = max(pixels.shape[1:])
    up, down = max(1, SIDE // longest), max(1, longest // (2 * SIDE))
    grown = pixels[:, ::down, ::down].repeat(up, axis=1).repeat(up, axis=2)
    tile: npt.NDArray[np.uint8] = np.round(np.clip(grown, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    return tile
