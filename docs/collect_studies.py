"""Put what ``ffnet reproduce`` made on a page: ``python docs/collect_studies.py reproduced/*/cpu``."""

import shutil
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("results") / "reproduced.md"
PICTURES = Path(__file__).with_name("_static") / "reproduced"

HEAD = """# What of the paper was reproduced, and how far

By `ffnet reproduce NAME --scale cpu`, three seeds each. The nets are smaller, the images fewer, the recipe ours, as
each table says: these runs show whether an effect is there, not the paper's numbers. The scale `full` takes a GPU and
has not been measured.
"""

if __name__ == "__main__":
    PICTURES.mkdir(parents=True, exist_ok=True)
    parts = [HEAD]
    for folder in map(Path, sys.argv[1:]):
        name = f"{folder.parent.name}-{folder.name}.png"
        shutil.copy(folder / "figure.png", PICTURES / name)
        title, _, rest = (folder / "table.md").read_text().partition("\n")
        parts.append(f"#{title}\n{rest}\n![{title.removeprefix('# ')}](../_static/reproduced/{name})\n")
    PAGE.write_text("\n".join(parts))
