"""Put what ``ffnet reproduce`` made on a page: ``python docs/collect_studies.py reproduced/*/cpu``.

Results that are on the page and not among the folders stay as they are.
"""

import shutil
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("results") / "reproduced.md"
PICTURES = Path(__file__).with_name("_static") / "reproduced"

HEAD = """# What of the paper was reproduced, and how far

By `ffnet reproduce NAME --scale cpu`, three seeds each. The nets are smaller, the images fewer, the recipe ours, as
each table says: these runs show whether an effect is there, not the paper's numbers. The scale `full` takes a GPU and
has not been measured, nor has the study of CIFAR100.
"""

if __name__ == "__main__":
    PICTURES.mkdir(parents=True, exist_ok=True)
    _, *there = PAGE.read_text().split("\n## ")
    sections = {part.partition("\n")[0]: part.rstrip("\n") for part in there}
    for folder in map(Path, sys.argv[1:]):
        name = f"{folder.parent.name}-{folder.name}.png"
        shutil.copy(folder / "figure.png", PICTURES / name)
        title, _, rest = (folder / "table.md").read_text().partition("\n")
        title = title.removeprefix("# ")
        sections[title] = f"{title}\n{rest}\n![{title}](../_static/reproduced/{name})"
    PAGE.write_text("\n".join([HEAD, *(f"## {part}\n" for part in sections.values())]))
