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
from statistics import mean, stdev

import msgspec

from ffnet import Run, load_run
from ffnet.log import TIMINGS, read_lines
from ffnet.run import CONFIG, RESULTS

PAGE = Path(__file__).parents[2] / "docs" / "results" / "accuracy.md"
COMMAND = "import sys; from fflabels_cli.app import ffnet; sys.argv = ['ffnet', *sys.argv[1:]]; ffnet()"


@dataclass(frozen=True)
class Row:
    """One line of the table: a command but for its seed, and the seeds."""

    name: str
    command: str
    seeds: int

    def folders(self, folder: Path) -> list[Path]:
        """Return the run folders, a seed each."""
        return [folder / f"{self.name}-{seed}" for seed in range(self.seeds)]


ROWS = [
    Row("digits-fourier", "--preset quick-digits --labels fourier", 5),
    Row("digits-morph", "--preset quick-digits --labels morph", 5),
    Row("digits-bp", "--preset quick-digits --algorithm bp", 5),
    Row("mnist-fourier", "--preset quick-mnist", 3),
    Row("mnist-morph", "--preset quick-mnist --labels morph", 3),
    Row("mnist-bp", "--preset quick-mnist --algorithm bp", 3),
    Row("cifar10-fourier", "--preset quick-cifar10", 3),
    Row("cifar10-morph", "--preset quick-cifar10 --labels morph", 3),
    Row("cifar10-bp", "--preset quick-cifar10 --algorithm bp", 3),
]


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
    seconds = [sum(line["cpu_seconds"] for line in read_lines(run.folder / TIMINGS)) for run in runs]
    return [
        f"`ffnet train {row.command}`",
        str(len(runs)),
        str(runs[0].config.train.epochs),
        spread(r.accuracy for r in readings),
        spread(r.accuracy for r in linear) if linear else "–",
        spread(r.untrained for r in linear) if linear else "–",
        f"{max(seconds):.0f}",
    ]


def spread(shares) -> str:
    """Return mean ± sample standard deviation in percent; one value alone."""
    values = [100 * share for share in shares]
    return f"{mean(values):.2f} ± {stdev(values):.2f}" if len(values) > 1 else f"{values[0]:.2f}"


HEAD = ["command (and `--seed 0`, `1`, …)", "n", "epochs", "goodness (bp: accuracy)", "linear", "linear, untrained net"]


def page(folder: Path) -> str:
    """Return the page of all rows with finished runs."""
    table = [[*HEAD, "CPU s, most"]]
    places = set()
    for row in ROWS:
        runs = [load_run(out) for out in row.folders(folder) if (out / RESULTS).exists()]
        if not runs:
            continue
        table.append(cells(row, runs))
        places |= {(r.about.device, r.config.dtype, msgspec.json.encode(r.about.versions).decode()) for r in runs}
    lines = [
        "# What a CPU reaches in minutes",
        "",
        "Test accuracy in %, mean ± sample standard deviation over n seeds (0 to n − 1); the test images of each run were",
        "read once. All recipes are ours, none is the paper's. CPU seconds: of the whole run after the design of the",
        "labels, evaluation and the untrained control included. The linear classifier on the untrained net is what",
        "random filters give: FF's own work shows in goodness, and in linear only above that column.",
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
