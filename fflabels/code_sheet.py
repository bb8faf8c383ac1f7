"""Contact sheets of codes: the values as a bar-code matrix, labels × channels, beside the correlations of all pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fflabels.metrics import Matrix

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = npt.NDArray[np.uint8]

INK, PAPER, QUIET, FRAME = (24, 24, 27), (255, 255, 255), (113, 113, 122), (200, 200, 206)
OPPOSITE, ALIKE, ITSELF = (0, 90, 170), (200, 60, 0), (113, 113, 122)
"""Colours of a correlation of −1 and of 1, which the colour-blind tell apart, and of a label with itself."""

HIGH, WIDE = 560, 1024
"""Pixels that the rows together, and the channels together, should take."""

ROW, CHANNEL = 24, 16
"""The most pixels that one row, and one channel, takes."""

LINED = 6
"""Rows of values of so many pixels have a white line between them."""

APART = 12
"""The fewest pixels between two numbers of rows."""

MARGIN, HEAD, FOOT, BETWEEN, NUMBERS = 12, 56, 40, 28, 34

LEAST_SCALE = 0.1
"""Colours of correlations are full at the largest one between two labels, but not below this."""


def code_sheet(
    values: npt.NDArray[np.float64], correlations: Matrix, title: str, names: Sequence[str] | None = None
) -> Image:
    """Return a picture of codes.

    Parameters
    ----------
    values
        (n, W) in [0, 1], drawn from white to black.
    correlations
        (n, n) in −1 to 1, drawn from blue to orange. The scale ends at the largest between two labels.
    title
        The first line.
    names
        One class name per code, shown beside its number.
    """
    from PIL import Image, ImageDraw, ImageFont

    # Lay out: rows of both matrices are level, and no cell is smaller than a pixel.
    n, width = values.shape
    row, channel = max(1, min(ROW, HIGH // n)), max(1, min(CHANNEL, WIDE // width))
    bars = _enlarged(_mixed(PAPER, INK, values), row, channel)
    if row >= LINED:
        bars[row - 1 :: row] = PAPER
    between = correlations[~np.eye(n, dtype=bool)]
    scale = max(LEAST_SCALE, float(np.abs(between).max(initial=0)))
    pairs = _diverging(correlations, scale)
    pairs[np.arange(n), np.arange(n)] = ITSELF
    pairs = _enlarged(pairs, row, row)
    font, large = ImageFont.load_default(11), ImageFont.load_default(15)
    numbers = [label_text(k, names) for k in range(n)]
    left = MARGIN + max(NUMBERS, 6 + math.ceil(max(map(font.getlength, numbers))))
    right = left + bars.shape[1] + BETWEEN + NUMBERS
    total = max(right + pairs.shape[1] + MARGIN, math.ceil(large.getlength(title)) + 2 * MARGIN, right + 260)
    sheet = Image.new("RGB", (total, HEAD + n * row + FOOT), PAPER)
    draw = ImageDraw.Draw(sheet)

    # The title, and both matrices in frames, with the numbers of their rows.
    draw.text((MARGIN, 6), title, fill=INK, font=large)
    draw.text((left, HEAD - 18), f"values in {width} channels: white 0, black 1", fill=QUIET, font=font)
    largest = f": largest {between.max():.3f}" if n > 1 else ""
    draw.text((right, HEAD - 18), f"correlation of two labels{largest}", fill=QUIET, font=font)
    step = next(s for k in range(9) for s in (10**k, 2 * 10**k, 5 * 10**k) if s * row >= APART)
    for edge, pixels, texts in ((left, bars, numbers), (right, pairs, [str(k) for k in range(n)])):
        high, wide = pixels.shape[:2]
        draw.rectangle((edge - 1, HEAD - 1, edge + wide, HEAD + high), outline=FRAME)
        sheet.paste(Image.fromarray(pixels), (edge, HEAD))
        for k in range(0, n, step):
            draw.text((edge - 6, HEAD + k * row + row / 2), texts[k], fill=QUIET, font=font, anchor="rm")

    # The scale of the correlations.
    top = HEAD + n * row + 14
    ramp = _diverging(np.linspace(-scale, scale, 120)[None], scale)
    sheet.paste(Image.fromarray(_enlarged(ramp, 10, 1)), (right + 40, top))
    draw.text((right + 34, top + 5), f"-{scale:.2f}", fill=QUIET, font=font, anchor="rm")
    draw.text((right + 166, top + 5), f"{scale:.2f}", fill=QUIET, font=font, anchor="lm")
    return sheet


def label_text(k: int, names: Sequence[str] | None) -> str:
    """Return the number of a label and, if there are names and it is another, its name."""
    return f"{k}  {names[k]}" if names and names[k] != str(k) else str(k)


def code_strip(values: npt.NDArray[np.float64]) -> Image:
    """Return a picture of one code, (W,) values in [0, 1]."""
    from PIL import Image

    channel = max(1, min(CHANNEL, WIDE // len(values)))
    return Image.fromarray(_enlarged(_mixed(PAPER, INK, values[None]), 2 * ROW, channel))


def _diverging(correlations: npt.NDArray[Any], scale: float) -> Pixels:
    """Return colours (rows, columns, 3) of correlations from −scale to scale."""
    share = correlations / scale
    return np.where(share[..., None] < 0, _mixed(PAPER, OPPOSITE, -share), _mixed(PAPER, ALIKE, share))


def _mixed(low: tuple[int, ...], high: tuple[int, ...], share: npt.NDArray[Any]) -> Pixels:
    """Return colours between two, by a share that is taken to be in [0, 1]."""
    between = np.array(low) + np.clip(share, 0, 1)[..., None] * (np.array(high) - np.array(low))
    mixed: Pixels = np.round(between).astype(np.uint8)
    return mixed


def _enlarged(pixels: Pixels, row: int, column: int) -> Pixels:
    """Return a picture with cells of `row` × `column` pixels."""
    return pixels.repeat(row, axis=0).repeat(column, axis=1)
