"""Our experiments: one of each kind runs to its report; old commands say their new names; statistics of labels."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from fflabels_cli.app import ffnet_group
from PIL import Image
from scipy import stats

from fflabels import FFLabelsError, LabelSet, References, get_labeler, propose
from ffnet.data.dataset import Split
from ffnet.data.sources import digit_pairs
from ffnet.experiments.factors import Plot
from ffnet.experiments.label_statistics import STATISTICS, pixel_distances, rank_correlation
from ffnet.experiments.load import list_experiments, load_experiment
from ffnet.experiments.pivot import below_floor, report
from ffnet.runs.folder import load_run

RESULTS = {"fig3a", "fig3b", "fig3cd", "fig4", "fig5ab", "fig5ch", "cifar10", "cifar100"}
APPENDICES = {
    "intensity", "kernel", "filters", "pooling", "learning-rate", "batch", "label-set", "first-layer", "epochs",
}  # fmt: skip

KINDS = {
    "kernel": ["accuracy.png"], "fig3b": ["confusion.png"], "fig3cd": ["learning.png"], "fig4": ["maps.png"],
    "ablation": ["effects.png"], "label-study": ["scatter-digits.png", "label-statistics.json"],
    "accuracy": ["results.csv"], "codes-cifar100": ["report.md"],
}  # fmt: skip
"""An experiment of each kind, and what its report draws."""


def invoke(*arguments):
    return CliRunner().invoke(ffnet_group, arguments, catch_exceptions=False, standalone_mode=False)


@pytest.mark.slow
def test_every_result_of_the_paper_has_an_experiment_and_every_plot_a_kind():
    assert set(list_experiments()) >= RESULTS | APPENDICES
    shown = {plot for name in KINDS for plot in load_experiment(name).show}
    assert shown == set(Plot.__args__)


def test_a_file_of_ours_is_short():
    """Besides comments, texts, and a line for each level, of at most twenty lines."""
    from importlib.resources import files

    for path in files("ffnet.experiments").joinpath("files").iterdir():
        levels, count = False, 0
        for line in path.read_text().splitlines():
            levels = line.endswith(".levels]") if line.startswith("[") else levels
            level = (levels and not line.startswith("[")) or line.startswith(("levels.", "    { if ="))
            text = line.startswith(("about", "primary", "paper", "#")) or not line.strip()
            count += not (level or text)
        assert count <= 20, path.name


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_one_of_each_kind_runs_to_its_report(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = invoke("experiment", "run", name, "--scale", "smoke")
    assert "report.md" in shown.output
    folder = tmp_path / "experiments" / name / "smoke"
    text = (folder / "report.md").read_text()
    for word in (load_experiment(name).about, f"ffnet experiment report {name} --scale smoke"):
        assert word in text
    assert "Not finished" not in text
    assert "nan" not in text
    for drawn in KINDS[name]:
        assert (folder / drawn).stat().st_size > 100
    if name == "label-study":
        assert all(title in text for title in STATISTICS.values())
        run = load_run(folder / "0-digits-one_hot-as_it_is-0")
        assert (run.results.test, run.test_reads) == (None, 0)


@pytest.mark.parametrize("name", list_experiments())
def test_each_reports_its_rows_by_the_names_of_its_levels(name):
    mine = load_experiment(name)
    jobs = mine.jobs("smoke")
    accuracies = mine.accuracies or ["goodness", "linear"]
    machine = {"epochs": 2, "cpu seconds": 1.0, "device": "x", "dtype": "float32", "torch": "2"}
    measured = {f"{mine.split} {accuracy}": 0.5 for accuracy in accuracies}
    rows = [{**job.levels, "seed": job.seed, **measured, **machine} for job in jobs]
    text = report(mine, jobs, rows, "the command", "smoke")
    assert "Not finished" not in text
    for job in jobs:
        cells = [job.levels[factor] for factor in mine.shown_factors]
        assert f"| {' | '.join(cells)} |" in text
    below_floor(mine, rows)


@pytest.mark.slow
def test_old_commands_run_the_experiment_and_say_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = invoke("reproduce", "fig3b", "--scale", "smoke", "--seeds", "2", "--shard", "1/2")
    assert "Warning: ffnet reproduce is now ffnet experiment run fig3b --scale smoke --seeds 2\n" in done.output
    assert "| FF | 2 | " in (tmp_path / "experiments/fig3b/smoke/report.md").read_text()
    listed = invoke("reproduce")
    assert "Warning: ffnet reproduce is now ffnet experiment list\n" in listed.output
    assert "fig5ab" in listed.output
    for old, new in (("labels", "label-study"), ("ablation", "ablation")):
        with pytest.raises(FFLabelsError, match="no such scale; got none"):
            invoke("study", old, "--scale", "none")
        done = CliRunner().invoke(ffnet_group, ["study", old, "--scale", "none"])
        assert f"Warning: ffnet study {old} is now ffnet experiment run {new} --scale none\n" in done.output


@pytest.mark.slow
def test_the_tutorials_experiment_runs_on_a_folder_of_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).resolve().parents[3] / "docs" / "experiments.md").read_text()
    [text] = [block for block in re.findall(r"```text\n(.*?)```", page, re.DOTALL) if block.startswith("about")]
    assert len([line for line in text.splitlines() if line]) <= 15
    Path("cells.toml").write_text(text)
    rng = np.random.default_rng(0)
    for kind, k in itertools.product(("round", "long"), range(20)):
        folder = Path("my-cells") / kind
        folder.mkdir(parents=True, exist_ok=True)
        image = np.zeros((32, 32), np.uint8)
        image[8:24, 8:24] = 200 if kind == "round" else 0
        image[:, 14:18] = 200 if kind == "long" else image[:, 14:18]
        Image.fromarray(image ^ rng.integers(0, 32, image.shape, np.uint8)).save(folder / f"{k}.png")
    shown = invoke("experiment", "run", "cells.toml", "--scale", "smoke")
    assert "report.md" in shown.output
    report = Path("experiments/cells/smoke/report.md").read_text()
    assert re.search(r"\| log-contrast \| 3 \| [\d.]+ ± [\d.]+", report)
    assert "goodness: difference to log-contrast, in points, paired by seed" in report


def test_a_report_without_a_finished_run_is_one_line(tmp_path):
    with pytest.raises(FFLabelsError, match="no run is finished"):
        invoke("experiment", "report", "fig3b", "--out", str(tmp_path))


def test_rank_correlations_are_scipys_and_lie_in_their_intervals():
    rng = np.random.default_rng(0)
    x = rng.normal(size=40)
    y = x + rng.normal(size=40)
    found = rank_correlation(x, y)
    assert found.value == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.low < found.value < found.high
    assert rank_correlation(x, y) == found
    assert rank_correlation(np.ones(40), y) is None
    assert rank_correlation(x[:6], y[:6]) is None


@pytest.mark.parametrize("name", ["morph", "fourier", "onehot"])
def test_pixel_distances_are_of_embedded_images(name):
    x = np.random.default_rng(0).random((5, 1, 12, 12), dtype=np.float32)
    labeler = get_labeler(name)
    recipes = labeler.complete(4, (1, 12, 12)) or list(propose(labeler, 4, shape=(1, 12, 12), references=x))
    found = pixel_distances(labeler, recipes, References(x), 0.3)
    embedded = [LabelSet(recipes, labeler).embed(x, np.full(5, k), 0.3) for k in range(4)]
    plain = [[np.sqrt(np.square(a - b).mean(axis=(1, 2, 3))).mean() for a in embedded] for b in embedded]
    assert np.allclose(found, plain, atol=1e-3 if name == "fourier" else 1e-4)


def test_pairs_are_of_the_digits_they_say_and_follow_from_the_seed():
    classes = torch.arange(300) % 10
    digits = Split(classes.to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 3) * 10, classes)
    pairs = digit_pairs(digits, 0)
    assert pairs.images.shape == (300, 1, 4, 6)
    names = list(itertools.combinations_with_replacement(range(10), 2))
    left, right = pairs.images[:, 0, 0, 0] // 10, pairs.images[:, 0, 0, 5] // 10
    for a, b, k in zip(left.tolist(), right.tolist(), pairs.classes.tolist(), strict=True):
        assert tuple(sorted((a, b))) == names[k]
    assert (left > right).any()
    assert (left < right).any()
    assert len(pairs.classes.unique()) > 50
    assert torch.equal(digit_pairs(digits, 0).images, pairs.images)
    assert not torch.equal(digit_pairs(digits, 1).classes, pairs.classes)
    with pytest.raises(FFLabelsError, match="mnist-pairs: no image of a digit; got 9"):
        digit_pairs(digits[classes != 9], 0)
    assert len(digit_pairs(digits[:0], 0)) == 0
