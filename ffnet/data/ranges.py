"""Which stored values of a folder's pictures are black and white."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from fflabels.images import Range, read_file
from fflabels.images.stored import Stored
from ffnet.config import DataConfig
from ffnet.data.layout import picture_files


def with_range(config: DataConfig) -> DataConfig:
    """Return the settings with ``auto`` replaced by the range of the folder's pictures, for single pictures later."""
    folder = Path(config.name)
    if config.range != "auto" or not folder.is_dir():
        return config
    return msgspec.structs.replace(config, range=str(Range.parse("auto", lambda: _pictures(folder))))


def _pictures(folder: Path) -> Iterator[Stored]:
    """Yield the pictures of a data set that can be read; reading the data set names the others."""
    for path in picture_files(folder):
        try:
            stack = read_file(path)
            yield from stack.pick(range(stack.count))
        except ValueError:
            continue
