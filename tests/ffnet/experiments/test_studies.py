"""Studies: every file is sound at every scale, its smallest scale runs, and stopped or shared work adds up."""

import pytest

from fflabels import FFLabelsError
from ffnet.experiments.studies import list_studies, load_study, shard
from ffnet.experiments.studies.work import work, write
from ffnet.runs.folder import load_run

pytestmark = pytest.mark.slow

RESULTS = {"fig3a", "fig3b", "fig3cd", "fig4", "fig5ab", "fig5ch", "cifar10", "cifar100"}
APPENDICES = {
    "intensity", "kernel", "filters", "pooling", "learning-rate", "batch", "label-set", "first-layer", "epochs",
}  # fmt: skip


def test_every_result_of_the_paper_has_a_study():
    assert set(list_studies()) == RESULTS | APPENDICES


@pytest.mark.parametrize("name", list_studies())
def test_the_smallest_scale_runs_and_the_others_are_sound(name, tmp_path):
    study = load_study(name)
    for scale in ("full", "cpu"):
        jobs = study.jobs(scale)
        assert len({job.folder for job in jobs}) == len(jobs) == 3 * len(study.groups) * len(study.points_at(scale))
        assert {job.config.data.name for job in jobs} <= {"mnist", "cifar10", "cifar100"}
        assert (study.at(scale).about == "") == (scale == "full")
    jobs = study.jobs("smoke")
    work(jobs, tmp_path)
    table, figure = write(study, "smoke", jobs, tmp_path, "the command")
    text = table.read_text()
    assert figure.read_bytes().startswith(b"\x89PNG")
    for word in (study.about, "the command", "digits, one epoch, tiny nets", *(job.group.name for job in jobs)):
        assert word in text
    assert "not finished" not in text


def test_what_is_done_is_not_done_again_and_what_was_stopped_goes_on(tmp_path):
    study = load_study("pooling")
    jobs = study.jobs("smoke")
    begun = []
    work(jobs[:2], tmp_path, begin=lambda job, number, of: begun.append((job.point, number, of)))
    table, _ = write(study, "smoke", jobs, tmp_path, "…")
    assert "1 of 3 runs are not finished." in table.read_text()
    before = (tmp_path / jobs[1].folder / "model.safetensors").read_bytes()
    for name in ("results.json", "model.safetensors"):
        (tmp_path / jobs[1].folder / name).unlink()
    work(jobs, tmp_path, begin=lambda job, number, of: begun.append((job.point, number, of)))
    assert begun == [("none", 1, 2), ("2-1-1", 2, 2), ("2-1-1", 2, 3), ("2-2-1", 3, 3)]
    assert (tmp_path / jobs[1].folder / "model.safetensors").read_bytes() == before
    assert "not finished" not in write(study, "smoke", jobs, tmp_path, "…")[0].read_text()


def test_a_table_is_the_runs_own_figures_beside_the_papers(tmp_path):
    study = load_study("fig3b")
    jobs = study.jobs("smoke", seeds=2)
    work(jobs, tmp_path)
    lines = write(study, "smoke", jobs, tmp_path, "…")[0].read_text().splitlines()
    [row] = [line for line in lines if line.startswith("| FF | goodness")]
    shares = [100 * load_run(tmp_path / job.folder).results.test.goodness.accuracy for job in jobs]
    mean, half = sum(shares) / 2, abs(shares[0] - shares[1]) / 2**0.5
    assert row == f"| FF | goodness | 99.16 ± 0.02 | {mean:.2f} ± {half:.2f} | 2 |"


def test_shards_share_the_work():
    jobs = load_study("fig3a").jobs("full")
    parts = [shard(jobs, f"{k}/5") for k in range(1, 6)]
    assert sorted(job.folder for part in parts for job in part) == sorted(job.folder for job in jobs)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert shard(jobs, None) == jobs
    for bad in ("0/3", "4/3", "1", "a/b", "1/0", "-1/3", "1/2/3"):
        with pytest.raises(FFLabelsError, match="shard: no such shard"):
            shard(jobs, bad)


def test_a_run_of_other_settings_is_not_taken_for_this_one(tmp_path):
    study = load_study("fig3b")
    work(study.jobs("smoke"), tmp_path)
    [job] = study.jobs("smoke")
    other = job._replace(config=job.config.replaced({"train.lr": 1.0}))
    with pytest.raises(FFLabelsError, match="FF-0: holds a run of other settings"):
        work([other], tmp_path)


def test_nothing_finished_makes_no_table(tmp_path):
    study = load_study("fig3b")
    with pytest.raises(FFLabelsError, match="no run is finished"):
        write(study, "smoke", study.jobs("smoke"), tmp_path, "…")


OWN = """
about = "mine"
figure = "accuracy"
x = "K"
points = ["low", "high"]
[[groups]]
name = "FF"
preset = "quick-digits"
vary = { "labels.intensity" = [0.1, 0.9] }
[scales.cpu]
seeds = 2
"""


def test_a_study_of_ones_own_is_a_file(tmp_path):
    (tmp_path / "mine.toml").write_text(OWN)
    study = load_study(tmp_path / "mine.toml")
    assert study.name == "mine"
    assert [(j.point, j.seed, j.config.labels.intensity) for j in study.jobs("cpu", data="here")] == [
        ("low", 0, 0.1), ("high", 0, 0.9), ("low", 1, 0.1), ("high", 1, 0.9)
    ]  # fmt: skip
    assert study.jobs("cpu", data="here")[0].config.data.root == "here"
    with pytest.raises(FFLabelsError, match="no such scale; got full; expected cpu"):
        study.jobs("full")


def test_what_is_varied_stays_varied_whatever_a_scale_sets(tmp_path):
    (tmp_path / "mine.toml").write_text(OWN + 'settings = { "labels.intensity" = 0.5, "train.epochs" = 2 }\n')
    jobs = load_study(tmp_path / "mine.toml").jobs("cpu", seeds=1)
    assert [(j.config.labels.intensity, j.config.train.epochs) for j in jobs] == [(0.1, 2), (0.9, 2)]


def test_a_stopped_run_goes_on_where_the_data_are_now(tmp_path, monkeypatch):
    [job] = load_study("fig3b").jobs("smoke")
    work([job], tmp_path)
    (tmp_path / job.folder / "results.json").unlink()
    roots = []
    monkeypatch.setattr("ffnet.experiments.studies.work.resume", lambda out, root, **_: roots.append(root))
    work([job._replace(config=job.config.replaced({"data.root": str(tmp_path)}))], tmp_path)
    assert roots == [str(tmp_path)]


def test_a_stopped_run_of_other_settings_is_not_gone_on_with(tmp_path):
    study = load_study("fig3b")
    [job] = study.jobs("smoke")
    work([job], tmp_path)
    for name in ("results.json", "model.safetensors"):
        (tmp_path / job.folder / name).unlink()
    with pytest.raises(FFLabelsError, match="holds a run of other settings"):
        work([job._replace(config=job.config.replaced({"train.epochs": 9}))], tmp_path)


def test_validation_accuracy_without_validation_images_is_an_error(tmp_path):
    study = load_study("fig3a")
    job = study.jobs("smoke")[0]
    job = job._replace(config=job.config.replaced({"data.validation": 0}))
    work([job], tmp_path)
    with pytest.raises(FFLabelsError, match="no validation images"):
        write(study, "smoke", [job], tmp_path, "…")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("about", "abuot"), "mine.toml: bad study: Object contains unknown field `abuot`"),
        (("seeds = 2", "seeds = 0"), "bad study: Expected `int` >= 1"),
        (("seeds = 2", "seeds = 2\ncolour = 'red'"), "bad study: Object contains unknown field `colour`"),
        (("[0.1, 0.9]", "[0.1]"), r"mine.toml, cpu: labels.intensity: not one a point; got 1 values; expected 2"),
        (("[scales.cpu]", "[scales.huge]"), "bad study: Invalid enum value 'huge'"),
        (("seeds = 2", "seeds = 2\nvary = { 'labels.intensty' = [1, 2] }"), "varied by no group; got labels.intensty"),
        (('["low", "high"]', '["+1", "-1"]'), "two runs of one name"),
        (('"accuracy"', '"pie"'), "bad study: Invalid enum value 'pie'"),
        (("[[groups]]", "[[groups"), "not TOML"),
    ],
)
def test_a_file_that_is_wrong_is_named(tmp_path, change, message):
    (tmp_path / "mine.toml").write_text(OWN.replace(*change))
    with pytest.raises(FFLabelsError, match=message):
        load_study(tmp_path / "mine.toml")


def test_unknown_names_and_missing_files_are_named():
    with pytest.raises(FFLabelsError, match=r"study: no such study; got fig3 .did you mean 'fig3"):
        load_study("fig3")
    with pytest.raises(FFLabelsError, match=r"none.toml: cannot be read: No such file"):
        load_study("none.toml")
