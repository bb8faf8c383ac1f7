"""Groups of runs, and differences between them."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from reference import SMALL_TRAINED as SMALL
from reference import make_folder
from scipy import stats

import ffnet
from fflabels import FFLabelsError, design
from ffnet.config import Config
from ffnet.runs.compare import Group, differences, group_runs
from ffnet.runs.folder import Results, load_run


def test_runs_are_grouped_by_all_but_their_seed(runs):
    first, second = group_runs(list(runs.values()), "test")
    assert (first.name, second.name) == ("algorithm=ff", "algorithm=bp")
    assert [len(first.runs), len(second.runs)] == [2, 1]
    assert first.accuracies["goodness"] == [runs[n].results.test.goodness.accuracy for n in ("ff0", "ff1")]
    assert set(first.accuracies) == {"goodness", "linear", "untrained"}
    found = {one.accuracy: one.difference for one in differences([first, second])}
    assert found == {
        f"bp against {name}": np.mean(second.accuracies["bp"]) - np.mean(first.accuracies[name])
        for name in ("goodness", "linear")
    }
    assert [one.accuracy for one in differences([second, first])] == ["goodness against bp", "linear against bp"]


def test_differences_are_welchs():
    a, b = [0.9, 0.92, 0.91], [0.95, 0.96, 0.93, 0.955]
    groups = [Group("a", ["1"], {"goodness": a, "linear": [0.5]}), Group("b", ["2"], {"goodness": b, "linear": [0.6]})]
    wide, narrow = differences(groups)
    variances = np.var(a, ddof=1) / 3, np.var(b, ddof=1) / 4
    freedom = sum(variances) ** 2 / (variances[0] ** 2 / 2 + variances[1] ** 2 / 3)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(sum(variances))
    gap = np.mean(b) - np.mean(a)
    assert [wide.difference, wide.low, wide.high] == pytest.approx([gap, gap - half, gap + half])
    assert wide.p == pytest.approx(2 * stats.t.sf(gap / np.sqrt(sum(variances)), freedom))
    assert (narrow.accuracy, narrow.low, narrow.p) == ("linear", None, None)
    assert narrow.difference == pytest.approx(0.1)


def test_runs_of_the_same_seeds_are_paired():
    base, other = {0: 0.90, 1: 0.94, 2: 0.97, 3: 0.80}, {1: 0.95, 2: 0.99, 0: 0.93}
    groups = [
        Group(name, [str(seed) for seed in of], {"goodness": list(of.values())}, list(of), devices)
        for name, of, devices in (("a", base, ["x"] * 4), ("b", other, ["x", "y", "x"]))
    ]
    (found,) = differences(groups)
    test = stats.ttest_rel([other[k] for k in (0, 1, 2)], [base[k] for k in (0, 1, 2)])
    low, high = test.confidence_interval(0.95)
    assert [found.difference, found.low, found.high, found.p] == pytest.approx([0.02, low, high, test.pvalue])
    assert (found.pairs, found.mixed) == (3, 1)


def test_groups_that_share_one_seed_are_not_paired():
    groups = [
        Group(name, ["x"] * 3, {"goodness": values}, seeds)
        for name, values, seeds in (("a", [0.9, 0.91, 0.93], [0, 1, 2]), ("b", [0.8, 0.82, 0.83], [2, 3, 4]))
    ]
    (found,) = differences(groups)
    assert found.pairs == 0
    assert found.p == pytest.approx(stats.ttest_ind([0.8, 0.82, 0.83], [0.9, 0.91, 0.93], equal_var=False).pvalue)


def test_the_same_nets_do_not_differ_from_themselves():
    group = [Group(name, ["x"] * 3, {"untrained": [0.6, 0.7, 0.5]}, [0, 1, 2], ["x"] * 3) for name in "ab"]
    (found,) = differences(group)
    assert (found.difference, found.low, found.p, found.pairs) == (0, None, None, 3)


def test_accuracies_are_of_the_split_that_is_asked_for(runs):
    for split in ("validation", "test"):
        group, _ = group_runs(list(runs.values()), split)
        parts = [getattr(runs[name].results, split) for name in ("ff0", "ff1")]
        assert group.accuracies["goodness"] == [part.goodness.accuracy for part in parts]
        assert group.accuracies["untrained"] == [part.linear.untrained for part in parts]
        assert group.seeds == [0, 1]
    without = replace(runs["ff0"], results=Results(None, runs["ff0"].results.test))
    with pytest.raises(FFLabelsError, match=r"no accuracy on validation images .--split test"):
        group_runs([without], "validation")


@pytest.mark.slow
def test_runs_with_a_label_set_file_that_changed_are_no_repeats(tmp_path):
    runs, labels = [], tmp_path / "labels.json"
    for seed, drawn in ((0, 0), (1, 1), (2, 1)):
        design("fourier", 10, candidates=20, shape=(1, 16, 16), seed=drawn).save(labels)
        config = Config().replaced({**SMALL, "labels.set": str(labels), "train.epochs": 1, "seed": seed})
        runs.append(ffnet.train(config, out=tmp_path / str(seed)))
    groups = group_runs(runs)
    assert [group.seeds for group in groups] == [[0], [1, 2]]
    assert len({group.name for group in groups}) == 2


@pytest.mark.slow
def test_runs_that_cannot_be_compared_are_named(runs, tmp_path):
    with pytest.raises(FFLabelsError, match="the same run twice"):
        group_runs([runs["ff0"], runs["ff0"]])
    shutil.copytree(runs["ff0"].folder, tmp_path / "copy")
    with pytest.raises(FFLabelsError, match="the same settings and seed twice"):
        group_runs([runs["ff0"], load_run(tmp_path / "copy")])
    other = ffnet.train(Config().replaced({**SMALL, "data.limit": 100, "train.epochs": 1}), out=tmp_path / "other")
    with pytest.raises(FFLabelsError, match="another data set"):
        group_runs([runs["ff0"], other])


@pytest.mark.slow
def test_the_same_images_in_two_folders_are_one_data_set(tmp_path):
    made = []
    for seed, name in enumerate(("here", "there")):
        config = Config().replaced({**SMALL, "train.epochs": 1, "seed": seed, "data.size": 16, "data.limit": None})
        folder = make_folder(tmp_path / name)
        made.append(ffnet.train(config, dataset=str(folder), out=tmp_path / f"run {seed}"))
    [group] = group_runs(made)
    assert group.seeds == [0, 1]


@pytest.mark.slow
def test_baselines_are_named_by_the_settings_that_they_use(runs, tmp_path):
    config = Config().replaced({**SMALL, "train.epochs": 1, "algorithm": "bp", "labels.set": "onehot"})
    baseline = ffnet.train(config, out=tmp_path / "bp")
    named = [group.name for group in group_runs([runs["ff0"], baseline])]
    assert any("algorithm=ff" in name for name in named)
    assert any("algorithm=bp" in name for name in named)
    assert "labels." not in " ".join(named)


def test_a_baseline_is_compared_with_every_inference_method():
    ff = Group("ff", [], {"goodness": [0.5, 0.6], "linear": [0.7, 0.8], "untrained": [0.3, 0.4]}, [0, 1], ["a", "a"])
    for name in ("bp", "local"):
        other = Group(name, [], {name: [0.8, 0.9]}, [0, 1], ["a", "a"])
        names = [difference.accuracy for difference in differences([ff, other])]
        assert names == [f"{name} against goodness", f"{name} against linear"]
