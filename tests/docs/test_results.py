"""Pages of results whose rows were kept say what the rows say."""

import csv
import re
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from ffnet.evaluation.statistics import Gap, spread  # noqa: E402
from ffnet.experiments.load import load_experiment  # noqa: E402
from ffnet.experiments.pivot import effects  # noqa: E402
from ffnet.report.tables import format_gap  # noqa: E402

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"
NUMBERS = ("validation goodness", "validation goodness, last layer", "validation linear")


@pytest.fixture(scope="module")
def rows():
    with (RESULTS / "ablation-cifar10.csv").open() as file:
        return [
            {key: float(value) if key.startswith("validation") else value for key, value in row.items() if value}
            for row in csv.DictReader(file)
        ]


def tables(page):
    """Yield recipe, labels, and the cells of every change's row."""
    for recipe, labels, table in re.findall(r"^## cifar10: ([^\n]*), (\w+)\n(.*?)(?=^## |\Z)", page, re.M | re.S):
        for line in table.splitlines():
            cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
            if len(cells) >= 6 and cells[1] == "3":
                yield recipe, labels, cells


def test_the_ablation_on_cifar10_is_that_of_its_rows(rows):
    seen = 0
    for recipe, labels, cells in tables((RESULTS / "ablation-cifar10.md").read_text()):
        own, base = (
            sorted((row for row in rows if (row["recipe"], row["labels"], row["change"]) == (recipe, labels, change)),
                   key=lambda row: row["seed"])
            for change in (cells[0], "unchanged")
        )  # fmt: skip
        assert len(own) == 3, cells[0]
        for name, cell in zip(NUMBERS, cells[2:5], strict=True):
            text = spread([row[name] for row in own])
            if cells[0] != "unchanged":
                gap = Gap.of([row[name] - other[name] for row, other in zip(own, base, strict=True)])
                text += f" [{format_gap(gap)}]"
            assert cell == text, (recipe, labels, cells[0], name)
            seen += 1
    assert seen == 3 * len({(row["recipe"], row["labels"], row["change"]) for row in rows})


def test_the_experiment_of_today_takes_the_same_differences_from_these_rows(rows):
    experiment = load_experiment("ablation")
    typed = [{**row, "cpu seconds": float(row["cpu seconds"])} for row in rows]
    found = [effect for effect in effects(experiment, typed) if effect.factor == "change"]
    wanted = {(effect.level, *effect.others.values(), effect.accuracy): effect.gap for effect in found}
    page = (RESULTS / "ablation-cifar10.md").read_text()
    compared = 0
    for recipe, labels, cells in tables(page):
        gap = wanted.get((cells[0], "cifar10", recipe, labels, "validation goodness"))
        if gap:
            assert format_gap(gap) in cells[2]
            compared += 1
    assert compared > 50
