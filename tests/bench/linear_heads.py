"""Does the linear classifier on every pixel overfit? Trained and untrained nets of runs, with pooled features.

``python tests/bench/linear_heads.py RUN…`` writes a row for each run, net and pooling to
docs/results/paper-linear-heads.csv, in place of the run's earlier rows. Pooled to p×p pixels per layer
(``inference.linear_pool``), the classifier is fitted again; 0 is every pixel, the classifier that the run has. Accuracies
are on the first training and validation images.
"""

import argparse
import csv
from pathlib import Path

import msgspec

from ffnet import load_run
from ffnet.evaluation.accuracy import accuracy
from ffnet.fitting import fit_linear
from ffnet.inference.passes import linear_scores
from ffnet.runs.log import as_csv

FILE = Path(__file__).resolve().parents[2] / "docs" / "results" / "paper-linear-heads.csv"
POOLS, SHOWN = (0, 4, 2, 1), 5000


def accuracies(net, data, pool):
    """Return the accuracy on training and validation images, in shares, with the features pooled to p×p pixels."""
    if pool:
        inference = msgspec.structs.replace(net.config.inference, linear_pool=pool)
        net.config = msgspec.structs.replace(net.config, inference=inference)
        net.linear = fit_linear(net, data.train)
    parts = {"train": data.train[:SHOWN], "validation": data.validation[:SHOWN]}
    return {name: accuracy(linear_scores(net, part.images).argmax(1), part.classes) for name, part in parts.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--data")
    given = parser.parse_args()
    rows = {}
    if FILE.exists():
        with FILE.open() as file:
            rows = {(row["run"], row["net"], row["pool"]): row for row in csv.DictReader(file)}
    for folder in given.runs:
        run, name = load_run(folder), "/".join(folder.resolve().parts[-2:])
        data = run.data(given.data)
        for which, net in (("trained", run.net), ("untrained", run.control(data))):
            for pool in POOLS:
                found = {key: f"{value:.4f}" for key, value in accuracies(net, data, pool).items()}
                row = {"run": name, "net": which, "pool": str(pool), **found}
                rows[name, which, str(pool)] = row
                print(*row.values(), flush=True)
                FILE.write_text(as_csv([row for _, row in sorted(rows.items())]))


if __name__ == "__main__":
    main()
