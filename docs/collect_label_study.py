"""Put what ``ffnet study labels`` made on a page: ``python docs/collect_label_study.py studies/labels/cpu``."""

import shutil
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("results") / "label-study.md"
PICTURES = Path(__file__).with_name("_static") / "label-study"

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    PICTURES.mkdir(parents=True, exist_ok=True)
    parts = [(folder / "table.md").read_text(), "## A point a set\n"]
    for picture in sorted(folder.glob("scatter-*.png")):
        shutil.copy(picture, PICTURES / picture.name)
        name = picture.stem.removeprefix("scatter-")
        parts.append(f"![{name}: accuracy against each statistic](../_static/label-study/{picture.name})\n")
    PAGE.write_text("\n".join(parts))
