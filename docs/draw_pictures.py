"""Draw pictures of the pages.

The README's: six Fourier and six morphology labels, each selected from 500 candidates; that of training: what later
layers receive of ten labels.
"""

from pathlib import Path

import torch
from PIL import Image

from fflabels import design, named_set
from fflabels.gallery import contact_sheet, save_sheet
from ffnet.labels.layers import label_channels
from ffnet.report import figures

PICTURES = Path(__file__).with_name("_static")

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
    drawn = figures.offered(label_channels(waves, (32, 32), (16, 16), torch.float32), [str(k) for k in range(10)])
    (PICTURES / "offered.png").write_bytes(drawn)
