"""Put what ``ffnet study`` made on its page: ``python docs/collect_study.py studies/labels/cpu [PAGE]``."""

import shutil
import sys
import tarfile
from pathlib import Path

DOCS = Path(__file__).parent
PAGES = {
    "labels": ("label-study", "A point a set", "accuracy against each statistic"),
}
"""By study: its page, unless another is named, and what is said of its pictures."""


def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return an archive's entry without whose it is and when it was made."""
    return entry.replace(uid=0, gid=0, uname="", gname="", mtime=0, deep=False)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    page, title, shown = PAGES[folder.resolve().parent.name]
    page = sys.argv[2] if len(sys.argv) > 2 else page
    pictures = DOCS / "_static" / page
    pictures.mkdir(parents=True, exist_ok=True)
    with tarfile.open(pictures / "figures.tar.gz", "w:gz") as archive:
        for figures in sorted(folder.rglob("*.json")):
            archive.add(figures, str(figures.relative_to(folder)), filter=anonymous)
    there = f"[The figures of each net](../_static/{page}/figures.tar.gz): with them in its folder the study goes on.\n"
    parts = [(folder / "table.md").read_text(), there, f"## {title}\n"]
    for picture in sorted(folder.glob("*.png")):
        shutil.copy(picture, pictures / picture.name)
        _, _, name = picture.stem.partition("-")
        parts.append(f"![{name}: {shown}](../_static/{page}/{picture.name})\n")
    (DOCS / "results" / f"{page}.md").write_text("\n".join(parts))
