"""The study of label sets: it runs, is gone on with, is shared, refuses what would mix; its statistics are right."""

import itertools
from importlib.resources import files

import numpy as np
import pytest
import torch
from scipy import stats

from fflabels import FFLabelsError, LabelSet, References, get_labeler, propose, similarity
from ffnet.config import DataConfig
from ffnet.data.dataset import Split
from ffnet.data.load import load_data
from ffnet.data.sources import digit_pairs
from ffnet.experiments.labelstudy import load_label_study, shard
from ffnet.experiments.labelstudy.report import paired, rank_correlation, write
from ffnet.experiments.labelstudy.sets import STATISTICS, pixel_distances
from ffnet.experiments.labelstudy.work import finished, work

pytestmark = pytest.mark.slow

BUILT_IN = files("ffnet.experiments.labelstudy").joinpath("labels.toml").read_text()


@pytest.fixture(scope="module")
def study():
    return load_label_study()


@pytest.fixture(scope="module")
def ran(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    cells = study.cells("smoke")
    work(cells, folder)
    return cells, folder


def test_the_smallest_scale_runs_to_its_report(study, ran):
    cells, folder = ran
    paths = write(study, "smoke", cells, folder, "the command")
    text = paths[0].read_text()
    for word in ("the command", "## digits", "morphology", "fourier paper10", "Less chance", *STATISTICS.values()):
        assert word in text
    assert "not finished" not in text
    assert "nan" not in text
    assert [path.name for path in paths[1:]] == ["scatter-digits.png"]
    assert paths[1].read_bytes().startswith(b"\x89PNG")
    done = finished(cells, folder)
    assert len(done) == len(cells) == 14
    for one in done:
        assert len(one.figures.layers) == 3
        assert (one.figures.untrained is not None) == (one.cell.pool == one.cell.seed == 0)
        assert set(one.statistics) == set(STATISTICS)
        assert np.isfinite(list(one.statistics.values())).all()


def test_what_is_done_is_not_done_again_and_comes_out_the_same(ran):
    cells, folder = ran
    begun = []
    path = folder / "cells" / f"{cells[0].name}.json"
    before = finished(cells[:1], folder)[0].figures
    path.unlink()
    work(cells, folder, begin=lambda cell, number, of: begun.append((cell.name, number, of)))
    assert begun == [(cells[0].name, 1, 14)]
    after = finished(cells[:1], folder)[0].figures
    assert (after.layers, after.linear, after.untrained) == (before.layers, before.linear, before.untrained)


def test_cells_and_sets_of_other_settings_are_refused(ran):
    cells, folder = ran
    other = cells[0]._replace(config=cells[0].config.replaced({"train.lr": 1.0}))
    with pytest.raises(FFLabelsError, match=r"cells.*was made with other settings; got train.lr = 0.002; expected 1.0"):
        work([other], folder)
    other = cells[0]._replace(seed=7, candidates=25)
    with pytest.raises(FFLabelsError, match=r"sets.*other settings; got candidates = 24; expected 25"):
        work([other], folder)


def test_where_and_in_which_folder_is_no_setting(study):
    (cell, *_), (moved, *_) = study.cells("smoke"), study.cells("smoke", "elsewhere")
    assert moved.config.data.root == "elsewhere"
    assert moved.settings == cell.settings


def test_shards_part_the_cells_and_keep_pools_together(study):
    cells = study.cells("cpu")
    parts = [shard(cells, f"{k}/4") for k in range(1, 5)]
    assert sorted(c.name for part in parts for c in part) == sorted(c.name for c in cells)
    for a, b in itertools.combinations(parts, 2):
        assert not {c.group for c in a} & {c.group for c in b}
    assert max(map(len, parts)) - min(map(len, parts)) < len(cells) / 20
    assert shard(cells, None) == cells
    for bad in ("0/3", "4/3", "1", "a/b", "1/0"):
        with pytest.raises(FFLabelsError, match="shard: no such shard"):
            shard(cells, bad)


def test_a_beginning_holds_the_main_rows_of_the_first_pool(study):
    cells = study.cells("cpu", only=["mnist", "cifar10"])
    first = cells[:12]
    assert {(c.pool, c.seed) for c in first} == {(0, 0)}
    assert {c.kind.name for c in first} == {"morphology", "fourier"}
    assert {c.data.name for c in first} == {"mnist", "cifar10"}
    seeds = [c.seed for c in cells]
    assert seeds == sorted(seeds)


def test_paired_differences_are_scipys(ran):
    cells, folder = ran
    done = finished(cells, folder)
    first, base = (
        [d for d in done if (d.cell.kind.name, d.cell.rule.name) == ("fourier", rule)] for rule in ("pixel", "chance")
    )
    a, b = ([d.figures.linear for d in part] for part in (first, base))
    found = paired(first, base, "linear")
    assert found.mean == pytest.approx(np.mean(a) - np.mean(b))
    low, high = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert paired(first[:1], base, "linear").low is None
    assert paired(first[:1], base[1:], "linear") is None


def test_rank_correlations_lie_in_their_intervals():
    rng = np.random.default_rng(0)
    x = rng.normal(size=40)
    y = x + rng.normal(size=40)
    found = rank_correlation(x, y)
    assert found.value == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.low < found.value < found.high
    assert rank_correlation(x, y) == found
    assert rank_correlation(np.ones(40), y) is None
    assert rank_correlation(x[:3], y[:3]) is None


@pytest.mark.parametrize("name", ["morph", "fourier", "onehot"])
def test_pixel_distances_are_of_embedded_images(name):
    x = np.random.default_rng(0).random((5, 1, 12, 12), dtype=np.float32)
    labeler = get_labeler(name)
    recipes = labeler.complete(4, (1, 12, 12)) or list(propose(labeler, 4, shape=(1, 12, 12), references=x))
    found = pixel_distances(labeler, recipes, References(x), 0.3)
    embedded = [LabelSet(recipes, labeler).embed(x, np.full(5, k), 0.3) for k in range(4)]
    plain = [[np.sqrt(np.square(a - b).mean(axis=(1, 2, 3))).mean() for a in embedded] for b in embedded]
    assert np.allclose(found, plain, atol=1e-3 if name == "fourier" else 1e-4)


def test_rules_choose_what_they_say(ran):
    cells, folder = ran
    by_rule = {d.cell.rule.name: d for d in finished(cells, folder) if d.cell.set_name.startswith("digits-morph")}
    assert by_rule["dprime"].statistics["dprime"] >= max(d.statistics["dprime"] for d in by_rule.values())
    assert by_rule["pixel"].statistics["pixel"] >= max(d.statistics["pixel"] for d in by_rule.values())
    cell = by_rule["pearson, floor 1"].cell
    labels = LabelSet.load(folder / "sets" / f"{cell.set_name}.json")
    matrix = similarity(labels.recipes, labels.labeler, shape=(1, 16, 16), references=labels_references())
    assert matrix[np.triu_indices(10, 1)].max() == pytest.approx(
        by_rule["pearson, floor 1"].statistics["pearson"], abs=1e-5
    )


def labels_references():
    return load_data(DataConfig()).train.images[:64].numpy().astype(np.float32) / np.float32(255)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("readout = 120", "readuot = 120"), "mine.toml: bad study: Object contains unknown field `readuot`"),
        (('by = "pixel"', 'by = "pixle"'), "bad study: Invalid enum value 'pixle'"),
        (('"chance", "pearson, floor 1", "dprime", "pixel"]', '"chanec"]'), r"rules: not in the study; got chanec"),
        (('kinds = ["one-hot"', 'kinds = ["onehot"'), r"kinds: not in the study; got onehot .did you mean 'one-hot'"),
        (('data = ["digits"]', 'data = ["digit"]'), "data: not in the study; got digit"),
        (('against = ["chance"', 'against = ["luck"'), "against: not in the study; got luck"),
        (('labeler = "onehot"', 'labeler = "onehot"\nset = "x"'), "kind one-hot needs a labeler or a set, one of them"),
        (("pools = 2", "pools = 0"), "bad study: Expected `int` >= 1"),
        (("[[kinds]]", "[[kinds"), "not TOML"),
    ],
)
def test_a_file_that_is_wrong_is_named(tmp_path, change, message):
    assert change[0] in BUILT_IN
    (tmp_path / "mine.toml").write_text(BUILT_IN.replace(*change))
    with pytest.raises(FFLabelsError, match=message):
        load_label_study(tmp_path / "mine.toml")


def test_what_cannot_be_is_said(study, tmp_path):
    with pytest.raises(FFLabelsError, match="--only: not in the study; got svhn"):
        study.cells("cpu", only=["svhn"])
    with pytest.raises(FFLabelsError, match="cannot be read"):
        load_label_study(tmp_path / "none.toml")
    with pytest.raises(FFLabelsError, match="no net is finished"):
        write(study, "smoke", study.cells("smoke"), tmp_path, "…")
    rules, kinds = ({part.name: part for part in parts} for parts in (study.rules, study.kinds))
    cell = study.cells("smoke")[0]
    with pytest.raises(FFLabelsError, match="kind one-hot: nothing to choose from; got rule chance"):
        work([cell._replace(kind=kinds["one-hot"])], tmp_path)
    with pytest.raises(FFLabelsError, match="kind morphology: no complete set"):
        work([cell._replace(rule=rules["as it is"])], tmp_path)


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
