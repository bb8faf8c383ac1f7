"""Class activation maps of trained runs in figures: where their maximum is, how local they are, how layers differ.

``python tests/bench/map_statistics.py RUN…`` writes two rows for each run to docs/results/paper-maps.csv, in place of
its earlier rows: the trained net and the untrained one, each with its own linear classifier. Only validation images
that the classifier predicts correctly count, as in the paper's Fig. 4.

- *border*: the share of images whose summed map has its maximum in the outermost eighth of the pixels' rows or columns,
  at either side. *Border by chance* is the share of pixels there; the untrained net is the fairer comparison.
- *concentration*: the share of the positive evidence that is in the strongest tenth of the pixels, mean over images.
- *correlation*: Pearson correlation of the maps of two layers, at the size of the smaller one, mean over images.
"""

import argparse
import csv
import itertools
from pathlib import Path

import torch
from torch.nn import functional as F

from ffnet import activation_maps, load_run
from ffnet.runs.log import as_csv

FILE = Path(__file__).resolve().parents[2] / "docs" / "results" / "paper-maps.csv"
BORDER, STRONGEST, BATCH = 1 / 8, 1 / 10, 250


def in_border(height, width):
    """Return which pixels are in the outermost eighth at either side, (H, W)."""
    inside = torch.ones(height, width, dtype=torch.bool)
    y, x = round(BORDER * height), round(BORDER * width)
    inside[y : height - y, x : width - x] = False
    return inside


def concentration(maps_NHW):
    """Return the share of positive evidence in the strongest tenth of the pixels, (N,)."""
    ordered_NP = maps_NHW.clamp(min=0).flatten(1).sort(1, descending=True).values
    return ordered_NP[:, : round(STRONGEST * ordered_NP.shape[1])].sum(1) / ordered_NP.sum(1)


def correlation(one_NHW, other_NHW):
    """Return the Pearson correlation of two layers' maps, (N,)."""
    size = min(one_NHW.shape[1:], other_NHW.shape[1:])
    flat = [F.adaptive_avg_pool2d(maps, size).flatten(1) for maps in (one_NHW, other_NHW)]
    one_NP, other_NP = (maps - maps.mean(1, keepdim=True) for maps in flat)
    return F.cosine_similarity(one_NP, other_NP, dim=1)


def statistics(net, part):
    """Return the statistics of a net, by name, over the images that it predicts correctly."""
    border_HW, found = None, {}
    for images, classes in zip(part.images.split(BATCH), part.classes.split(BATCH), strict=True):
        maps = activation_maps(net, images)
        right_N = maps.classes == classes
        total_NHW = maps.total[right_N]
        border_HW = in_border(*total_NHW.shape[1:])
        found.setdefault("border", []).append(border_HW.flatten()[total_NHW.flatten(1).argmax(1)].double())
        found.setdefault("concentration", []).append(concentration(total_NHW))
        for k, other in itertools.pairwise(maps.layers):
            between = correlation(maps.layers[k][right_N], maps.layers[other][right_N])
            found.setdefault(f"correlation {k} {other}", []).append(between)
    means = {name: torch.cat(values).mean().item() for name, values in found.items()}
    images = sum(map(len, found["border"]))
    return {"images": images, "border by chance": border_HW.double().mean().item(), **means}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--data")
    given = parser.parse_args()
    rows = {}
    if FILE.exists():
        with FILE.open() as file:
            rows = {(row["run"], row["net"]): row for row in csv.DictReader(file)}
    for folder in given.runs:
        run, name = load_run(folder), "/".join(folder.resolve().parts[-2:])
        data = run.data(given.data)
        for which, net in (("trained", run.net), ("untrained", run.control(data))):
            found = statistics(net, data.validation[: given.images])
            values = {key: f"{value:.4g}" if isinstance(value, float) else str(value) for key, value in found.items()}
            row = {"run": name, "net": which, **values}
            rows[name, which] = row
            print(*row.items(), sep="\n")
    FILE.write_text(as_csv([row for _, row in sorted(rows.items())]))


if __name__ == "__main__":
    main()
