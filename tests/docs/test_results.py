"""Pages of results say what the stored rows say or, where rows were not kept, what the stored cells say."""

import csv
import re
import runpy
import tomllib
from pathlib import Path

import pytest
from scipy import stats

torch = pytest.importorskip("torch")

from ffnet.evaluation.statistics import Gap, spread  # noqa: E402
from ffnet.experiments.load import load_experiment  # noqa: E402
from ffnet.experiments.pivot import effects, report  # noqa: E402
from ffnet.report.tables import format_gap  # noqa: E402

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"
NUMBERS = ("validation goodness", "validation goodness, last layer", "validation linear")
CELLS_KEPT = ("ablation", "accuracy", "best", "label-study", "reproduced")
"""Pages whose rows were not kept."""
ROUNDING = 0.0151
"""Three numbers of two places: a difference, and what it is the difference of."""


def typed(row):
    """A row of a CSV file, without its empty cells, accuracies and seconds as numbers."""
    measured = ("validation", "test", "cpu")
    return {name: float(value) if name.startswith(measured) else value for name, value in row.items() if value}


@pytest.fixture(scope="module")
def rows():
    return rows_of_page("ablation-cifar10")


def tables(page):
    """Yield recipe, labels, and the cells of every change's row."""
    for recipe, labels, table in re.findall(r"^## cifar10: ([^\n]*), (\w+)\n(.*?)(?=^## |\Z)", page, re.M | re.S):
        for line in table.splitlines():
            cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
            if len(cells) >= 6 and cells[1].split()[0] == "3":
                yield recipe, labels, cells


def kind(row):
    """What a net was computed on, and in what."""
    return row["device"], row["dtype"]


def discoveries(rows):
    """Return the differences that pass the procedure of Benjamini and Hochberg at 5 %, of all on the page."""
    by_place = {(row["recipe"], row["labels"], row["change"], row["seed"]): row for row in rows}
    found = {}
    for recipe, labels, change in {place[:3] for place in by_place if place[2] != "unchanged"}:
        for name in NUMBERS:
            values = [
                by_place[recipe, labels, change, seed][name] - by_place[recipe, labels, "unchanged", seed][name]
                for seed in "012"
            ]
            if max(values) - min(values) > 1e-9:
                found[recipe, labels, change, name] = stats.ttest_1samp(values, 0).pvalue
    ordered = sorted(found, key=found.get)
    last = max(k for k, place in enumerate(ordered, 1) if found[place] <= 0.05 * k / len(ordered))
    assert (len(found), sum(p < 0.05 for p in found.values()), last) == (186, 80, 39)  # as the page says
    return set(ordered[:last])


def test_the_ablation_on_cifar10_is_that_of_its_rows(rows):
    seen, passed = 0, discoveries(rows)
    for recipe, labels, cells in tables((RESULTS / "ablation-cifar10.md").read_text()):
        own, base = (
            sorted((row for row in rows if (row["recipe"], row["labels"], row["change"]) == (recipe, labels, change)),
                   key=lambda row: row["seed"])
            for change in (cells[0], "unchanged")
        )  # fmt: skip
        assert len(own) == 3, cells[0]
        mixed = sum(kind(row) != kind(other) for row, other in zip(own, base, strict=True))
        assert cells[1] == (f"3 ({mixed})" if mixed else "3"), cells[0]
        for name, cell in zip(NUMBERS, cells[2:5], strict=True):
            text = spread([row[name] for row in own])
            if cells[0] != "unchanged":
                gap = Gap.of([row[name] - other[name] for row, other in zip(own, base, strict=True)])
                text += f" [{format_gap(gap)}]" + (" ✓" if (recipe, labels, cells[0], name) in passed else "")
            assert cell == text, (recipe, labels, cells[0], name)
            seen += 1
    assert seen == 3 * len({(row["recipe"], row["labels"], row["change"]) for row in rows})


@pytest.mark.slow
def test_the_experiment_of_today_takes_the_same_differences_from_these_rows(rows):
    experiment = load_experiment("ablation")
    found = [effect for effect in effects(experiment, rows) if effect.factor == "change"]
    wanted = {(effect.level, *effect.others.values(), effect.accuracy): effect.gap for effect in found}
    page = (RESULTS / "ablation-cifar10.md").read_text()
    compared = 0
    for recipe, labels, cells in tables(page):
        for name, cell in zip(NUMBERS, cells[2:5], strict=True):
            gap = wanted.get((cells[0], "cifar10", recipe, labels, name))
            if gap:
                assert format_gap(gap) in cell
                compared += 1
    assert compared > 150


@pytest.mark.slow
def test_its_report_has_the_means_of_the_page(rows):
    experiment = load_experiment("ablation")
    lines = report(experiment, [], rows, "ffnet experiment report ablation --scale cpu").splitlines()
    for recipe, labels, cells in tables((RESULTS / "ablation-cifar10.md").read_text()):
        [line] = [line for line in lines if line.startswith(f"| cifar10 | {recipe} | {labels} | {cells[0]} | ")]
        assert line.split(" | ")[4:8] == [cells[1].split()[0], *(cell.partition(" [")[0] for cell in cells[2:5])]


def page_cells(page):
    """Yield the table's heading, the row's words, n, and (column, text) of every cell with a number."""
    words = {
        "command (and `--seed 0`, `1`, …)", "runs", "kind", "rule", "change", "statistic",
        "inference with the unchanged recipe", "inference", "paper", "filters per layer", "labels", "label intensity K",
        "layer 1", "height and width of the filters", "width of the pooling after each layer", "learning rate",
        "images per step", "epochs", "epoch", "CPU minutes",
    }  # fmt: skip
    counts = {"n", "pools", "pools (nets)", "nets"}
    section, part, head = "", "", None
    for line in page.splitlines():
        if line.startswith("#"):
            section, part = (line[3:], "") if line.startswith("## ") else (section, line[4:])
            section, head = section if not line.startswith("# ") else "", None
            part = "" if line.startswith("# ") else part
        elif not line.startswith("| "):
            head = None
        elif head is None:
            head = [cell.strip() for cell in line.strip()[1:-1].split("|")]
        elif not line.startswith("| ---"):
            cells = dict(zip(head, (cell.strip() for cell in line.strip()[1:-1].split("|")), strict=True))
            table = " / ".join(filter(None, (section, part)))
            named = {
                name
                for name, text in cells.items()
                if name in words and not re.match(r"layer \d.*:\d", f"{name}:{text}")
            }
            row = " | ".join(text for name, text in cells.items() if name in named)
            n = " ".join(text for name, text in cells.items() if name in counts)
            for name, text in cells.items():
                parts = text.split(" / ")
                for k, one in enumerate(parts, 1) if name not in named | counts else ():
                    if one not in ("", "–"):
                        yield table, row, n, name if len(parts) == 1 else f"{name}, {k}", one


def kept(name):
    with (RESULTS / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def shown(cell):
    """Return a stored cell as the page shows it."""
    gap = cell["gap"] + (f" ({cell['low']} … {cell['high']})" if cell["low"] else "")
    gap = f"**{gap}**" if cell["clear"] else gap
    mean = cell["mean"] + (f" ± {cell['sd']}" if cell["sd"] else "")
    mean = f"at least {mean}" if cell.get("at least") else mean
    return f"{mean} [{gap}]" if mean and gap else mean or gap


@pytest.mark.parametrize("name", CELLS_KEPT)
def test_pages_without_rows_say_so_and_are_made_of_the_stored_cells(name):
    page = (RESULTS / f"{name}.md").read_text()
    assert "*Rows not kept*" in page
    stored = [(cell["table"], cell["row"], cell["n"], cell["column"], shown(cell)) for cell in kept(name)]
    assert list(page_cells(page)) == stored


@pytest.mark.parametrize("name", CELLS_KEPT)
def test_stored_cells_are_possible(name):
    for cell in kept(name):
        if cell["low"]:
            low, gap, high = (float(cell[key]) for key in ("low", "gap", "high"))
            assert low <= gap <= high, cell
            few = re.search(r", [1-6] sets$", cell["column"])  # intervals of fewer than seven sets are not marked
            assert bool(cell["clear"]) == ((low > 0 or high < 0) and not few) or 0 in (low, high), cell
        if cell["sd"]:
            assert float(cell["sd"]) >= 0
            assert 0 <= float(cell["mean"]) <= 100


def test_differences_of_the_ablation_are_those_of_its_means():
    cells = [cell for cell in kept("ablation") if cell["mean"]]
    base = {(c["table"], c["column"]): float(c["mean"]) for c in cells if c["row"] == "unchanged"}
    checked = 0
    for cell in (cell for cell in cells if cell["gap"]):
        less = float(cell["mean"]) - base[cell["table"], cell["column"]]
        assert abs(less - float(cell["gap"])) < ROUNDING, cell
        checked += 1
    assert checked > 100


def test_differences_of_the_label_study_are_those_of_its_means_where_all_pools_and_seeds_are_shared():
    cells = kept("label-study")
    means = {(c["table"], c["row"], c["column"]): (c["n"], float(c["mean"])) for c in cells if c["mean"]}
    checked = 0
    for cell in (cell for cell in cells if " / Difference to " in cell["table"]):
        data, _, base = cell["table"].partition(" / Difference to ")
        kind, rule = cell["row"].split(" | ")
        n, own = means[data, f"{kind} | {rule}", cell["column"]]
        n_of_base, of_base = means[data, f"{kind} | {base}", cell["column"]]
        if n == n_of_base:
            assert abs(own - of_base - float(cell["gap"])) < ROUNDING, cell
            checked += 1
    assert checked > 100


CODES = ["codes-mnist", "codes-cifar10", "codes-cifar100", "codes-regions", "codes-climb"]


def rows_of_page(name):
    with (RESULTS / f"{name}.csv").open() as file:
        return [typed(row) for row in csv.DictReader(file)]


@pytest.mark.parametrize("name", [*CODES, "codes-classes", "codes-yardsticks", "paper-cifar10-labels"])
def test_pages_with_rows_have_the_tables_that_these_make(name):
    made = report(load_experiment(name), [], rows_of_page(name), f"ffnet experiment report {name}").splitlines()
    page = (RESULTS / f"{name}.md").read_text().splitlines()
    assert [line for line in made if line.startswith("|") and line not in page] == []


@pytest.mark.parametrize("name", CODES)
def test_pages_of_codes_have_the_means_of_their_rows(name):
    rows = rows_of_page(name)
    factors = list(rows[0])[: list(rows[0]).index("seed")]
    text = (RESULTS / f"{name}.md").read_text().partition("| n | goodness |")[2].partition("\n\n")[0]
    table = text.splitlines()[2:]
    assert len(table) == len({tuple(row[factor] for factor in factors) for row in rows})
    for line in table:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        levels, (n, goodness, linear, untrained) = cells[: len(factors)], cells[len(factors) : len(factors) + 4]
        own = [row for row in rows if [row[factor] for factor in factors] == levels]
        assert int(n) == len(own)
        for shown_, column in ((goodness, "goodness"), (linear, "linear"), (untrained, "linear, untrained")):
            assert shown_ == spread([row[f"test {column}"] for row in own]), (levels, column)


def test_the_page_of_claims_is_made_of_stored_figures_and_every_claim_has_a_verdict():
    script = runpy.run_path(str(RESULTS.parents[1] / "tests" / "bench" / "paper_claims.py"))
    page = script["page"](script["curves"]())
    assert (RESULTS / "paper-claims.md").read_text() == page
    tree = tomllib.loads((RESULTS / "paper-claims.toml").read_text())
    assert {claim["verdict"] for claim in tree["claims"]} == set(tree["verdicts"])
    said = " ".join(claim["ours"] + claim.get("because", "") for claim in tree["claims"])
    used = set(re.findall(r"\{(\w+)\}", said))
    assert tree["figures"].keys() <= used
