"""Draw pictures of the pages.

The README's: six Fourier and six morphology labels, each selected from 500 candidates; that of training: what later
layers are offered of ten labels.
"""

from pathlib import Path

from PIL import Image

from fflabels import design
from fflabels.gallery import contact_sheet, save_sheet
from ffnet.labels.waves import code, patterns
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
    drawn = figures.offered(patterns(code(10, 8, seed=0), (32, 32), (16, 16)), [str(k) for k in range(10)])
    (PICTURES / "offered.png").write_bytes(drawn)
