"""Folders of pictures: which files are read, which subfolders are classes, and one line about all others."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from fflabels.errors import FFLabelsError, PictureWarning
from fflabels.images.read import SUFFIXES

SYSTEM = frozenset({"__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found"})
"""Folders that operating systems and storage devices put beside one's own."""


@dataclass(frozen=True)
class Folder:
    """The pictures of a folder.

    Attributes
    ----------
    path
        The folder.
    classes
        The pictures of each class folder, by its name; empty if the folder's own pictures are read.
    files
        All pictures, class by class.
    """

    path: Path
    classes: dict[str, list[Path]]
    files: list[Path]


def pictures(folder: Path) -> list[Path]:
    """Return the picture files of a folder by name, without hidden ones, folders, pipes and broken links."""
    return sorted(path for path in folder.iterdir() if is_picture(path))


def is_picture(path: Path) -> bool:
    """Return whether a path is a picture file by its name, and not a folder, a pipe or a broken link."""
    return _named_so(path) and path.is_file()


def is_broken_link(path: Path) -> bool:
    """Return whether a path is a link, and not a hidden one, to what is not there."""
    return path.is_symlink() and not path.exists() and not path.name.startswith(".")


def class_folders(folder: Path) -> list[Path]:
    """Return the subfolders of a folder by name, without hidden ones and those of systems."""
    return sorted(
        path for path in folder.iterdir()
        if path.is_dir() and not path.name.startswith(".") and path.name not in SYSTEM
    )  # fmt: skip


def look_into(path: Path) -> Folder:
    """Return a folder's own pictures, or those in its subfolders if it has none or several subfolders hold more.

    What is left out is named in one `PictureWarning`.

    Raises
    ------
    FFLabelsError
        When there is no picture.
    """
    own = pictures(path)
    inside = {folder.name: pictures(folder) for folder in class_folders(path)}
    classes = {name: files for name, files in inside.items() if files}
    within = [file for files in classes.values() for file in files]
    if not own and not within:
        raise FFLabelsError(
            "no image in the folder", where=str(path), expected="files ending in " + ", ".join(sorted(SUFFIXES))
        )
    by_class = bool(within) and (not own or (len(classes) > 1 and len(within) > len(own)))
    unread = own if by_class else within
    parts = []
    if unread:
        among = "beside the class folders" if by_class else "in subfolders"
        parts.append(
            f"{counted(len(unread), 'picture')} {among} ({unread[0].relative_to(path)}{', …' * (len(unread) > 1)})"
        )
    odd = [
        file for folder in (path, *(class_folders(path) if by_class else ())) for file in sorted(folder.iterdir())
        if _named_so(file) and not file.is_file() and not (file.is_dir() and file.name in inside)
    ]  # fmt: skip
    if odd:
        parts.append(f"{_kind(odd[0])} {odd[0].relative_to(path)}{', …' * (len(odd) > 1)}")
    if parts:
        warnings.warn(f"{path}: not read: {'; '.join(parts)}", PictureWarning, stacklevel=3)
    return Folder(path, classes if by_class and len(classes) > 1 else {}, within if by_class else own)


def _named_so(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _kind(path: Path) -> str:
    return "the folder" if path.is_dir() else "the broken link" if path.is_symlink() else "the pipe or device"


def counted(number: int, what: str) -> str:
    """Return a number of things in words, such as "1 image"."""
    return f"{number:,} {what}{'s' if number != 1 else ''}"
