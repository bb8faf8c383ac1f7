"""Draw pictures of the pages.

labels.png: six Fourier and six morphology labels, each selected from 500 candidates; label-channels.png: what later
layers receive of ten labels; gallery/: every kind of label in colour.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from fflabels import Labeler, design, get_labeler, named_set
from fflabels.gallery import contact_sheet, save_sheet
from ffnet.labels.layers import label_channels
from ffnet.report import figures

PICTURES = Path(__file__).with_name("_static")
PLUGINS = Path(__file__).parents[1] / "plugins"
COLOUR = (3, 64, 64)


def plugin(name: str, labeler: str) -> Labeler[Any]:
    """Return a labeler of a plugin in this repository, which need not be installed."""
    sys.path.insert(0, str(PLUGINS / f"fflabels-{name}"))
    module = importlib.import_module(f"fflabels_{name}")
    return getattr(module, labeler)()  # type: ignore[no-any-return]


def draw_gallery() -> None:
    """Draw a contact sheet of each kind of label."""
    kinds = {
        "onehot": get_labeler("onehot"), "fourier": get_labeler("fourier"),
        "fourier-three-waves": get_labeler("fourier", waves=3, max_frequency=4), "morph": get_labeler("morph"),
        "gabor": plugin("gabor", "Gabor"), "walsh": plugin("walsh", "Walsh"), "wavelet": plugin("wavelet", "Wavelet"),
    }  # fmt: skip
    for name, labeler in kinds.items():
        labels = design(labeler, 6, candidates=60, shape=COLOUR)
        save_sheet(contact_sheet(labels), PICTURES / "gallery" / f"{name}.png")
    for name in ("hadamard", "groups"):
        save_sheet(contact_sheet(named_set(f"code:{name}", 10, (64, 1, 1))), PICTURES / "gallery" / f"code-{name}.png")


if __name__ == "__main__":
    sheets = [contact_sheet(design(kind, 6, candidates=500)) for kind in ("fourier", "morph")]
    width, height = max(s.width for s in sheets), sum(s.height for s in sheets)
    picture = Image.new("RGB", (width, height + 12), "white")
    top = 0
    for sheet in sheets:
        picture.paste(sheet, (0, top))
        top += sheet.height + 12
    save_sheet(picture, PICTURES / "labels.png")
    waves = named_set("waves:reed-solomon", 10, (8, 32, 32))
    channels = label_channels(waves, (32, 32), (16, 16), torch.float32)
    drawn = figures.label_channels(channels, [str(k) for k in range(10)])
    (PICTURES / "label-channels.png").write_bytes(drawn)
    (PICTURES / "gallery").mkdir(exist_ok=True)
    draw_gallery()
