"""``make bench``: CPU seconds of whole commands that need neither PyTorch nor SciPy."""

import os
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from harness import Row, write

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "bench-startup.md"
ROUNDS = 7
GOAL, FLOOR = 0.3, 0.6
"""Seconds that we aim at; seconds above which `make bench` fails, on slower machines too."""

COMMANDS = (("ffnet", "presets"), ("ffnet", "settings", "train.lr"), ("fflabels", "list"), ("ffnet", "--help"))

SMALL = ("data.limit=100", "train.epochs=1", "inference.linear_epochs=1")
"""Settings of the run that ``ffnet info`` shows."""


def seconds(command):
    """Return the CPU seconds of a process, user and system."""
    begin = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    return end.ru_utime + end.ru_stime - begin.ru_utime - begin.ru_stime


def process(*words):
    """Return the command line of a process that runs a command."""
    code = "from fflabels_cli.app import {0}; import sys; sys.argv = {1!r}; {0}()"
    return [sys.executable, "-c", code.format(words[0], list(words))]


def main():
    """Run everything; exit 1 when a floor is missed."""
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode cached
    variants = {" ".join(words): process(*words) for words in COMMANDS}
    variants["import torch"] = [sys.executable, "-c", "import torch"]
    with TemporaryDirectory() as folder:
        small = [word for value in SMALL for word in ("--set", value)]
        subprocess.run(process("ffnet", "train", "--out", folder, *small), check=True, capture_output=True)
        variants["ffnet info RUN"] = process("ffnet", "info", folder)
        times = {name: [] for name in variants}
        for _ in range(ROUNDS):
            for name, command in variants.items():
                times[name].append(seconds(command))
    rows = []
    for name in variants:
        found = median(times[name])
        owed = name != "import torch"
        rows.append(
            Row(
                name,
                f"{found:.2f} s",
                found <= FLOOR if owed else None,
                f"{FLOOR} s" if owed else "–",
                f"{GOAL} s" if owed else "–",
            )
        )
    load = os.getloadavg()[0]
    notes = [
        f"CPU seconds, user and system, of the whole process; median of {ROUNDS} rounds, in which the commands take turns",
        "most of it is imports: click, rich, our own modules and, for `fflabels list` and `ffnet info`, NumPy",
        "`ffnet settings` also finds the type of every setting",
        "`import torch`, for comparison: what a command that computes pays first",
        f"load average at the end: {load:.1f}; a busy machine needs more CPU seconds for the same work",
    ]
    if not write("Starting a command", rows, notes, RESULTS, "make bench"):
        sys.exit("a floor was missed")


if __name__ == "__main__":
    main()
