"""``python -m ffnet``: the command, for launchers that start modules, such as torchrun."""

from __future__ import annotations

import sys
from importlib.metadata import distribution
from typing import NoReturn


def command(*first: str) -> NoReturn:
    """Run the installed command ``ffnet`` on the process's arguments, behind `first`."""
    # By its entry point: this package does not depend on the one of the commands.
    (entry,) = distribution("fflabels").entry_points.select(group="console_scripts", name="ffnet")
    sys.argv = ["ffnet", *first, *sys.argv[1:]]
    sys.exit(entry.load()())


if __name__ == "__main__":
    command()
