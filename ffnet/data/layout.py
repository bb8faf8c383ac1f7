"""The layout of a folder of pictures: which folders are splits, which are classes, and what is not read."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from fflabels.errors import FFLabelsError
from fflabels.images import SUFFIXES, class_folders, pictures
from fflabels.images.folders import counted, is_broken_link, is_picture
from ffnet.data.splits import SplitRule

SPLIT_FOLDERS = {
    "train": "train", "test": "test", "val": "validation", "valid": "validation", "validation": "validation",
}  # fmt: skip
"""Names of folders that hold a split, in lower case, and which split it is."""

RUN = ("run.json", "config.toml")
"""Files that every run folder has."""

OUTPUT = ("run.json", ".lock")
"""A folder without pictures of its own, and with one of these files in it or below, holds runs."""


class NotReadWarning(UserWarning):
    """A folder of pictures holds pictures, broken links, or other files among its pictures, that are not read."""


def split_folders(folder: Path, rule: SplitRule) -> dict[str, Path]:
    """Return the folders of the splits by name: ``train``, and ``validation`` and ``test`` where they are.

    Empty for a folder of class folders. A folder with pictures of its own is a class, whatever its name.

    Parameters
    ----------
    folder
        The folder of the data set.
    rule
        With ``by image``, only ``train`` beside ``test`` counts, as in older versions.

    Raises
    ------
    FFLabelsError
        For two folders of one split, and for other splits without ``train``.
    """
    if rule == "by image":
        old = {name: folder / name for name in ("train", "test")}
        return old if all(path.is_dir() for path in old.values()) else {}
    folders: dict[str, Path] = {}
    for path in _subfolders(folder):
        split = SPLIT_FOLDERS.get(path.name.lower())
        if split is None or pictures(path) or not _subfolders(path):
            continue
        if split in folders:
            both = f"{folders[split].name}/ and {path.name}/"
            raise FFLabelsError(f"two folders of {split} images", where=str(folder), got=both, hint="join them")
        folders[split] = path
    if folders and "train" not in folders:
        there = " and ".join(f"{path.name}/" for path in folders.values())
        raise FFLabelsError("no train/ folder", where=str(folder), got=there, expected="train/ beside it")
    return {split: folders[split] for split in ("train", "validation", "test") if split in folders}


def class_names(folder: Path) -> tuple[str, ...]:
    """Return the names of the class folders, in alphabetical order.

    Raises
    ------
    FFLabelsError
        When there are fewer than two, or a name is not UTF-8.
    """
    names = [path.name for path in _subfolders(folder)]
    if len(names) < 2:
        raise FFLabelsError(
            "not a folder of class folders", where=str(folder), got=f"{len(names)} subfolders", expected="2 or more"
        )
    for name in names:
        check_text(name, f"a class folder in {folder}")
    return tuple(names)


def picture_files(folder: Path) -> list[Path]:
    """Return the pictures that are read: those directly in the class folders of all splits."""
    parts = split_folders(folder, "by class") or {"train": folder}
    return [path for part in parts.values() for class_folder in _subfolders(part) for path in pictures(class_folder)]


def picture_folders(name: str) -> list[Path]:
    """Return the folder of a data set and those of its splits; none where there is no folder."""
    folder = Path(name)
    if not folder.is_dir():
        return []
    return [folder, *(path for path in _subfolders(folder) if path.name.lower() in SPLIT_FOLDERS)]


def check_text(name: str, what: str) -> None:
    """Refuse a name that is not Unicode, as from an archive of another system: run folders and pages hold Unicode."""
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(name).decode("utf-8", "replace")
        raise FFLabelsError("the name is not UTF-8", where=what, got=shown, hint="rename it") from None


def warn_of_unread(folder: Path, splits: Sequence[Path], names: Sequence[str]) -> None:
    """Warn once, with counts, of pictures that are not read, and of other files among the pictures."""
    unread = list(_unread(folder, splits, names))
    if unread:
        warnings.warn(f"{folder}: not read: {', '.join(unread)}", NotReadWarning, stacklevel=2)


def _unread(folder: Path, splits: Sequence[Path], names: Sequence[str]) -> Iterator[str]:
    classes = [split / name for split in splits for name in names]
    if deeper := sum(is_picture(p) for path in classes for sub in _subfolders(path) for p in sub.rglob("*")):
        yield f"{counted(deeper, 'image')} in subfolders of class folders"
    others = [p for path in classes for p in path.iterdir() if _is_file(p) and p.suffix.lower() not in SUFFIXES]
    if endings := Counter(p.suffix.lower() or "no ending" for p in others):
        yield f"{counted(len(others), 'file')} of other kinds ({', '.join(sorted(endings))})"
    places = dict.fromkeys([folder, *splits, *classes])
    links = [p for path in places for p in sorted(path.iterdir()) if is_broken_link(p)]
    if links:
        yield f"{counted(len(links), 'broken link')} ({links[0].relative_to(folder)}{', …' * (len(links) > 1)})"
    if beside := sum(len(pictures(path)) for path in dict.fromkeys([folder, *splits])):
        yield f"{counted(beside, 'image')} beside the class folders"
    for path in _subfolders(folder) if folder not in splits else ():
        if path not in splits and (count := sum(is_picture(p) for p in path.rglob("*"))):
            yield f"{counted(count, 'image')} in {path.name}/"


def _subfolders(folder: Path) -> list[Path]:
    """Return the subfolders by name, without hidden ones, those of systems, and those that hold runs."""
    return [p for p in class_folders(folder) if not _holds_runs(p)]


def _holds_runs(folder: Path) -> bool:
    """Return whether a folder is a run's, perhaps with pictures of its own such as cam.png, or holds runs."""
    if all((folder / name).is_file() for name in RUN):
        return True
    return not pictures(folder) and any(path.name in OUTPUT for path in folder.rglob("*"))


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and path.name.lower() not in ("thumbs.db", "desktop.ini")
