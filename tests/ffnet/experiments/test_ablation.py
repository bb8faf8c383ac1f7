"""The ablation: it runs, is gone on with, is shared, refuses what would mix; its differences are right."""

import shutil
from importlib.resources import files

import msgspec
import numpy as np
import pytest
from scipy import stats

from fflabels import FFLabelsError
from ffnet.evaluation.statistics import Gap
from ffnet.experiments.ablation import load_ablation
from ffnet.experiments.ablation.report import write
from ffnet.experiments.ablation.work import work
from ffnet.experiments.studies import shard
from ffnet.experiments.trials import read_figures
from ffnet.report import figures

pytestmark = pytest.mark.slow

BUILT_IN = files("ffnet.experiments.ablation").joinpath("ablation.toml").read_text()


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder, ablation = tmp_path_factory.mktemp("ablation"), load_ablation()
    jobs = ablation.jobs("smoke")
    work(jobs, folder)
    return ablation, jobs, folder


def test_the_smallest_scale_runs_to_its_tables(ran):
    ablation, jobs, folder = ran
    written = write(ablation, "smoke", jobs, folder, "the command")
    text = written[0].read_text()
    for words in ("the command", "## digits: ours, Fourier", "## digits: the paper's, small, morphology", "| alpha 4 |",
                  "weighted sum", "untrained net"):  # fmt: skip
        assert words in text
    assert [path.name for path in written[1:]] == ["effects-digits-ours.png", "effects-digits-the_paper_s_small.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written[1:])
    assert "not finished" not in text
    assert "nan" not in text
    rows = [line for line in text.splitlines() if line.startswith(("| unchanged |", "| alpha 4 |", "| norm: "))]
    assert len(rows) == 4 + 1 + 1 + 1  # alpha and rms from ours, batch from the paper's, with Fourier labels
    for job in jobs:
        figures = read_figures(folder / f"{job.name}.json", job.settings)
        assert len(figures.layers) == 3
        assert set(figures.corrected) == (set() if job.change else {"weighted"})
        assert (figures.untrained is None) == (job.change is not None)
        assert 0 < figures.train_seconds <= figures.cpu_seconds


def test_what_is_missing_is_told_of_data_sets_that_were_begun(ran, tmp_path):
    ablation, jobs, folder = ran
    for job in jobs[:-2]:
        shutil.copy(folder / f"{job.name}.json", tmp_path)
    text = write(ablation, "smoke", [*jobs, *ablation.jobs("cpu", only=["mnist"])], tmp_path, "…")[0].read_text()
    assert f"2 of {len(jobs)} nets are not finished." in text


def test_seconds_are_of_one_kind_of_machine(ran, tmp_path):
    ablation, jobs, folder = ran
    for job in jobs:
        figures = read_figures(folder / f"{job.name}.json", job.settings)
        elsewhere = job.change.name == "alpha 4" if job.change else job.seed == 1
        other = {"device": "another processor", "train_seconds": 1e6} if elsewhere else {}
        path = tmp_path / f"{job.name}.json"
        path.write_bytes(msgspec.json.encode(msgspec.structs.replace(figures, **other)))
    text = write(ablation, "smoke", jobs, tmp_path, "…")[0].read_text()
    assert f"for the training alone, on {figures.device}, float32." in text
    assert "1000000" not in text
    (row,) = (line for line in text.splitlines() if line.startswith("| alpha 4 |"))
    assert row.split("|")[-2].strip() == "–"


def test_differences_are_of_the_same_seeds(ran):
    ablation, jobs, folder = ran
    text = write(ablation, "smoke", jobs, folder, "…")[0].read_text()
    part = text.split("## digits: ours, Fourier")[1].split("##")[0]

    def linear(change):
        found = [j for j in jobs if (j.recipe.name, j.labels.name) == ("ours", "Fourier")]
        found = [j for j in found if (j.change.name if j.change else "") == change]
        assert [j.seed for j in found] == [0, 1]
        return np.array([read_figures(folder / f"{j.name}.json", j.settings).linear for j in found])

    gap = 100 * (linear("first layer counts") - linear(""))
    low, high = stats.ttest_1samp(gap, 0).confidence_interval(0.95)
    expected = f"{gap.mean():+.2f} ({low:+.2f} … {high:+.2f})" if np.ptp(gap) else f"{gap.mean():+.2f}"
    (row,) = (line for line in part.splitlines() if line.startswith("| first layer counts |"))
    assert expected in row.split("|")[5]


def test_what_is_done_is_not_done_again_and_comes_out_the_same(ran):
    _, jobs, folder = ran
    begun, path = [], folder / f"{jobs[1].name}.json"
    before = read_figures(path, jobs[1].settings)
    path.unlink()
    work(jobs, folder, begin=lambda job, number, of: begun.append((job.name, number, of)))
    assert begun == [(jobs[1].name, 2, len(jobs))]
    after = read_figures(path, jobs[1].settings)
    assert (after.layers, after.linear, after.corrected) == (before.layers, before.linear, before.corrected)
    other = jobs[1]._replace(config=jobs[1].config.replaced({"train.lr": 1.0}))
    with pytest.raises(FFLabelsError, match="was made with other settings; got train"):
        work([other], folder)
    later = jobs[1]._replace(config=jobs[1].config.replaced({"train.peer": 4.0}))
    path.write_text(path.read_text().replace(' "train.peer": 0.0,\n', ""))  # as of a version that did not know it
    assert read_figures(path, jobs[1].settings)
    with pytest.raises(FFLabelsError, match=r"was made with other settings; got train.peer = 0.0; expected 4"):
        work([later], folder)


def test_a_beginning_makes_whole_tables_and_shards_part_the_nets():
    jobs = load_ablation().jobs("cpu", "elsewhere", only=["mnist"])
    assert {job.config.data.root for job in jobs} == {"elsewhere"}
    assert [job.seed for job in jobs] == sorted(job.seed for job in jobs)
    assert {job.data.name for job in jobs} == {"mnist"}
    assert not any("flips" in job.name for job in jobs)  # on CIFAR10 only
    assert {job.labels.name for job in jobs if job.change and job.change.name == "alpha 4"} == {"Fourier"}
    assert len({job.labels.name for job in jobs if job.change and job.change.name == "negatives: uniform"}) == 2
    names = [job.name for k in (1, 2, 3) for job in shard(jobs, f"{k}/3")]
    assert sorted(names) == sorted(job.name for job in jobs)
    assert shard(jobs, None) == jobs
    assert load_ablation().jobs("cpu", "elsewhere", only=["mnist", "mnist"]) == jobs
    bases = {(j.data.name, j.recipe.name, j.labels.name, j.seed): j.config for j in jobs if not j.change}
    assert all(
        job.config != bases[job.data.name, job.recipe.name, job.labels.name, job.seed] for job in jobs if job.change
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("seeds = 3", "seedz = 3"), "mine.toml: bad study: Object contains unknown field `seedz`"),
        (('of = ["ours"]', 'of = ["our"]'), "of: not in the study; got our .did you mean 'ours'"),
        (('on = ["mnist", "digits"]', 'on = ["cifar"]'), "on: not in the study; got cifar"),
        (('labels = ["Fourier"]', 'labels = ["Furier"]'), "labels: not in the study; got Furier"),
        (('"train.alpha" = 4.0', '"inference.layers" = "weighted"'), "alpha 4 of recipe ours .*: goodness is sum"),
        (('data = ["mnist", "cifar10"]', 'data = ["mnits"]'), "recipe ours: no preset; got mnits"),
        (('changes = ["alpha 4"', 'changes = ["alpha 5"'), "changes: not in the study; got alpha 5"),
        (('"train.alpha" = 4.0', '"train.alhpa" = 4.0'), "no such setting; got train.alhpa .did you mean 'alpha'"),
        (('name = "alpha 16"', 'name = "alpha 4"'), "changes: two of one name; got alpha 4"),
        (('name = "cifar10"\n[data', 'name = "mnist"\n[data'), "data: two of one name; got mnist"),
        (('{ "train.alpha" = 4.0 }', '{ seed = 4 }'), "change alpha 4: not a part of a recipe; got seed"),
        (('{ mnist = "best-mnist"', '{ minst = "best-mnist"'), "recipe ours: not in the study; got minst"),
        (("[[changes]]", "[[changes"), "not TOML"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_named(tmp_path, change, message):
    assert change[0] in BUILT_IN
    (tmp_path / "mine.toml").write_text(BUILT_IN.replace(*change))
    with pytest.raises(FFLabelsError, match=message):
        load_ablation(tmp_path / "mine.toml")


def test_what_cannot_be_is_said(ran, tmp_path):
    ablation, jobs, _ = ran
    with pytest.raises(FFLabelsError, match="--only: not in the study; got svhn"):
        ablation.jobs("cpu", only=["svhn"])
    with pytest.raises(FFLabelsError, match="cannot be read"):
        load_ablation(tmp_path / "none.toml")
    with pytest.raises(FFLabelsError, match="no net is finished"):
        write(ablation, "smoke", jobs, tmp_path, "…")


def test_differences_that_rounding_makes_have_no_interval():
    assert Gap.of([0.1 + 0.2, 0.3]) == (pytest.approx(0.3), None, None, 2)
    assert Gap.of([]) is None
    low, high = stats.ttest_1samp([0.1, 0.3, 0.2], 0).confidence_interval(0.95)
    assert Gap.of([0.1, 0.3, 0.2]) == pytest.approx((0.2, low, high, 3))


def test_a_picture_of_no_difference_is_drawn():
    none = {"goodness": {"Fourier": {"alpha 4": Gap(0.0, None, None, 1)}}}
    assert figures.effects(none, ["alpha 4"], "points of %", "title").startswith(b"\x89PNG")
