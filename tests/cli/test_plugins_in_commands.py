"""Plugins in the commands: what they print, warn of, take and are called; sets and runs whose plugin is gone."""

import json
import os

import pytest
from commands import start
from installed import SHORT, SOUND, TRAINABLE

pytestmark = pytest.mark.slow

POOL = ("--n", "2", "--candidates", "4", "--shape", "1x16x16")

PARAMETERS = '''
import enum
from typing import Annotated
import msgspec
from fflabels import Params

class Style(enum.Enum):
    MEAN = "mean"
    MEDIAN = "median"

class StripeParams(Params, frozen=True):
    bands: tuple[tuple[float, float], ...] = ((0.0, 1.0),)
    """Lower and upper end of every band."""
    style: Style = Style.MEAN
    name: str = "a"
    seed: int = 0
    depth: Annotated[int, msgspec.Meta(ge=1, le=9)] | None = None

Stripes.params_type = StripeParams
'''


@pytest.fixture
def run(install, tmp_path):
    (tmp_path / "work").mkdir()

    def command(program, *arguments, cwd=None, **environment):
        path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        env = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **environment}
        return start(program, *arguments, cwd=cwd or tmp_path / "work", env=env).end()

    return command


def test_what_a_plugin_prints_and_warns_of_is_kept_apart(install, run):
    loud = 'import warnings; print("drawing"); warnings.warn("a\\nbright " + "x" * 5000); imprint = np'
    install("fflabels-stripes", SOUND.replace("imprint = np", loud) + '\nprint("imported")\n')
    done = run("fflabels", "select", "--kind", "stripes", *POOL, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n"] == 2
    assert "imported" in done.stderr
    assert "drawing" in done.stderr
    [warning] = [line for line in done.stderr.splitlines() if line.startswith("Warning: labeler")]
    assert warning.startswith("Warning: labeler stripes of fflabels-stripes 0.3: a bright xxx")
    assert len(warning) < 400


def test_parameters_of_every_kind_are_typed_and_shown(install, run):
    install("fflabels-stripes", TRAINABLE + PARAMETERS)
    typed = [
        f"--param={text}" for text in ("bands=[[0,1],[0.2,0.8]]", "style=median", "name=b", "seed=3", "depth=null")
    ]
    done = run("fflabels", "select", "--kind", "stripes", *POOL, *typed, "--json")
    assert done.returncode == 0, done.stderr
    params = json.loads(done.stdout)["labeler"]["params"]
    assert params == {"bands": [[0, 1], [0.2, 0.8]], "style": "median", "name": "b", "seed": 3, "depth": None}
    done = run("fflabels", "select", "--kind", "stripes", *POOL, "--param", "bands=[[0,1]")
    assert done.stderr.startswith("Error: labeler stripes: not JSON: ")
    done = run("fflabels", "select", "--kind", "stripes", *POOL, "--param", "style=mode")
    assert "got style=mode; expected mean | median" in done.stderr

    done = run(
        "fflabels", "compare", "stripes style=median bands=[[0,2]]", "stripes", "stripes", *POOL, "--metric", "pearson"
    )
    assert [line.split("  ")[0] for line in done.stdout.splitlines()[2:]] == [
        "stripes bands=[[0.0,2.0]] style=median", "stripes", "stripes"
    ]  # fmt: skip

    shown = run("fflabels", "list", "stripes").stdout
    assert "stripes, available: fflabels-stripes 0.3, fflabels_stripes_module:Stripes" in shown
    assert "bands  list of (list of (number; number))  [[0.0,1.0]]  Lower and upper end of every band." in shown
    assert "style  mean | median " in shown
    assert "depth  null; or whole number, 1 to 9" in shown.replace(
        "whole number, 1 to 9; or null", "null; or whole number, 1 to 9"
    )
    [as_json] = json.loads(run("fflabels", "list", "stripes", "--json").stdout)
    assert as_json["parameters"][1] == {"name": "style", "type": "mean | median", "default": "mean", "doc": ""}

    done = run("ffnet", "train", "--labels", "stripes", "--param", "name=b", "--param", "seed=3", *SHORT)
    assert done.returncode == 0, done.stderr
    assert "stripes (fflabels-stripes 0.3) labels" in done.stderr


def test_a_file_that_could_not_be_read_is_refused_before_the_work(install, run, tmp_path):
    huge = SOUND.replace("period: int", 'period: int\n    note: str = "x" * 4_000_000')
    install("fflabels-stripes", huge)
    done = run("fflabels", "generate", "--kind", "stripes", "--candidates", "30", "--shape", "1x16x16")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: candidates: 30 recipes are too large for a label-set file; got 114 MiB; expected at most 64 MiB (about 16 labels fit)\n"
    )
    assert not list((tmp_path / "work").iterdir())


def test_a_reserved_name_is_listed_as_such(install, run):
    install("evil", SOUND.replace('"stripes"', '"fourier"'), name="fourier")
    done = run("fflabels", "plugins", "list")
    assert done.returncode == 0
    assert "trouble: labeler fourier of evil 0.3 has the name of a built-in labeler: write evil:fourier" in done.stdout
    assert run("fflabels", "select", "--kind", "fourier", *POOL).returncode == 0
    done = run("fflabels", "compare", "fourier", "evil:fourier", "--metric", "pearson", *POOL)
    assert [line.split()[0] for line in done.stdout.splitlines()[2:]] == ["fflabels:fourier", "evil:fourier"]


def test_a_set_of_a_labeler_in_a_file_is_trained_on(run, tmp_path):
    (tmp_path / "work" / "mine.py").write_text(TRAINABLE)
    assert run("fflabels", "select", "--labeler", "mine.py:Stripes", "--candidates", "30").returncode == 0
    done = run("ffnet", "train", "--labels", "labels-stripes-10.json", *SHORT)
    assert "which no distribution has (in a file? --labeler FILE.py:CLASS; in Python" in done.stderr
    done = run("ffnet", "train", "--labels", "labels-stripes-10.json", "--labeler", "mine.py:Stripes", *SHORT)
    assert done.returncode == 0, done.stderr
    [folder] = (tmp_path / "work" / "runs").iterdir()
    done = run("ffnet", "eval", folder, "--labeler", "mine.py:Stripes")
    assert done.returncode == 0, done.stderr
    assert "mine.py" in done.stderr


def test_an_experiment_on_a_labeler_in_a_file_resumes_in_a_new_process(run, tmp_path):
    work = tmp_path / "work"
    (work / "mine.py").write_text(TRAINABLE)
    (work / "study.toml").write_text(
        "about = 'mine'\nseeds = 1\npreset = 'pairs-digits'\n[settings]\n"
        "labels = { set = 'mine.py:Stripes', candidates = 16 }\ndata.limit = 100\ntrain.epochs = 1\nnet.widths = [4, 4, 4]\n"
        "inference.linear_epochs = 1\n[factors.one]\nlevels.only = {}\n"
    )
    assert run("ffnet", "experiment", "run", "study.toml").returncode == 0
    folder = work / "experiments" / "study" / "full" / "only-0"
    (folder / "results.json").unlink()  # as if it had been stopped at the end
    done = run("ffnet", "experiment", "run", "study.toml")
    assert done.returncode == 0, done.stderr
    assert (folder / "results.json").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("ffnet", "train", "--labels", "bad.py:X"),
        ("ffnet", "train", "--labels", "bad.py:X,code:hadamard"),
        ("ffnet", "train", "--preset", "pairs-digits", "--set", "labels.set=bad.py:X"),
        ("ffnet", "train", "--labels", "fourier", "--set", "labels.layers.set=bad.py:X"),
        ("ffnet", "search", "--labels", "bad.py:X", "--vary", "train.lr=1|2"),
        ("fflabels", "select", "--labeler", "bad.py:X"),
        ("fflabels", "list", "bad.py:X"),
    ],
    ids=" ".join,
)
def test_code_of_a_file_that_ends_the_process_is_tried_in_another_one(run, tmp_path, arguments):
    (tmp_path / "work" / "bad.py").write_text("import os; os._exit(7)")
    done = run(*arguments)
    assert done.returncode == 1
    assert "Error: labeler bad.py:X: the process ended with code 7" in done.stderr
    assert done.stderr.count("runs the code in bad.py") == 1
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["bad.py"]


def test_a_run_is_shown_and_compared_though_its_plugin_is_gone_or_renamed(install, run, tmp_path):
    install("fflabels-stripes", TRAINABLE)
    assert run("ffnet", "train", "--labels", "stripes", *SHORT, "--out", "one").returncode == 0
    for old in tmp_path.glob("fflabels_stripes*"):
        old.unlink() if old.is_file() else [*map(os.unlink, old.iterdir()), old.rmdir()]
    done = run("ffnet", "info", "one")
    assert done.returncode == 0, done.stderr
    assert "10 stripes (fflabels-stripes 0.3) labels" in done.stdout
    assert run("ffnet", "compare", "one").returncode == 0
    done = run("ffnet", "eval", "one")
    assert "stripes of fflabels-stripes 0.3, which is not installed (pip install fflabels-stripes==0.3)" in done.stderr
    install("stripes-ng", TRAINABLE, version="1.0")
    done = run("ffnet", "eval", "one")
    assert "or --labeler NAME if it was renamed: stripes-ng:stripes" in done.stderr
    done = run("ffnet", "eval", "one", "--labeler", "stripes-ng:stripes")
    assert done.returncode == 0, done.stderr
    assert "Warning: one/labels.json: its labels are drawn as before (written by fflabels-stripes 0.3" in done.stderr
