"""What the quick presets reach on a CPU: runs each row's command for each seed, writes docs/results/accuracy.md.

``python tests/bench/accuracy.py [--rows PATTERN] [--folder DIR]``: runs are kept in DIR and not repeated, those that
were stopped go on; rows that have no finished run are left out of the table.
"""

import argparse
import shlex
import subprocess
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from statistics import mean

import torch

from ffnet import Run, load_preset, load_run
from ffnet.comparison import spread
from ffnet.devices import with_dtype
from ffnet.log import TIMINGS, read_lines
from ffnet.run import CONFIG, RESULTS

PAGE = Path(__file__).parents[2] / "docs" / "results" / "accuracy.md"
COMMAND = "import sys; from fflabels_cli.app import ffnet; sys.argv = ['ffnet', *sys.argv[1:]]; ffnet()"


@dataclass(frozen=True)
class Row:
    """One line of the table: a command but for its seed, and the seeds."""

    name: str
    preset: str
    values: dict[str, str]
    seeds: int

    @property
    def command(self) -> str:
        """Return the options of ``ffnet train``."""
        options = {"labels.set": "--labels", "algorithm": "--algorithm"}
        return " ".join(
            [f"--preset {self.preset}", *(f"{options[name]} {value}" for name, value in self.values.items())]
        )

    def made(self, run: Run, seed: int) -> bool:
        """Return whether a run is this row's."""
        expected = load_preset(self.preset).config.replaced({**self.values, "seed": seed})
        return run.config == with_dtype(expected, torch.device("cpu"))

    def folders(self, folder: Path) -> list[Path]:
        """Return the run folders, a seed each."""
        return [folder / f"{self.name}-{seed}" for seed in range(self.seeds)]


FOURIER, MORPH, BP = {"labels.set": "fourier"}, {"labels.set": "morph"}, {"algorithm": "bp"}
ROWS = [
    Row("digits-fourier", "quick-digits", FOURIER, 5),
    Row("digits-morph", "quick-digits", MORPH, 5),
    Row("digits-bp", "quick-digits", BP, 5),
    Row("mnist-fourier", "quick-mnist", {}, 3),
    Row("mnist-morph", "quick-mnist", MORPH, 3),
    Row("mnist-bp", "quick-mnist", BP, 3),
    Row("cifar10-fourier", "quick-cifar10", {}, 3),
    Row("cifar10-morph", "quick-cifar10", MORPH, 3),
    Row("cifar10-bp", "quick-cifar10", BP, 3),
]

FLOORS = {"digits-fourier": 96.0, "digits-morph": 80.0, "mnist-fourier": 97.0, "cifar10-fourier": 50.0}
"""What is owed of the mean by goodness; with less the program exits with 1."""


def work(row: Row, folder: Path) -> None:
    """Train what is not trained yet, each seed in a process of its own."""
    for seed, out in enumerate(row.folders(folder)):
        if (out / RESULTS).exists():
            continue
        begin = ["train", *shlex.split(row.command), "--seed", str(seed), "--out", str(out)]
        arguments = ["resume", str(out)] if (out / CONFIG).exists() else begin
        print("ffnet", *arguments, flush=True)
        subprocess.run([sys.executable, "-c", COMMAND, *arguments], check=True)


def cells(row: Row, runs: list[Run]) -> list[str]:
    """Return a row of the table."""
    tests = [run.results.test for run in runs]
    readings = [t.bp or t.goodness for t in tests]
    linear = [t.linear for t in tests if t.linear]
    timings = [read_lines(run.folder / TIMINGS) for run in runs]
    seconds = max(sum(line["cpu_seconds"] for line in lines) for lines in timings)
    lost = any(line["what"].startswith("resumed") for lines in timings for line in lines)
    return [
        f"`ffnet train {row.command}`",
        str(len(runs)),
        str(runs[0].config.train.epochs),
        spread([r.accuracy for r in readings]),
        spread([r.accuracy for r in linear]) if linear else "–",
        spread([r.untrained for r in linear]) if linear else "–",
        f"{'at least ' if lost else ''}{seconds:.0f}",
    ]


HEAD = ["command (and `--seed 0`, `1`, …)", "n", "epochs", "goodness (bp: accuracy)", "linear", "linear, untrained net"]


def finished(row: Row, folder: Path) -> list[Run]:
    """Return a row's finished runs; a folder with a run of other settings is an error."""
    runs = []
    for seed, out in enumerate(row.folders(folder)):
        if (out / RESULTS).exists():
            runs.append(load_run(out))
            if not row.made(runs[-1], seed):
                sys.exit(f"{out} holds a run of other settings than {row.command}: remove it")
    return runs


def listed(versions: dict[str, str]) -> str:
    """Return versions as people read them."""
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))


def page(folder: Path) -> str:
    """Return the page of all rows with finished runs."""
    table = [[*HEAD, "CPU s, most"]]
    places = set()
    for row in ROWS:
        runs = finished(row, folder)
        if not runs:
            continue
        table.append(cells(row, runs))
        places |= {(r.about.device, r.config.dtype, listed(r.about.versions)) for r in runs}
    lines = [
        "# What a CPU reaches in minutes",
        "",
        "Test accuracy in %, mean ± sample standard deviation over n seeds (0 to n − 1); the test images of each run were",
        "read once. All recipes are ours, none is the paper's. CPU seconds: of the whole run after the design of the",
        "labels, evaluation and the untrained control included. The linear classifier on the untrained net is what",
        "random filters give: FF's own work shows in goodness, and in linear only above that column. The paper's own",
        "experiments (presets `paper-…`) are unmeasured so far: they need a GPU.",
        "",
        "Written by `make accuracy`.",
        "",
        *("| " + " | ".join(row) + " |" for row in table[:1]),
        "|" + "---|" * len(table[0]),
        *("| " + " | ".join(row) + " |" for row in table[1:]),
        "",
    ]
    lines += [f"- {device}, {dtype}, {versions}" for device, dtype, versions in sorted(places)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="*", help="train only rows of such names")
    parser.add_argument("--folder", type=Path, default=Path("runs/accuracy"))
    options = parser.parse_args()
    for row in ROWS:
        if fnmatch(row.name, options.rows):
            work(row, options.folder)
    PAGE.write_text(page(options.folder))
    print(PAGE)
    reached = {row.name: [r.results.test.goodness.accuracy for r in finished(row, options.folder)]
               for row in ROWS if row.name in FLOORS}  # fmt: skip
    missed = [name for name, values in reached.items() if values and 100 * mean(values) < FLOORS[name]]
    if missed:
        sys.exit(f"below the floor: {', '.join(missed)}")
