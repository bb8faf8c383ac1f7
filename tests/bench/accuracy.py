"""What presets reach on a CPU: runs each row's command for each seed, writes pages in docs/results.

``python tests/bench/accuracy.py [--rows PATTERN] [--folder DIR]``: runs are kept in DIR and not repeated, those that
were stopped go on; rows of which a seed is missing stay on the page as they were.
"""

import argparse
import hashlib
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from statistics import mean

import msgspec
import torch

from ffnet import Ensemble, Run, load_preset, load_run
from ffnet.evaluation.accuracy import Evaluation
from ffnet.evaluation.statistics import spread
from ffnet.experiments.studies import BEFORE_BASE
from ffnet.model.compute_type import with_dtype
from ffnet.report.figures import learning_curves
from ffnet.report.tables import markdown
from ffnet.runs.files import CONFIG, MODEL, RESULTS, read_json, write_json
from ffnet.runs.log import METRICS, TIMINGS, read_lines

DOCS = Path(__file__).parents[2] / "docs"
RESULTS_PAGES, PICTURES = DOCS / "results", DOCS / "_static"
COMMAND = "import sys; from fflabels_cli.app import ffnet; sys.argv = ['ffnet', *sys.argv[1:]]; ffnet()"


@dataclass(frozen=True)
class Row:
    """One line of the table: a command but for its seed, and the seeds."""

    name: str
    preset: str
    values: dict[str, object]
    seeds: int

    @property
    def command(self) -> str:
        """Return the options of ``ffnet train``."""
        options = {"labels.set": "--labels {}", "algorithm": "--algorithm {}", "train.epochs": "--epochs {}"}
        given = (options.get(name, f"--set {name}={{}}").format(as_typed(value)) for name, value in self.values.items())
        return " ".join([f"--preset {self.preset}", *given])

    def made(self, run: Run, seed: int) -> bool:
        """Return whether a run is this row's."""
        expected = load_preset(self.preset).config.replaced({**self.values, "seed": seed})
        return run.config == with_dtype(expected, torch.device("cpu"))

    def folders(self, folder: Path) -> list[Path]:
        """Return the run folders, a seed each."""
        return [folder / f"{self.name}-{seed}" for seed in range(self.seeds)]


def as_typed(value: object) -> str:
    """Return a value as it is typed after ``--set``."""
    return (str(value).lower() if isinstance(value, bool) else str(value)).replace(" ", "")


@dataclass(frozen=True)
class Together:
    """Runs of some rows that are read as one: in words, and each run's row and seed."""

    name: str
    words: str
    runs: tuple[tuple[str, int], ...]

    def folders(self, folder: Path) -> list[Path]:
        """Return the run folders."""
        return [folder / f"{row}-{seed}" for row, seed in self.runs]


class Reached(msgspec.Struct, frozen=True):
    """What runs reach together, the CPU seconds of all of them, evaluation counted twice, and the hash of each net."""

    validation: Evaluation
    test: Evaluation
    cpu_seconds: float
    nets: list[str]


@dataclass(frozen=True)
class Page:
    """A page in docs/results: its name, its beginning, its rows, and which runs are read as one."""

    name: str
    words: tuple[str, ...]
    rows: tuple[Row, ...]
    together: tuple[Together, ...] = ()

    def __post_init__(self) -> None:
        known = {(row.name, seed) for row in self.rows for seed in range(row.seeds)}
        if unknown := [run for group in self.together for run in group.runs if run not in known]:
            raise ValueError(f"{self.name}: no such rows and seeds: {unknown}")

    @property
    def path(self) -> Path:
        """Return the file."""
        return RESULTS_PAGES / f"{self.name}.md"


READ_ONCE = (
    "Test accuracy in %, mean ± sample standard deviation over n seeds (0 to n − 1); the test images of each run were",
    "read once. *goodness*: the label with the most; *linear*: one neutral pass, beside the same classifier on the",
    "untrained net, which is what random filters give. *validation*: both of images kept from training, by which choices",
    "are made, where the run was kept. CPU seconds of one thread: of training, and of the whole run after the design of",
    "the labels (all readings and the untrained net included), the most of any seed, on the processors named at the end.",
)
NET_OF_MNIST = {"dtype": "auto", "net.kernel": 5, "net.widths": [16, 32, 64], "net.pools": [2, 2, 1]}
"""The net of best-mnist, which the paper's recipe is tried on."""
NET_OF_CIFAR10 = {"dtype": "auto", "net.kernel": 3, "net.widths": [32, 64, 128, 256], "net.pools": [2, 2, 2, 1]}
"""That of best-cifar10."""
NET_OF_CIFAR100 = NET_OF_CIFAR10 | {"net.widths": [32, 64, 128, 512]}
"""That of best-cifar100."""
WIDE = {"net.widths": [64, 128, 256, 512], "train.epochs": 36}
"""Twice that of best-cifar10, for as many epochs as take two hours."""
NO_WAVES = {"net.offered_waves": 0, "labels.intensity": 0.35}
"""Later layers are offered the label's own imprint."""
WAVES = {"net.offered_waves": 8, "labels.intensity": 0.1}
"""They are offered low waves."""
UNLABELLED = {"labels.intensity": 0}
"""They alone are: the image carries no label."""
FOURIER, MORPH, BP = {"labels.set": "fourier"}, {"labels.set": "morph"}, {"algorithm": "bp"}
CIFAR10, MORPH10, BARE10 = "best-cifar10", "best-cifar10-morph", "best-cifar10-unlabelled"
PAGES = (
    Page(
        "accuracy",
        (
            "# What a CPU reaches in minutes",
            "",
            *READ_ONCE,
            "All recipes are ours, none is the paper's; for longer ones see [the most accurate nets](best.md). Later layers are",
            "offered low waves whatever the label in the image is, so that rows of two kinds do not compare the kinds alone; with",
            "`labels.intensity=0` the image carries none, and the waves are all that the net is told of it.",
        ),
        (
            Row("digits-fourier", "quick-digits", FOURIER, 5),
            Row("digits-morph", "quick-digits", MORPH, 5),
            Row("digits-unlabelled", "quick-digits", {**FOURIER, **UNLABELLED}, 5),
            Row("digits-bp", "quick-digits", BP, 5),
            Row("mnist-fourier", "quick-mnist", {}, 3),
            Row("mnist-morph", "quick-mnist", MORPH, 3),
            Row("mnist-unlabelled", "quick-mnist", UNLABELLED, 3),
            Row("mnist-bp", "quick-mnist", BP, 3),
            Row("cifar10-fourier", "quick-cifar10", {}, 3),
            Row("cifar10-morph", "quick-cifar10", MORPH, 3),
            Row("cifar10-unlabelled", "quick-cifar10", UNLABELLED, 3),
            Row("cifar10-bp", "quick-cifar10", BP, 3),
        ),
    ),
    Page(
        "best",
        (
            "# The most accurate nets",
            "",
            *READ_ONCE,
            "",
            "No gradient crosses layers: each has a loss of its own activity. Which wrong label an image carries is drawn,",
            "with `best-…`, by what the last layer took for right before (`train.negatives`). The label enters only as an",
            "image, at the input and, with `best-…`, as a pattern offered to each layer: eight low waves a label, or, with",
            "`net.offered_waves=0` and in best-cifar100, the label's own imprint. Nets with the waves do as well",
            "[without a label in the image](../what-matters.md#whether-the-image-must-carry-the-label).",
            "",
            "Of the kinds of labels that the image carries none wins clearly in best-cifar10: by validation images Fourier",
            "(seed 0, trained once more on the AMD processor) reaches 75.98 and linear 74.52, morphology 76.03 ± 0.45 and",
            "74.66 ± 0.77. Fourier, the faster one, is the preset's.",
            "",
            "Beside ours stand the paper's recipe (`paper-…`) on nets of the same size, for as long as ours trains or longer,",
            "with goodness and loss as we read them, and back-propagation (`--algorithm bp`): the same convolutions trained",
            "end to end, without labels, with average pooling and a softmax. Published for nets whose label is in the image",
            "alone: MNIST 99.16 ± .02 (goodness), CIFAR10 60.9 ± .6 with Fourier and 68.6 ± .5 with morphology labels,",
            "CIFAR100 37.4 ± .5 and 38.2 ± .5 (linear), all by 100 to 200 epochs on GPUs.",
            "",
            "Waves make best-cifar100 better by goodness, of validation images too, and worse by linear, which was seen on",
            "test images alone: the better of the two readings is the preset's, without. With morphology labels, whose epochs",
            "take longer, it has as much time.",
            "",
            "best-cifar10 with morphology labels, without a label in the image and with twice the filters, nets without",
            "waves on MNIST and CIFAR10, the paper's there, all that are read as one, and those of back-propagation were",
            "trained on AMD's processors, all others on Intel's, some beside other work: their CPU seconds are not one",
            "comparison. By the CPU seconds of a first epoch (the same commands with `--epochs 1`), the paper's 40 epochs",
            "take 1.4 times as long as best-mnist's 30 on an Intel processor, its 55 1.1 times as long as best-cifar10's 40",
            "there, and with morphology labels on an AMD. The seconds of training of best-cifar100 with waves count five",
            "readings of validation images. One run with morphology labels was stopped and went on.",
        ),
        (
            Row("best-mnist", "best-mnist", {}, 3),
            Row("best-mnist-morph", "best-mnist", MORPH, 1),
            Row("best-mnist-own", "best-mnist", NO_WAVES, 3),
            Row("best-mnist-own-morph", "best-mnist", {**MORPH, **NO_WAVES}, 1),
            Row("best-mnist-paper", "paper-mnist", {**BEFORE_BASE, **NET_OF_MNIST, "train.epochs": 40}, 1),
            Row("best-mnist-bp", "best-mnist", BP, 1),
            Row("best-cifar10", "best-cifar10", {}, 3),
            Row("best-cifar10-morph", "best-cifar10", MORPH, 3),
            Row("best-cifar10-unlabelled", "best-cifar10", UNLABELLED, 2),
            Row("best-cifar10-wide", "best-cifar10", WIDE, 1),
            Row("best-cifar10-own", "best-cifar10", NO_WAVES, 3),
            Row("best-cifar10-own-morph", "best-cifar10", {**MORPH, **NO_WAVES}, 1),
            Row(
                "best-cifar10-paper", "paper-cifar10-fourier", {**BEFORE_BASE, **NET_OF_CIFAR10, "train.epochs": 55}, 1
            ),
            Row("best-cifar10-bp", "best-cifar10", BP, 1),
            Row("best-cifar100", "best-cifar100", {}, 1),
            Row("best-cifar100-morph", "best-cifar100", {**MORPH, "train.epochs": 100}, 1),
            Row("best-cifar100-waves", "best-cifar100", WAVES, 1),
            Row(
                "best-cifar100-paper",
                "paper-cifar100-fourier",
                {**BEFORE_BASE, **NET_OF_CIFAR100, "train.epochs": 150},
                1,
            ),
            Row("best-cifar100-bp", "best-cifar100", {**BP, "train.epochs": 40}, 1),
        ),
        (
            Together("together-fourier", "best-cifar10, seed 0", ((CIFAR10, 0),)),
            Together("together-morph", "with morphology labels, seed 0", ((MORPH10, 0),)),
            Together("together-unlabelled", "without a label in the image, seed 0", ((BARE10, 0),)),
            Together("together-kinds", "the first two", ((CIFAR10, 0), (MORPH10, 0))),
            Together("together-all", "all three", ((CIFAR10, 0), (MORPH10, 0), (BARE10, 0))),
            Together(
                "together-seeds", "with morphology labels, three seeds", tuple((MORPH10, seed) for seed in range(3))
            ),
            Together("together-bare", "without a label in the image, two seeds", ((BARE10, 0), (BARE10, 1))),
        ),
    ),
)

FLOORS = {
    "digits-fourier": 96.0,
    "digits-morph": 80.0,
    "mnist-fourier": 97.0,
    "cifar10-fourier": 50.0,
    "best-mnist": 98.3,
    "best-cifar10": 65.0,
    "best-cifar10-morph": 65.0,
}
"""The least mean by goodness; with less the program exits with 1."""
TOGETHER = (
    "## Several nets read as one",
    "",
    "`ffnet eval RUN RUN … --split test`, of runs above (best-cifar10: of that on the AMD processor), whose test images are",
    "read once more for each row here: goodness and logits are summed, each with a weight fitted to the validation images,",
    "and *both* sums all of them ([how](../training.md#several-nets-read-as-one)). Which runs are read together was chosen",
    "by validation images and fixed before. CPU seconds of one thread: *CPU s, all* of these runs, their evaluation, which",
    "is much the same as this reading, counted twice. Nets of one seed begin with the same filters, those of three seeds do",
    "not, which is all that the column of the untrained nets shows.",
    "",
)
TOGETHER_HEAD = [
    "runs", "nets", "goodness", "linear", "linear, untrained nets", "both", "validation: goodness / linear / both", "CPU s",
]  # fmt: skip


def work(row: Row, folder: Path) -> None:
    """Train what is not trained yet, each seed in a process of its own."""
    for seed, out in enumerate(row.folders(folder)):
        if (out / RESULTS).exists():
            continue
        begin = ["train", *shlex.split(row.command), "--seed", str(seed), "--out", str(out)]
        arguments = ["resume", str(out)] if (out / CONFIG).exists() else begin
        print("ffnet", *arguments, flush=True)
        subprocess.run([sys.executable, "-c", COMMAND, *arguments], check=True)


def accuracies(read: list[Evaluation]) -> list[str]:
    """Return three cells: goodness (of a net trained by back-propagation: its accuracy), linear, linear untrained."""
    linear = [r.linear for r in read if r.linear]
    return [
        spread([(r.bp or r.goodness).accuracy for r in read]),
        spread([r.accuracy for r in linear]) if linear else "–",
        spread([r.untrained for r in linear]) if linear else "–",
    ]


def cells(row: Row, runs: list[Run]) -> list[str]:
    """Return a row of the table."""
    timings = [read_lines(run.folder / TIMINGS) for run in runs]
    lost = any(line["what"].startswith("resumed") for lines in timings for line in lines)
    took = [
        max(sum(line["cpu_seconds"] for line in lines if line["what"].startswith(what)) for lines in timings)
        for what in (("epoch", "part"), "")
    ]
    return [
        f"`ffnet train {row.command}`",
        str(len(runs)),
        str(runs[0].config.train.epochs),
        *accuracies([run.results.test for run in runs]),
        *(f"{'at least ' if lost else ''}{seconds:.0f}" for seconds in took),
        " / ".join(accuracies([run.results.validation for run in runs])[:2]),
    ]


def read_as_one(groups: Sequence[Together], folder: Path) -> None:
    """Read runs as one, once, where all are finished; the results lie beside them."""
    outs = {group: folder / f"{group.name}.json" for group in groups}
    open_ = [g for g in groups if not outs[g].exists() and all((run / RESULTS).exists() for run in g.folders(folder))]
    runs = {run: load_run(run) for group in open_ for run in group.folders(folder)}
    whole = Ensemble(runs.values()) if runs else None
    for group in open_:
        members = [runs[run] for run in group.folders(folder)]
        together, data = whole.some(members), members[0].data()
        validation, test = together.evaluate(data), together.evaluate(data, "test")
        lines = [line for run in members for line in read_lines(run.folder / TIMINGS)]
        seconds = sum(line["cpu_seconds"] * (1 + (line["what"] == "evaluation")) for line in lines)
        write_json(outs[group], Reached(validation, test, seconds, hashes(group, folder)))


def hashes(group: Together, folder: Path) -> list[str]:
    """Return the hash of each net."""
    return [hashlib.sha256((run / MODEL).read_bytes()).hexdigest() for run in group.folders(folder)]


def cells_together(group: Together, folder: Path) -> list[str]:
    """Return a row of the table of several nets."""
    reached = read_json(folder / f"{group.name}.json", Reached)
    if reached.nets != hashes(group, folder):
        sys.exit(f"{folder / group.name}.json is of other nets than those there: remove it")
    test, validation = reached.test, reached.validation
    names = ("goodness", "linear", "both")
    shares = [f"{100 * test.readings[name].accuracy:.2f}" for name in names]
    shares.insert(2, f"{100 * test.readings['linear'].untrained:.2f}")
    chosen = " / ".join(f"{100 * validation.readings[name].accuracy:.2f}" for name in names)
    return [group.words, str(len(group.runs)), *shares, chosen, f"{reached.cpu_seconds:.0f}"]


def kept_rows(page: Page, there: list[str], name: str, head: list[str]) -> list[list[str]]:
    """Return the rows of a name that are on the page already: one, or none."""
    kept = [line.strip("| ").split(" | ") for line in there if line.startswith(f"| {name} |")]
    if any(len(line) != len(head) for line in kept):
        sys.exit(f"{page.path} has rows of other columns: {name}")
    return kept


def several(page: Page, folder: Path, there: list[str]) -> list[str]:
    """Return the section on several nets read as one; rows without a result stay as they were."""
    table = []
    for group in page.together:
        if (folder / f"{group.name}.json").exists():
            table.append(cells_together(group, folder))
        else:
            table += kept_rows(page, there, group.words, TOGETHER_HEAD)
    return [*TOGETHER, *markdown(TOGETHER_HEAD, table), ""] if table else []


HEAD = [
    "command (and `--seed 0`, `1`, …)", "n", "epochs", "goodness (bp: accuracy)", "linear",
    "linear, untrained net", "CPU s, training", "CPU s, all", "validation: goodness / linear",
]  # fmt: skip


def finished(row: Row, folder: Path) -> list[Run]:
    """Return a row's finished runs; a folder with a run of other settings is an error."""
    runs = []
    for seed, out in enumerate(row.folders(folder)):
        if (out / RESULTS).exists():
            runs.append(load_run(out))
            if not row.made(runs[-1], seed):
                sys.exit(f"{out} holds a run of other settings than {row.command}: remove it")
    return runs


def curve(row: Row, run: Run) -> list[str]:
    """Return a section on what was reached when, with a picture, where accuracy was taken between epochs."""
    lines, seconds, taken = read_lines(run.folder / METRICS), 0.0, {}
    for line in read_lines(run.folder / TIMINGS):
        seconds += line["cpu_seconds"]
        if line["what"].startswith(("epoch", "validation")):
            taken[int(line["what"].split()[-1])] = seconds
    points = [line for line in lines if "validation_layers" in line]
    if not points:
        return []
    (PICTURES / f"{row.name}.png").write_bytes(learning_curves(lines))
    rows = [
        [str(p["epoch"]), f"{taken[p['epoch']] / 60:.0f}", *(f"{100 * a:.1f}" for a in p["validation_layers"]),
         f"{100 * p['validation']:.1f}"] for p in points
    ]  # fmt: skip
    layers = [f"layer {k + 1}" for k in range(len(rows[0]) - 3)]
    return [
        f"## On the way: `{row.command}`", "",
        "Validation accuracy by goodness in %, seed 0, the layers summed (their weights are fitted at the end);",
        "minutes of one thread, of training and these readings.", "",
        *markdown(["epoch", "CPU minutes", *layers, "goodness"], rows), "",
        f"![Loss and discrimination accuracy of each layer, and validation accuracy](../_static/{row.name}.png)", "",
    ]  # fmt: skip


def kept_curve(row: Row, there: list[str]) -> list[str]:
    """Return the section of a row as it was on the page."""
    try:
        begin = there.index(f"## On the way: `{row.command}`")
    except ValueError:
        return []
    ends = [k for k in range(begin + 1, len(there)) if there[k].startswith(("## ", "- "))]
    return there[begin : min(ends, default=len(there))]


def listed(versions: dict[str, str]) -> str:
    """Return versions as people read them."""
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))


def written(page: Page, runs_of: dict[str, list[Run]], folder: Path) -> str:
    """Return the page of all rows whose runs are finished, and of those that were there without."""
    there = page.path.read_text().splitlines() if page.path.exists() else []
    table, places, curves = [], set(), []
    for row in page.rows:
        name, runs = f"`ffnet train {row.command}`", runs_of[row.name]
        if runs and (len(runs) == row.seeds or not any(line.startswith(f"| {name} |") for line in there)):
            table.append(cells(row, runs))
            curves += curve(row, runs[0]) if runs[0].config.seed == 0 else []
            places |= {f"- {r.about.device}, {r.config.dtype}, {listed(r.about.versions)}" for r in runs}
        else:
            table += (kept := kept_rows(page, there, name, HEAD))
            curves += kept_curve(row, there)
            places |= {line for line in there if kept and line.startswith("- ")}
    lines = [
        *page.words,
        "",
        "Written by `make accuracy`.",
        "",
        *markdown(HEAD, table),
        "",
        *several(page, folder, there),
    ]
    return "\n".join([*lines, *curves, *sorted(places)]) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="*", help="train only rows of such names")
    parser.add_argument("--folder", type=Path, default=Path("runs/accuracy"))
    options = parser.parse_args()
    missed = []
    for page in PAGES:
        for row in page.rows:
            if fnmatch(row.name, options.rows):
                work(row, options.folder)
        runs = {row.name: finished(row, options.folder) for row in page.rows}
        read_as_one([group for group in page.together if fnmatch(group.name, options.rows)], options.folder)
        page.path.write_text(written(page, runs, options.folder))
        print(page.path)
        for name, of_row in runs.items():
            reached = [run.results.test.goodness.accuracy for run in of_row if name in FLOORS]
            missed += [name] if reached and 100 * mean(reached) < FLOORS[name] else []
    if missed:
        sys.exit(f"below the floor: {', '.join(missed)}")
