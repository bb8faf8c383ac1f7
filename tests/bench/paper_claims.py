"""Write docs/results/paper-claims.md: each claim of the paper, beside what was measured here.

The words are in docs/results/paper-claims.toml, the figures in the files of stored rows and cells beside it. With
`--runs FOLDER`, a folder of `ffnet experiment run paper-mnist-filters`, the curves of its runs are stored first; with
`--cifar10 FOLDER` those of `paper-cifar10-labels`. `map_statistics.py` and `linear_heads.py` write the other
figures of CIFAR10's nets.
"""

import argparse
import csv
import itertools
import shutil
import statistics
import tomllib
from functools import lru_cache
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import msgspec
import numpy as np

from ffnet.experiments.load import load_experiment
from ffnet.report.tables import markdown
from ffnet.runs.log import as_csv

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"
CURVES = RESULTS / "paper-mnist-filters"
CONFUSIONS = CURVES / "confusion.json"
RESULTS_FILE = "results.csv"
PLOT = RESULTS.parent / "_static" / "paper-claims" / "mnist.png"
CIFAR10 = "paper-cifar10-labels"
CIFAR10_PLOT = PLOT.with_name("cifar10.png")
HEAD = ("claim", "the paper", "what we ran", "here", "verdict")
PAPER, TENFOLD = "5e-5 (paper)", "5e-4"
"""Two recipes of the runs with 16 filters 5×5: levels of the experiment."""
SMOOTH = 5
"""Epochs that a layer has to be ahead, so that a single epoch's noise does not count."""


@lru_cache
def stored(path):
    """Return the rows of a file of figures, by column; none if there is no such file."""
    if not path.exists():
        return []
    with path.open() as file:
        return list(csv.DictReader(file))


def as_numbers(rows):
    """Return rows of numbers, without their empty cells."""
    return [{name: float(value) for name, value in row.items() if value} for row in rows]


def cell(file, table, row, column="here"):
    """Return a stored cell: a mean with its spread, or a difference with its interval."""
    rows = (row, f"{row} | ")
    [one] = (
        one
        for one in stored(RESULTS / f"{file}.csv")
        if (one["table"], one["column"]) == (table, column)
        and (one["row"] == rows[0] or one["row"].startswith(rows[1]))
    )
    if one["mean"]:
        return f"{one['mean']} ± {one['sd']}" if one["sd"] else one["mean"]
    return f"{one['gap']} ({one['low']} … {one['high']})"


def curves():
    """Return the epochs of every run of the paper's recipe, by its name."""
    paths = sorted(set(CURVES.glob("*.csv")) - {CURVES / RESULTS_FILE})
    return {path.stem: as_numbers(stored(path)) for path in paths}


@lru_cache
def named():
    """Return the net, the recipe and the seed of every run, by the name of its folder."""
    return {job.folder: (*job.levels.values(), job.seed) for job in load_experiment("paper-mnist-filters").jobs()}


def figures_of_runs(runs):
    """Return what the claims say of the runs with 16 filters 5×5 and the paper's recipe."""
    names, crossings, shares, done = named(), [], [], []
    for name, epochs in runs.items():
        if names[name][:2] != ("16 filters 5x5", PAPER):
            continue
        ahead = [one["discrimination_3"] > one["discrimination_2"] for one in epochs]
        first = next(k for k in range(len(ahead)) if all(ahead[k : k + SMOOTH]))
        leads = max(one["discrimination_2"] - one["discrimination_3"] for one in epochs[:first])
        crossings.append(f"layer 2 leads by up to {100 * leads:.1f} points, layer 3 from epoch {first + 1} on")
        shares.append(", ".join(f"{100 * epochs[-1][f'discrimination_{k}']:.1f}" for k in (2, 3)))
        done.append(len(epochs))
    at = ", ".join(f"epoch {count}" for count in done)
    return {
        "runs": str(len(done)),
        "crossing": "; ".join(crossings),
        "discrimination": f"layers 2, 3: {'; '.join(shares)} % ({at})",
    }


def digits():
    """Return the recall of every digit on the test images, worst first, over the finished runs of the paper's recipe."""
    tables = msgspec.json.decode(CONFUSIONS.read_bytes())
    summed = sum(np.array(table) for name, table in tables.items() if named()[name][1] == PAPER)
    recalls = summed.diagonal() / summed.sum(1)
    order = recalls.argsort()
    return {"digits": ", ".join(f"{k}: {100 * recalls[k]:.1f}" for k in order)}


def heads_table():
    """Return the accuracies of linear classifiers on pooled features, for the nets of CIFAR10's first seeds."""
    found = {
        (row["run"].rpartition("/")[2], row["net"], row["pool"]): row
        for row in stored(RESULTS / "paper-linear-heads.csv")
    }
    nets = [(f"{kind}-0", net) for kind in ("Fourier", "morphology") for net in ("trained", "untrained")]
    rows = []
    for pool, words in (("0", "all"), ("4", "4×4"), ("2", "2×2"), ("1", "1×1")):
        shares = ((100 * float(found[*net, pool][name]) for name in ("train", "validation")) for net in nets)
        rows.append([words, *(" / ".join(f"{share:.1f}" for share in pair) for pair in shares)])
    return "\n".join(markdown(["pixels", *(f"{run[:-2]}, {net}" for run, net in nets)], rows))


def finished():
    """Return the stored rows of the finished runs: levels, seed, accuracies as shares, CPU seconds."""
    return stored(CURVES / RESULTS_FILE)


def accuracies(prefix, rows):
    """Return the test accuracies of rows that differ by seed alone, in %, by the prefix and the inference."""
    shown = {f"{prefix}_n": str(len(rows))}
    for name, column in (("", "goodness"), ("_linear", "linear"), ("_untrained", "linear, untrained")):
        values = [100 * float(row[f"test {column}"]) for row in rows]
        spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
        shown[prefix + name] = f"{statistics.mean(values):.2f}{spread}" if values else "–"
    return shown


def figures_of_finished():
    """Return the test accuracies of the runs with 3×16 filters 5×5, in float32: the paper's recipe, and ten times its rate."""
    shown = {}
    for prefix, recipe in (("full", PAPER), ("tenfold", TENFOLD)):
        wanted = ("16 filters 5x5", recipe, "float32")
        rows = [row for row in finished() if (row["net"], row["recipe"], row["dtype"]) == wanted]
        shown |= accuracies(prefix, rows)
    return shown


def figures_of_maps():
    """Return the statistics of the activation maps of the runs on CIFAR10, trained and untrained net, over seeds."""
    shown = {}
    for kind in ("Fourier", "morphology"):
        for net in ("trained", "untrained"):
            rows = [
                row
                for row in stored(RESULTS / "paper-maps.csv")
                if row["net"] == net and row["run"].startswith(f"{CIFAR10}/{kind}-")
            ]
            between = [float(row[f"correlation {k} {k + 1}"]) for row in rows for k in range(2, 6)]
            for name in ("border", "concentration"):
                shown[f"{kind}_{net}_{name}"] = f"{100 * statistics.mean(float(row[name]) for row in rows):.0f}"
            shown[f"{kind}_{net}_correlations"] = f"{min(between):.2f} … {max(between):.2f}".replace("-", "−")
    return shown


def of_cifar10():
    """Return the curves of the runs on CIFAR10, by the kind of label: those of the first seed of each."""
    found = {}
    for path in sorted((RESULTS / CIFAR10).glob("*.csv")):
        found.setdefault(path.stem.rpartition("-")[0], as_numbers(stored(path)))
    return found


def figures_of_cifar10():
    """Return the discrimination of layers 2 to 6 and the test accuracies, by kind of label.

    The discrimination is that of the first seed, in the last epoch that both kinds have reached.
    """
    kinds, shown = of_cifar10(), {}
    for kind in kinds:
        rows = [row for row in stored(RESULTS / f"{CIFAR10}.csv") if row["labels"] == kind]
        shown |= accuracies(f"cifar10_{kind}", rows)
    epoch = min(len(epochs) for epochs in kinds.values())
    for kind, epochs in kinds.items():
        shares = (100 * epochs[epoch - 1][f"discrimination_{k}"] for k in range(2, 7))
        shown[f"{kind}_layers"] = ", ".join(f"{share:.1f}" for share in shares)
    return {**shown, "cifar10_epoch": str(epoch), "heads": heads_table()}


def plot_cifar10():
    """Draw the discrimination of the layers against epochs, a panel for each kind of label, as in the paper's Fig. 5."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharex=True, sharey=True)
    for axis, (kind, epochs) in zip(axes, of_cifar10().items(), strict=True):
        for k, colour in zip(range(2, 7), plt.cm.viridis([0, 0.22, 0.45, 0.68, 0.9]), strict=True):
            values = [100 * one[f"discrimination_{k}"] for one in epochs]
            axis.plot([one["epoch"] for one in epochs], values, color=colour, label=f"layer {k}")
        axis.axhline(50, color="gray", linestyle=":")
        axis.set_title(f"{kind} labels: discrimination, %", fontsize=10)
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
    axes[1].legend(frameon=False, fontsize=8, loc="upper left")
    figure.tight_layout()
    figure.savefig(CIFAR10_PLOT, dpi=110)


def finished_table():
    """Return the test accuracies and the CPU seconds of every finished run."""
    rows = [
        [
            f"{row['net']}, {row['recipe']}",
            row["seed"],
            *(f"{100 * float(row[f'test {name}']):.2f}" for name in ("goodness", "linear", "linear, untrained")),
            f"{float(row['cpu seconds']):.0f}",
            row["dtype"],
        ]
        for row in finished()
    ]
    head = ["finished run", "seed", "goodness, test", "linear, test", "linear, untrained", "CPU s", "number type"]
    return ["", *markdown(head, rows)] if rows else []


def plot(runs):
    """Draw accuracy and discrimination against epochs."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharex=True)
    names = named()
    for (name, epochs), style in zip(runs.items(), itertools.cycle(("-", "--", ":", "-."))):
        tried, (_, recipe, seed) = [one for one in epochs if "validation" in one], names[name]
        label = f"{recipe}, seed {seed}"
        shares = [100 * one["validation"] for one in tried]
        axes[0].plot([e["epoch"] for e in tried], shares, style, color="k", marker=".", label=label)
        for k, colour in ((2, "tab:red"), (3, "tab:blue")):
            values = [100 * one[f"discrimination_{k}"] for one in epochs]
            axes[1].plot([one["epoch"] for one in epochs], values, style, color=colour, label=f"layer {k}, {label}")
    axes[0].axhline(99.2, color="gray", linestyle=":", label="the paper's best, 3×128 filters 7×7")
    for axis, title in zip(axes, ("Goodness on the validation images, %", "Discrimination, %"), strict=True):
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
        axis.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    PLOT.parent.mkdir(exist_ok=True)
    figure.savefig(PLOT, dpi=110)


def page(runs):
    """Return the page."""
    tree = tomllib.loads((RESULTS / "paper-claims.toml").read_text())
    figures = {name: cell(*place) for name, place in tree["figures"].items()}
    figures |= {**figures_of_runs(runs), **digits(), **figures_of_finished()}
    figures |= {**figures_of_cifar10(), **figures_of_maps()}
    rows = [
        [
            f"{number}. {one['claim']}",
            one["paper"],
            one["ran"].format_map(figures),
            one["ours"].format_map(figures),
            f"**{one['verdict']}**",
        ]
        for number, one in enumerate(tree["claims"], 1)
    ]
    notes = [
        f"- *{number}. {one['claim']}*, {one['verdict']}: {one['because'].format_map(figures)}."
        for number, one in enumerate(tree["claims"], 1)
        if "because" in one
    ]
    counts = [f"*{verdict}* {sum(one['verdict'] == verdict for one in tree['claims'])}" for verdict in tree["verdicts"]]
    return "\n".join([tree["text"].strip().format(counts=", ".join(counts)), "", *markdown(HEAD, rows), "",
                      "Why, by number:", "", *notes, "",
                      tree["recipe"].strip(), "", *epochs_table(runs), *finished_table(), "",
                      tree["plot"].strip().format_map(figures), "", tree["cifar10"].strip().format_map(figures), ""])  # fmt: skip


def epochs_table(runs):
    """Return the accuracies on the validation images, by epoch."""
    every = sorted({int(one["epoch"]) for epochs in runs.values() for one in epochs if "validation" in one})
    at = [epoch for epoch in every if epoch % 20 == 0 or epoch == every[-1]]
    names, by_run = named(), {name: {int(one["epoch"]): one for one in epochs} for name, epochs in runs.items()}
    rows = [
        [
            "{}, {}, seed {}".format(*names[name]),
            *(f"{100 * epochs[epoch]['validation']:.1f}" if epoch in epochs else "–" for epoch in at),
        ]
        for name, epochs in by_run.items()
    ]
    return markdown(["run, by epoch", *map(str, at)], rows)


def store(folder):
    """Keep the curves of the runs in a folder, their results, and the confusion matrices of the finished ones."""
    CURVES.mkdir(exist_ok=True)
    if (folder / RESULTS_FILE).exists():  # written by `ffnet experiment report`
        both = (*finished(), *stored(folder / RESULTS_FILE))
        rows = {(row["net"], row["recipe"], row["seed"]): row for row in both}
        (CURVES / RESULTS_FILE).write_text(as_csv(list(rows.values())))
        stored.cache_clear()
    for path in sorted(folder.glob("*/metrics.csv")):
        shutil.copy(path, CURVES / f"{path.parent.name}.csv")
        results = path.parent / "results.json"
        if results.exists():
            test = msgspec.json.decode(results.read_bytes())["test"]
            tables = msgspec.json.decode(CONFUSIONS.read_bytes()) if CONFUSIONS.exists() else {}
            tables[path.parent.name] = test["goodness"]["confusion"]
            CONFUSIONS.write_bytes(msgspec.json.encode(tables))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--cifar10", type=Path)
    given = parser.parse_args()
    if given.runs:
        store(given.runs)
    for path in sorted(given.cifar10.glob("*/metrics.csv")) if given.cifar10 else ():
        (RESULTS / CIFAR10).mkdir(exist_ok=True)
        shutil.copy(path, RESULTS / CIFAR10 / f"{path.parent.name}.csv")
    plot(curves())
    plot_cifar10()
    (RESULTS / "paper-claims.md").write_text(page(curves()))
