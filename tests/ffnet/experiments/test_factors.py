"""Experiments: which jobs factors make, what is refused, how runs are shared, and what reports say."""

import csv
import itertools
import signal
import sys
import time

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from commands import start
from fflabels_cli.app import ffnet_group
from reference import make_folder
from scipy.stats import ttest_rel
from tiny_experiment import TINY, experiment

from fflabels import design
from fflabels.errors import FFLabelsError
from ffnet.evaluation.statistics import Gap
from ffnet.experiments.factors import by_key
from ffnet.experiments.jobs import finished_jobs, rows_of, run_jobs, status, write_rows
from ffnet.experiments.load import list_experiments, load_experiment
from ffnet.experiments.pivot import Effect, below_floor, discoveries, effects, report, write_report
from ffnet.experiments.plots import accuracy_curves
from ffnet.runs.folder import load_run
from ffnet.runs.locks import locked

GRID = """
about = "a grid"
seeds = 3

[factors.data]
levels.digits = { preset = "pairs-digits" }
levels.mnist = { preset = "pairs-mnist", settings = { "train.epochs" = 7 } }

[factors.change]
base = "unchanged"
levels.unchanged = {}
levels.alpha = { settings = { train.alpha = 4.0 }, only = { data = ["digits"] } }
levels.same = { settings = { train.epochs = 7 } }
levels.norm = { settings = { net.norm = "rms" }, except = { data = ["mnist"] } }
[factors.change.levels.rate]
seeds = 1
settings = { train.lr = 1e-4 }
when = [{ if = { data = "mnist" }, settings = { train.lr = 2e-4 } }]

[scales.smoke]
seeds = 1
settings = { data.limit = 50 }
only = { change = ["unchanged", "alpha"] }
"""


def test_jobs_are_the_product_of_levels_and_seeds_less_what_is_excluded_or_there_already(tmp_path):
    jobs = experiment(tmp_path, GRID).jobs()
    there = {(*job.levels.values(), job.seed) for job in jobs}
    both = itertools.product(("digits", "mnist"), ("unchanged",), range(3))
    own = itertools.product(("digits",), ("alpha", "same", "norm"), range(3))  # mnist has 7 epochs already
    assert there == {*both, *own, ("digits", "rate", 0), ("mnist", "rate", 0)}
    assert [job.seed for job in jobs] == sorted(job.seed for job in jobs)
    rates = {job.levels["data"]: job.config.train.lr for job in jobs if job.levels["change"] == "rate"}
    assert rates == {"digits": 1e-4, "mnist": 2e-4}
    assert {job.config.seed for job in jobs} == {0, 1, 2}
    assert len({job.folder for job in jobs}) == len(jobs)


def test_a_scale_has_its_own_settings_seeds_and_levels(tmp_path):
    jobs = experiment(tmp_path, GRID).jobs("smoke", "elsewhere")
    assert [(*job.levels.values(), job.seed) for job in jobs] == [
        ("digits", "unchanged", 0), ("digits", "alpha", 0), ("mnist", "unchanged", 0)
    ]  # fmt: skip
    assert all((job.config.data.limit, job.config.data.root) == (50, "elsewhere") for job in jobs)


def test_a_file_stands_on_another_one(tmp_path):
    experiment(tmp_path, GRID, "below")
    above = f'base = "{tmp_path / "below.toml"}"\nabout = "above"\nseeds = 1\n[factors.data]\nbase = "mnist"\n'
    found = experiment(tmp_path, above, "above")
    assert (found.about, found.seeds, found.factors["data"].base_level) == ("above", 1, "mnist")
    assert list(found.factors["data"].levels) == ["digits", "mnist"]


def test_a_base_is_looked_for_beside_its_file_and_is_not_the_file_itself(tmp_path):
    (tmp_path / "sub").mkdir()
    experiment(tmp_path / "sub", GRID, "below")
    assert experiment(tmp_path / "sub", 'base = "below.toml"\nabout = "above"\n', "above").seeds == 3
    with pytest.raises(FFLabelsError, match=r"circle\.toml: is its own base; got .*circle\.toml → .*circle\.toml"):
        experiment(tmp_path, 'base = "circle.toml"\nabout = "x"\n', "circle")


def test_settings_are_taken_as_tables_or_by_their_whole_name():
    assert by_key({"train": {"lr": 1, "batch": 2}, "net.norm": "rms", "dtype": "auto"}) == {
        "train.lr": 1, "train.batch": 2, "net.norm": "rms", "dtype": "auto"
    }  # fmt: skip
    assert by_key({"labels": {"params": {"waves": 2}}}) == {"labels.params": {"waves": 2}}
    assert by_key({"labels": {"layers": {"set": "none"}, "goodness.learn": True}, "labels.params": {}}) == {
        "labels.layers.set": "none", "labels.goodness.learn": True, "labels.params": {}
    }  # fmt: skip


def test_values_make_levels_and_one_at_a_time_leaves_combinations_out(tmp_path):
    text = """
about = "one at a time"
preset = "pairs-digits"
change = "one at a time"
seeds = 1
[factors.alpha]
base = "8.0"
vary = { "train.alpha" = [4.0, 8.0, 16.0] }
[factors.net]
vary = { "net.widths" = [[8, 8, 8], [16, 32, 64]], "net.kernel" = [3, 5] }
[factors.crop]
vary = { "train.crop" = [0, 2] }
"""
    jobs = experiment(tmp_path, text).jobs()
    assert [tuple(job.levels.values()) for job in jobs] == [
        ("4.0", "8-8-8", "0"), ("8.0", "8-8-8", "0"), ("8.0", "8-8-8", "2"), ("8.0", "16-32-64", "0"),
        ("16.0", "8-8-8", "0"),
    ]  # fmt: skip
    assert {(job.config.net.widths, job.config.net.kernel) for job in jobs} == {((8, 8, 8), 3), ((16, 32, 64), 5)}
    with pytest.raises(FFLabelsError, match="vary: not the same number of values for each setting"):
        experiment(tmp_path, text.replace("[3, 5]", "[3]"))
    with pytest.raises(FFLabelsError, match="vary: two levels are named 8-8-8"):
        experiment(tmp_path, text.replace("[16, 32, 64]", "[8, 8, 8]"))
    assert len(experiment(tmp_path, text.replace("one at a time", "product")).jobs(seeds=2)) == 24
    pools = text + "[factors.pool]\nreplicate = true\nvary = { 'labels.seed' = [0, 1] }\n"
    changes = [tuple(job.levels.values())[:3] for job in experiment(tmp_path, pools).jobs()]
    assert changes == [tuple(job.levels.values()) for job in jobs for _ in range(2)]


def test_nets_without_labels_are_not_trained_again_for_settings_of_labels(tmp_path):
    text = """
about = "algorithms by intensity"
preset = "pairs-digits"
seeds = 1
[factors.algorithm]
levels.ff = {}
levels.bp = { settings = { algorithm = "bp" } }
[factors.intensity]
vary = { "labels.intensity" = [0.2, 0.3] }
"""
    jobs = experiment(tmp_path, text).jobs()
    assert [tuple(job.levels.values()) for job in jobs] == [("ff", "0.2"), ("ff", "0.3"), ("bp", "0.2")]


@pytest.mark.parametrize("name", list_experiments())
def test_every_built_in_experiment_has_jobs_at_every_scale_and_says_what_is_compared(name):
    found = load_experiment(name)
    assert found.primary
    assert "smoke" in found.scales
    for scale in ("full", *found.scales):
        assert found.jobs(scale)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("only = { data =", "only = { dat ="), r"factors.change.levels.alpha: matches nothing; got dat .*'data'"),
        (('["digits"] } }', '["digit"] } }'), r"levels.alpha: data: matches nothing; got digit .*'digits'"),
        (('if = { data = "mnist" }', 'if = { data = "minst" }'), r"levels.rate.when: data: matches nothing; got minst"),
        (('base = "unchanged"', 'base = "none"'), "factors.change.base: matches nothing; got none"),
        (("levels.same = { settings = { train.epochs = 7 } }", "levels.same = {}"),
         "factors.change: a level without a job of its own; got same"),
        (("seeds = 3", "seds = 3"), r"bad experiment: .*unknown field `seds` .*'seeds'"),
        (("{ settings = { train.alpha", "{ setings = { train.alpha"), r"unknown field `setings`.*'settings'"),
        (("train.alpha = 4.0", "train.alhpa = 4.0"), r"no such setting; got train.alhpa .*'alpha'"),
        (("train.alpha = 4.0", 'train.alpha = "x"'), "bad setting: Expected `float`, got `str`"),
        (('preset = "pairs-digits"', 'preset = "pairs-digit"'), "no such preset; got pairs-digit "),
        (('{ preset = "pairs-digits" }', "{}"), "no preset; got digits, unchanged"),
        (('change = ["unchanged", "alpha"]', 'change = ["alfa"]'), "smoke.only.change: matches nothing; got alfa"),
        (("levels.norm =", 'levels."ra te" = {}\nlevels.norm ='), "two jobs of one name|without a job of its own"),
        (("[factors.data]", "[factors.data"), "not TOML"),
        (("[factors.data]", "[factors.dtype]"), "factors.dtype: the name of another column of the rows"),
        (("seeds = 3", 'accuracies = ["linear, last layer"]'), r"accuracies: matches nothing; got linear, last layer"),
        (("seeds = 3", 'accuracies = ["gooodness"]'), r"accuracies: matches nothing; got gooodness .*'goodness'"),
        (("seeds = 3", 'floors = { "digits, norms" = 0.5 }'), r"floors: matches nothing; got digits, norms .*norm'"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_refused_in_one_line(tmp_path, change, message):
    assert change[0] in GRID
    with pytest.raises(FFLabelsError, match=message):
        experiment(tmp_path, GRID.replace(*change, 1))


def test_an_unknown_name_is_answered_with_the_nearest_and_so_is_a_scale(tmp_path):
    with pytest.raises(FFLabelsError, match=r"no such experiment; got paper-mnist-filter .*'paper-mnist-filters'"):
        load_experiment("paper-mnist-filter")
    with pytest.raises(FFLabelsError, match=r"no such scale; got smok .*'smoke'"):
        experiment(tmp_path, GRID).jobs("smok")
    with pytest.raises(FFLabelsError, match=r"nothing.toml: cannot be read"):
        load_experiment(tmp_path / "nothing.toml")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiment")
    mine = experiment(folder, TINY)
    jobs = mine.jobs()
    assert run_jobs(jobs, folder / "out") == []
    return mine, jobs, folder / "out"


@pytest.mark.slow
def test_what_is_finished_is_not_run_again_and_other_settings_are_refused(done):
    _, jobs, folder = done
    begun = []
    assert run_jobs(jobs, folder, begin=lambda *given: begun.append(given)) == []
    assert begun == []
    assert {one.state for one in status(jobs, folder)} == {"finished"}
    more_often = {"train.checkpoint_seconds": 5.0, "train.validate_every": 1, "inference.chunk": 64}
    same = [job._replace(config=job.config.replaced(more_often)) for job in jobs]
    assert (run_jobs(same, folder), rows_of(same, folder)) == ([], rows_of(jobs, folder))
    unread = jobs[0]._replace(config=jobs[0].config.replaced({"inference.test": False}))
    with pytest.raises(FFLabelsError, match="holds a run of other settings"):
        rows_of([unread], folder)
    other = jobs[0]._replace(config=jobs[0].config.replaced({"train.alpha": 1.0}))
    with pytest.raises(FFLabelsError, match="holds a run of other settings"):
        run_jobs([other], folder)
    with pytest.raises(FFLabelsError, match="holds a run of other settings"):
        rows_of([other], folder)


@pytest.mark.slow
def test_a_job_that_diverges_is_named_and_keeps_no_other_from_running(tmp_path):
    text = TINY.replace('train.goodness = "log"', "train.lr = 1e36")
    jobs = experiment(tmp_path, text).jobs()
    line = (
        r"out: 2 of 4 runs have no results; log-0: epoch 2, step 1: the loss is not finite .*; the last good state is "
        r".*/log-0/checkpoints/epoch-000001-step-00000000.safetensors$"
    )
    for begun in (4, 2):  # those that diverged are tried again, and end in the same line
        tried = []
        with pytest.raises(FFLabelsError, match=line):
            run_jobs(jobs, tmp_path / "out", begin=lambda *given, tried=tried: tried.append(given))
        assert len(tried) == begun
    assert [one.state for one in status(jobs, tmp_path / "out")].count("finished") == 2
    assert len(rows_of(jobs, tmp_path / "out")) == 2


@pytest.mark.slow
def test_a_run_that_diverges_keeps_no_report_from_being_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = TINY.replace('train.goodness = "log"', "train.lr = 1e36")
    experiment(tmp_path, text, "tiny")
    done = CliRunner().invoke(ffnet_group, ["experiment", "run", "tiny.toml", "--seeds", "1"])
    assert "1 of 2 runs have no results" in str(done.exception)
    assert "Not finished: 1 of 2." in (tmp_path / "experiments/tiny/full/report.md").read_text()


@pytest.mark.slow
def test_maps_of_several_data_sets_are_a_picture_each_and_sets_without_dprime_are_left_out(tmp_path):
    text = """
about = "two data sets"
seeds = 1
show = ["maps", "label statistics"]
[settings]
net.widths = [4, 4, 4]
data.limit = 40
train.epochs = 1
labels.candidates = 12
inference.linear_epochs = 1
[factors.data.levels]
digits = { preset = "pairs-digits", settings = { labels.intensity = 1.0 } }
cells = { preset = "pairs-cells", settings = { data.validation = 0 } }
"""
    mine = experiment(tmp_path, text)
    jobs = mine.jobs()
    run_jobs(jobs, tmp_path / "runs")
    write_report(mine, jobs, tmp_path / "runs", "the command")
    shown = (tmp_path / "runs" / "report.md").read_text()
    drawn = sorted(path.name for path in (tmp_path / "runs").glob("maps-*.png"))
    assert [name.split("_")[0] for name in drawn] == ["maps-cells", "maps-digits"]
    assert all(f"]({name})" in shown for name in drawn)


def test_a_job_that_another_process_holds_is_left_to_it(done):
    _, jobs, folder = done
    later = [job._replace(levels={"goodness": "later"}) for job in jobs[:1]]
    (folder / later[0].folder).mkdir()
    with locked(folder / later[0].folder):
        assert run_jobs(later, folder) == later
        assert status(later, folder)[0].state == "running"


def test_rows_and_differences_are_those_of_the_runs(done, tmp_path):
    mine, jobs, folder = done
    rows = rows_of(jobs, folder)
    assert [(row["goodness"], row["seed"]) for row in rows] == [
        ("log-contrast", 0), ("log", 0), ("log-contrast", 1), ("log", 1)
    ]  # fmt: skip
    for job, row in zip(finished_jobs(jobs, folder), rows, strict=True):
        part = load_run(folder / job.folder).results.validation
        assert row["validation goodness"] == part.goodness.accuracy
        assert row["validation goodness, last layer"] == part.goodness.layers[-1]
        assert row["validation linear, untrained"] == part.linear.untrained
    spread = [{**row, "validation goodness": value} for row, value in zip(rows, (0.5, 0.52, 0.4, 0.45), strict=True)]
    [effect] = [effect for effect in effects(mine, spread) if effect.accuracy == "validation goodness"]
    assert effect.gap.mean == pytest.approx(0.035)
    test = ttest_rel([0.52, 0.45], [0.5, 0.4])
    assert effect.p == pytest.approx(test.pvalue)
    assert (effect.gap.low, effect.gap.high) == pytest.approx(tuple(test.confidence_interval(0.95)))
    text = report(mine, [*jobs, jobs[0]._replace(seed=9)], rows, "the command")
    assert "Primary comparison: log less log-contrast, goodness." in text
    assert "Not finished: 1 of 5." in text
    assert "- log_contrast-9" in text
    assert f"{100 * np.mean([row['validation linear'] for row in rows if row['goodness'] == 'log']):.2f} ±" in text


@pytest.mark.slow
def test_predictions_of_nets_with_and_without_a_goodness_are_compared(tmp_path):
    mine = experiment(
        tmp_path,
        """
about = "prediction"
seeds = 1
accuracies = ["prediction"]
preset = "pairs-digits"
settings = { data.limit = 60, train.epochs = 1, labels.candidates = 16, inference.linear_epochs = 1 }

[factors.training]
levels.pairs = {}
levels.codes = { preset = "quick-digits" }
levels.local = { settings = { algorithm = "local" } }
levels.bp = { settings = { algorithm = "bp" } }
""",
    )
    jobs = mine.jobs()
    run_jobs(jobs, tmp_path / "runs")
    rows = rows_of(jobs, tmp_path / "runs")
    by = {"pairs": "linear", "codes": "goodness", "local": "local", "bp": "bp"}
    assert [row["validation prediction"] for row in rows] == [row[f"validation {by[row['training']]}"] for row in rows]
    assert [effect.level for effect in effects(mine, rows)] == ["codes", "local", "bp"]
    assert all(effect.accuracy == "validation prediction" for effect in effects(mine, rows))
    everything = msgspec.structs.replace(mine, accuracies=[])
    assert "| prediction" not in report(everything, jobs, rows, "the command")


def test_replicates_are_the_sample_and_their_seeds_are_averaged(tmp_path, monkeypatch):
    text = """
about = "pools"
seeds = 2
preset = "pairs-digits"
floors = { base = 0.5, other = 0.9 }
accuracies = ["goodness"]
[factors.pool]
replicate = true
vary = { "labels.seed" = [0, 1, 2] }
[factors.rule.levels]
base = {}
other = { settings = { labels.method = "random" } }
"""
    mine, column = experiment(tmp_path, text), "validation goodness"
    rows = [
        {**job.levels, "seed": job.seed, column: value, "device": "x", "dtype": "f", "torch": "2", "cpu seconds": 1.0}
        for job, value in zip(mine.jobs(), np.random.default_rng(0).random(12).round(3).tolist(), strict=True)
    ]
    pools = {
        rule: [np.mean([row[column] for row in rows if (row["rule"], row["pool"]) == (rule, k)]) for k in "012"]
        for rule in ("base", "other")
    }
    [effect] = effects(mine, rows)
    wanted = ttest_rel(pools["other"], pools["base"])
    assert (effect.gap.size, effect.p) == (3, pytest.approx(wanted.pvalue))
    assert (effect.gap.low, effect.gap.high) == pytest.approx(tuple(wanted.confidence_interval(0.95)))
    apart = text.replace("[factors.rule.levels]", "[factors.rule]\ncompare = false\n[factors.rule.levels]")
    assert effects(experiment(tmp_path, apart, "apart"), rows) == []
    text = report(mine, mine.jobs(), rows, "x")
    assert f"| other | 3 (6 runs) | {100 * np.mean(pools['other']):.2f} ±" in text
    assert below_floor(mine, rows) == [name for name, floor in (("base", 0.5), ("other", 0.9))
                                       if np.mean(pools[name]) < floor]  # fmt: skip
    assert "Below its floor: other" in text
    drawn = {}
    monkeypatch.setattr("ffnet.report.figures.accuracy_by_point", lambda lines, *_: drawn.update(lines) or b"")
    accuracy_curves(mine, rows, [column], "pools")
    [line] = drawn.values()
    assert {rule: sorted(values) for rule, values in line.items()} == {
        rule: sorted(values) for rule, values in pools.items()
    }


def test_rows_are_a_parquet_file_too_where_pyarrow_is_installed(tmp_path, monkeypatch):
    rows = [{"a": "x", "validation goodness": 0.5}, {"a": "y", "test goodness": 0.25}]
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert [path.name for path in write_rows(rows, tmp_path)] == ["results.csv"]
    monkeypatch.undo()
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    assert [path.name for path in write_rows(rows, tmp_path)] == ["results.csv", "results.parquet"]
    table = parquet.read_table(tmp_path / "results.parquet").to_pylist()
    assert table == [{"validation goodness": None, "test goodness": None, **row} for row in rows]


def test_the_time_left_follows_from_the_epochs_of_the_same_job_then_of_its_other_seeds(tmp_path):
    jobs = experiment(tmp_path, TINY).jobs()
    paces = {jobs[0].folder: 3.0, jobs[1].folder: 5.0}
    for name, seconds in paces.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.toml").touch()
        (tmp_path / name / "metrics.jsonl").write_text('{"epoch":1}\n')
        (tmp_path / name / "timings.jsonl").write_text(f'{{"what":"epoch 1","seconds":{seconds}}}\n')
    found = [(one.state, one.epochs, one.seconds_left) for one in status(jobs, tmp_path)]
    assert found == [("stopped", 1, 3.0), ("stopped", 1, 5.0), ("waiting", 0, 6.0), ("waiting", 0, 10.0)]
    assert {one.seconds_left for one in status(jobs, tmp_path / "nothing")} == {None}


def test_pairs_of_two_processors_are_marked(done):
    mine, jobs, folder = done
    rows = rows_of(jobs, folder)
    assert not any(effect.mixed for effect in effects(mine, rows))
    rows[1] = {**rows[1], "device": "another"}
    assert all(effect.mixed for effect in effects(mine, rows))
    assert "(two kinds)" in report(mine, jobs, rows, "x")


def test_false_discoveries_are_controlled_as_by_hand():
    p_values = [0.001, 0.2, 0.012, 0.04, None, 0.03]
    found = [Effect("f", "l", {}, "a", Gap(0.1, 0, 1, 3), p, False) for p in p_values]
    tested = sorted((p, k) for k, p in enumerate(p_values) if p is not None)
    passing = [rank for rank, (p, _) in enumerate(tested, 1) if p <= 0.05 * rank / len(tested)]
    assert discoveries(found) == {k for _, k in tested[: max(passing)]}
    assert discoveries([]) == set()
    # The differences of another factor change nothing, however small their p-values are.
    others = [Effect("other", "l", {}, "a", Gap(0.9, 0.8, 1, 3), 1e-9, False)] * 50
    assert discoveries([*found, *others]) == discoveries(found) | set(range(len(found), len(found) + 50))


@pytest.mark.slow
def test_results_made_with_other_labels_are_refused(tmp_path):
    labels = tmp_path / "labels.json"
    design("fourier", 10, candidates=20, shape=(1, 16, 16)).save(labels)
    text = TINY.replace("[factors.goodness]", f'labels.set = "{labels}"\nlabels.assign = "alike"\n\n[factors.goodness]')
    jobs = experiment(tmp_path, text).jobs(seeds=1)[:1]
    run_jobs(jobs, tmp_path / "out")
    assert len(rows_of(jobs, tmp_path / "out")) == 1  # its labels are in another order than those of the file
    design("fourier", 10, candidates=20, shape=(1, 16, 16), seed=1).save(labels)
    with pytest.raises(FFLabelsError, match=r"holds a run with other labels \(.*labels.json has changed since"):
        rows_of(jobs, tmp_path / "out")
    labels.unlink()  # the run has its own copy
    assert len(rows_of(jobs, tmp_path / "out")) == 1


@pytest.mark.slow
def test_two_processes_killed_and_started_again_lose_no_run_and_repeat_none(tmp_path):
    (tmp_path / "mine.toml").write_text(TINY)
    command = ["ffnet", "experiment", "run", "mine.toml"]
    folder = tmp_path / "experiments" / "mine" / "full"
    both = [start(*command, cwd=tmp_path) for _ in range(2)]
    deadline = time.monotonic() + 100
    while not list(folder.glob("*/results.json")) and time.monotonic() < deadline:  # until one of four is finished
        time.sleep(0.01)
    for process in both:
        process.send_signal(signal.SIGKILL)
    for process in both:
        process.end()
    finished = {path: path.read_bytes() for path in folder.glob("*/results.json")}
    assert 1 <= len(finished) < 4, "none, or all, finished before the signal"
    again = [start(*command, cwd=tmp_path) for _ in range(2)]
    done = [process.end(100) for process in again]
    assert [each.returncode for each in done] == [0, 0], done
    assert {one.state for one in status(load_experiment(tmp_path / "mine.toml").jobs(), folder)} == {"finished"}
    for path, content in finished.items():
        assert path.read_bytes() == content
    with (folder / "results.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 4


@pytest.mark.slow
def test_the_commands_list_show_run_tell_and_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(TINY.replace("seeds = 2", "seeds = 1"))

    def shown(*arguments):
        done = CliRunner().invoke(
            ffnet_group, ["experiment", *arguments], catch_exceptions=False, standalone_mode=False
        )
        return done.output

    assert "paper-mnist-filters" in shown("list")
    assert "2 runs in experiments/mine/full" in shown("show", "mine.toml")
    assert "waiting" in shown("status", "mine.toml")
    assert "report.md" in shown("run", "mine.toml", "--workers", "2")
    assert "2 of 2 runs are finished" in shown("status", "mine.toml")
    assert "results.csv" in shown("report", "mine.toml")
    assert "Two goodness functions on digits" in (tmp_path / "experiments/mine/full/report.md").read_text()


@pytest.mark.slow
def test_a_range_that_the_runs_find_themselves_keeps_nobody_from_going_on(tmp_path):
    make_folder(tmp_path / "pictures")
    text = TINY.replace("data.limit = 60", f'data.name = "{tmp_path / "pictures"}"\ndata.range = "auto"')
    jobs = experiment(tmp_path, text).jobs()[:1]
    run_jobs(jobs, tmp_path / "runs")
    run_jobs(jobs, tmp_path / "runs")
    assert len(rows_of(jobs, tmp_path / "runs")) == 1


@pytest.mark.slow
def test_an_experiment_on_images_goes_on_after_their_folder_has_moved(tmp_path):
    for place in ("a", "c"):
        make_folder(tmp_path / place / "pictures")
    text = TINY.replace("data.limit = 60", 'data.name = "PLACE/pictures"\ndata.size = 16')

    def jobs_at(place):
        return experiment(tmp_path, text.replace("PLACE", str(tmp_path / place))).jobs()[:1]

    run_jobs(jobs_at("a"), tmp_path / "runs")
    with pytest.raises(FFLabelsError, match="holds a run of other settings"):  # the first folder is still there
        rows_of(jobs_at("c"), tmp_path / "runs")
    (tmp_path / "a").rename(tmp_path / "b")
    [job] = jobs_at("b")
    (tmp_path / "runs" / job.folder / "results.json").unlink()  # as if it had been stopped at the end
    run_jobs([job], tmp_path / "runs")
    assert len(rows_of([job], tmp_path / "runs")) == 1


def test_a_level_that_cannot_be_trained_is_refused_before_any_run(tmp_path):
    text = TINY.replace('train.goodness = "log" }', 'train.goodness = "logg" }')
    with pytest.raises(FFLabelsError, match="unknown goodness; got logg"):
        run_jobs(experiment(tmp_path, text).jobs(), tmp_path / "runs")
    assert not list((tmp_path / "runs").iterdir())
