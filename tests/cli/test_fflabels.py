"""The command ``fflabels``, used as its user would, right and wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import here
from fflabels_cli import output
from PIL import Image

import fflabels
from fflabels import LabelSet

pytestmark = pytest.mark.slow

PROGRAM = "import sys; from fflabels_cli.app import {0}; sys.argv = ['{0}', *sys.argv[1:]]; {0}()"


def run(*arguments, cwd, program="fflabels", **environment):
    """Run a command in a process of its own."""
    command = [sys.executable, "-c", PROGRAM.format(program), *map(str, arguments)]
    env = {**os.environ, "PYTHONIOENCODING": "utf-8", **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120, env=env)


def good(*arguments, cwd, program="fflabels"):
    found = here(program, *arguments, cwd=cwd)
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    return found.stdout


SMALL = ("--candidates", 60, "--shape", "1x16x16")


def test_select_writes_the_set_and_says_what_it_is_worth(tmp_path):
    shown = good("select", "--n", 8, "--kind", "morph", *SMALL, "--plot", "sheet.png", cwd=tmp_path)
    labels = LabelSet.load(tmp_path / "labels-morph-8.json")
    assert len(labels) == 8
    assert f"{labels.scores.similarity['pearson'].max:.3f}" in shown
    assert f"{labels.scores.random['shift'].max:.3f}" in shown
    assert "8 morph labels of 60 candidates" in shown
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 300


def test_select_as_json(tmp_path):
    found = json.loads(good("select", "--n", 5, "--kind", "fourier", *SMALL, "--json", cwd=tmp_path))
    assert (found["n"], found["file"], found["provenance"]["candidates"]) == (5, "labels-fourier-5.json", 60)
    assert found["sha256"] == json.loads((tmp_path / found["file"]).read_text())["sha256"]


@pytest.mark.parametrize(
    ("arguments", "check"),
    [
        (["--kind", "onehot"], lambda s: s.provenance.method == "complete"),
        (["--kind", "fourier", "--param", "waves=3"], lambda s: {len(r.waves) for r in s.recipes} == {3}),
        (["--kind", "fourier", "--param", "frequencies=continuous"], lambda s: s.recipes[0].waves[0].fy % 1 != 0),
        (
            ["--kind", "morph", "--param", "families=morphology,intensity"],
            lambda s: {o.family for r in s.recipes for o in r.chain} == {"morphology", "intensity"},
        ),
        (["--kind", "morph", "--param", "max_length=1"], lambda s: {len(r.chain) for r in s.recipes} == {1}),
        (["--kind", "fflabels:morph", "--metric", "shift"], lambda s: s.provenance.metric == "shift"),
        (["--kind", "morph", "--method", "greedy"], lambda s: s.provenance.method == "greedy"),
        (["--kind", "morph", "--method", "random"], lambda s: s.provenance.method == "random"),
        (["--kind", "morph", "--seed", "5"], lambda s: s.provenance.seed == 5),
        (["--kind", "morph", "--min-visibility", "0.5"], lambda s: s.provenance.min_visibility == 0.5),
        (["--kind", "morph", "--shape", "3x16x20"], lambda s: s.scores.shape == (3, 16, 20)),
        (["--kind", "morph", "--references", "digits"], lambda s: s.scores.references.name == "digits"),
    ],
)
def test_every_option_does_what_it_says(tmp_path, arguments, check):
    good("select", "--n", 6, *SMALL, "--out", "labels.json", *arguments, cwd=tmp_path)
    labels = LabelSet.load(tmp_path / "labels.json")
    assert len(labels) == 6
    assert check(labels)


def test_own_images_are_the_references(tmp_path):
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).integers(0, 4000, (9, 20, 20), dtype=np.uint16))
    good("select", "--n", 4, "--kind", "morph", *SMALL, "--references", "mine.npy", "--range", "auto", cwd=tmp_path)
    assert LabelSet.load(tmp_path / "labels-morph-4.json").scores.references.count == 9


def test_generate_score_show(tmp_path):
    assert "60 morph candidates of" in good("generate", "--kind", "morph", *SMALL, cwd=tmp_path)
    assert len(LabelSet.load(tmp_path / "candidates-morph.json")) == 60
    shown = good("score", "candidates-morph.json", "--shape", "1x16x16", cwd=tmp_path)
    assert "most alike by shift:" in shown
    assert "duplicates: none" in shown
    found = json.loads(good("score", "fourier:paper10", "--shape", "1x28x28", "--json", "--pairs", 2, cwd=tmp_path))
    assert found["scores"]["similarity"]["pearson"]["max"] <= 0.001
    assert len(found["worst_pairs"]["shift"]) == 2
    good("show", "candidates-morph.json", "--shape", "1x16x16", "--intensity", 0.5, cwd=tmp_path)
    good("show", "fourier:paper10", "--out", "waves.png", cwd=tmp_path)
    assert {"candidates-morph.png", "waves.png"} <= {p.name for p in tmp_path.iterdir()}


def test_score_with_probe_and_page(tmp_path):
    arguments = ("score", "fourier:paper10", "--shape", "1x16x16", "--references", "digits", "--probe")
    shown = good(*arguments, "--page", "set.html", cwd=tmp_path)
    assert "label probe: " in shown
    assert "of 10 classes are read right under the labels" in shown
    page = (tmp_path / "set.html").read_text(encoding="utf-8")
    assert next(line for line in shown.splitlines() if line.startswith("class probe: ")) in page
    found = json.loads(good(*arguments, "--json", cwd=tmp_path))["probe"]
    assert (found["images"], found["classes"], found["label_chance"]) == (200, 10, 0.1)
    assert "probe" not in json.loads(good(*arguments[:-1], "--json", cwd=tmp_path))


def test_assign_writes_the_set_in_another_order(tmp_path):
    good("select", "--n", 10, "--kind", "morph", *SMALL, "--out", "set.json", cwd=tmp_path)
    shown = good("assign", "set.json", "--references", "digits", "--out", "other.json", cwd=tmp_path)
    before, after = LabelSet.load(tmp_path / "set.json"), LabelSet.load(tmp_path / "other.json")
    moved = before.reordered([before.recipes.index(recipe) for recipe in after.recipes])
    assert (after.recipes, after.scores) == (moved.recipes, moved.scores)
    assert after.provenance.method == "best, assigned by shift on digits"
    now, was = (float(part.split()[-1]) for part in shown.splitlines()[0].split(", was "))
    assert now > was
    for references, said in (("photographs", "classes: not known"), ("nowhere", "nowhere")):
        done = here("fflabels", "assign", "set.json", "--references", references, "--out", "third.json", cwd=tmp_path)
        assert (done.returncode, said in done.stderr, done.stderr.count("\n")) == (1, True, 1)
    assert not (tmp_path / "third.json").exists()


def test_a_set_scored_at_another_shape_says_so(tmp_path):
    good("select", "--n", 4, "--kind", "fourier", *SMALL, cwd=tmp_path)
    shown = good("score", "labels-fourier-4.json", "--shape", "1x28x28", cwd=tmp_path)
    assert "scored anew: the file's scores were taken at 1x16x16" in shown
    assert "at 1x28x28" in shown


def test_a_set_scored_on_other_images_says_so_and_has_no_chance_beside_it(tmp_path):
    good("select", "--n", 4, "--kind", "morph", *SMALL, cwd=tmp_path)
    shown = good("score", "labels-morph-4.json", "--references", "digits", cwd=tmp_path)
    assert "scored anew: the file's scores were taken at 1x16x16 on 64 photographs" in shown
    found = [
        json.loads(good("score", "labels-morph-4.json", "--references", r, "--json", cwd=tmp_path))
        for r in ("digits", "photographs")
    ]
    assert [set(f["scores"]["random"]) for f in found] == [set(), {"pearson", "shift", "dprime"}]


def test_a_set_is_scored_at_the_intensity_that_it_was_designed_for(tmp_path):
    good("select", "--n", 3, "--kind", "fourier", "--intensity", 0.2, "--out", "faint.json", *SMALL, cwd=tmp_path)
    for given, expected in (((), 0.2), (("--intensity", 0.5), 0.5)):
        found = json.loads(good("score", "faint.json", *given, "--json", cwd=tmp_path))
        assert found["scores"]["intensity"] == expected
    found = json.loads(good("score", "fourier:paper10", "--json", cwd=tmp_path))
    assert found["scores"]["intensity"] == 0.35


def test_closed_output_is_no_defect(tmp_path):
    command = f"exec {sys.executable} -c '{PROGRAM.format('fflabels')}' list >&- 2>&-".replace(
        "'fflabels'", '"fflabels"'
    )
    assert subprocess.run(["sh", "-c", command], cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("columns", [20, 50, 80])
def test_a_narrow_terminal_cuts_no_number(monkeypatch, capsys, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(output, "_is_terminal", lambda stream: True)
    output.print_table("numbers", ("kind", "pearson max", "chance max"), [["fourier", "0.123456", "12.345678"]])
    assert {"fourier", "0.123456", "12.345678", "pearson"} <= set(capsys.readouterr().out.split())


def test_no_picture_is_written_among_those_that_are_read(tmp_path):
    (tmp_path / "my pictures").mkdir()
    for k in range(3):
        Image.effect_noise((20, 20), 60 + k).save(tmp_path / "my pictures" / f"{k}.png")
    options = ("select", "--n", 2, "--kind", "fourier", *SMALL, "--references", "my pictures", "--plot")
    refused = here("fflabels", *options, "my pictures/sheet.png", cwd=tmp_path)
    assert refused.returncode == 1
    assert "Error: my pictures/sheet.png: would be one of the pictures to read; got in " in refused.stderr
    assert here("fflabels", *options, "sheet.png", cwd=tmp_path).returncode == 0


def test_compare_prints_a_row_a_kind_and_draws_it(tmp_path):
    kinds = ("fourier", "fourier waves=2 frequencies=continuous", "onehot")
    shown = good("compare", *kinds, "--n", 5, "--n", 300, *SMALL, "--plot", "kinds.png", cwd=tmp_path)
    for word in (*kinds, "pearson, n = 5", "shift, n = 300", "plot: kinds.png"):
        assert word in shown
    assert "note: onehot, n = 300: onehot: more classes than pixels; got 300 classes" in shown
    with Image.open(tmp_path / "kinds.png") as plot:
        assert plot.width > 800
    none = here("fflabels", "compare", "onehot", "--n", 300, *SMALL, "--plot", "none.png", cwd=tmp_path)
    assert (none.returncode, none.stderr) == (1, "")
    assert "plot: none.png" in none.stdout
    rows = json.loads(good("compare", "morph", "--n", 5, "--metric", "shift", *SMALL, "--json", cwd=tmp_path))
    assert [(r["kind"], r["metric"], r["n"], r["candidates"]) for r in rows] == [("morph", "shift", 5, 60)]
    assert 0 < rows[0]["selected"] < rows[0]["random"] < 1


RINGS = """
import numpy as np
from fflabels import Labeler, Recipe
from fflabels.arrays import array_namespace, constant_like

class RingRecipe(Recipe, frozen=True):
    period: float

class Rings(Labeler[RingRecipe]):
    name = "rings"
    recipe_type = RingRecipe
    image_independent = True

    def propose(self, rng, shape):
        return RingRecipe(rng.uniform(0.1, 0.9))

    def imprint(self, images, recipe):
        y, x = np.mgrid[-1 : 1 : images.shape[2] * 1j, -1 : 1 : images.shape[3] * 1j]
        rings = constant_like(np.hypot(y, x) / recipe.period % 1 < 0.5, images)
        return array_namespace(images).broadcast_to(rings, images.shape)
"""


def test_a_labeler_in_a_file_serves_every_command_and_its_set_runs_no_code_by_itself(tmp_path):
    (tmp_path / "rings.py").write_text(RINGS + "\nprint('run!')\n")
    (tmp_path / "elsewhere").mkdir()
    note = "note: runs the code in ../rings.py\n"
    spec = ("--labeler", "../rings.py:Rings")
    for arguments in (
        ["select", "--n", 3, *spec, *SMALL],
        ["generate", *spec, *SMALL],
        ["score", "labels-rings-3.json", *spec],
        ["show", "labels-rings-3.json", *spec],
        ["compare", "../rings.py:Rings", "--n", 3, *SMALL],
    ):
        done = run(*arguments, cwd=tmp_path / "elsewhere")
        assert done.returncode == 0, arguments
        assert note in done.stderr
        assert "run!" in done.stderr
        assert "run!" not in done.stdout
    done = run("score", "labels-rings-3.json", cwd=tmp_path / "elsewhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        "made by the labeler rings, which no distribution has (in a file? --labeler FILE.py:CLASS; in Python"
        in done.stderr
    )


CHANNELS = """
import numpy as np
from fflabels import Labeler, Recipe
from fflabels.arrays import array_namespace, constant_like

class Slopes(Recipe, frozen=True):
    values: tuple[float, ...]

class Ramps(Labeler[Slopes]):
    name = "ramps"
    recipe_type = Slopes
    pattern = "channels"
    image_independent = True

    def propose(self, rng, shape):
        return Slopes(tuple(rng.uniform(1, 4, size=shape[0]).tolist()))

    def imprint(self, images, recipe):
        ramp = np.arange(images.shape[3]) / images.shape[3]
        ramps = np.stack([np.broadcast_to(ramp * slope % 1, images.shape[2:]) for slope in recipe.values])
        return array_namespace(images).broadcast_to(constant_like(ramps, images), images.shape)
"""


def test_candidates_are_generated_at_the_shape_that_was_typed(tmp_path):
    (tmp_path / "ramps.py").write_text(CHANNELS)
    done = run("generate", "--labeler", "ramps.py:Ramps", "--candidates", 5, "--shape", "4x16x16", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "candidates: candidates-ramps.json" in done.stdout


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("code/rings.py:Squares", "cannot be imported: AttributeError: module 'rings' has no attribute 'Squares'"),
        ("code/rings.py:RingRecipe", "labeler code/rings.py:RingRecipe: not a labeler; got <class 'rings.RingRecipe'>"),
        ("code/wave.py:Rings", "a module with the file's name already exists; got wave (rename the file)"),
        ("code/broken.py:Rings", "labeler code/broken.py:Rings: the process ended with code 7"),
        ("code/morph.py:Rings", f"the name is taken; got morph (fflabels {fflabels.__version__} has it)"),
        ("code/none.py:Rings", "Error: labeler code/none.py:Rings: no such file"),
        (
            "code/my-rings.py:Rings",
            "not the name of a module; got my-rings.py; expected letters, digits and _ (rename the file)",
        ),
        (
            "code/rings.py",
            "Error: labeler: names no class in a file; got code/rings.py; expected path/to/file.py:Class",
        ),
    ],
)
def test_a_file_that_holds_no_labeler_is_one_clear_line(tmp_path, spec, message):
    (tmp_path / "code").mkdir()
    for name, code in {
        "rings": RINGS, "my-rings": RINGS, "wave": RINGS, "broken": "import os; os._exit(7)", "morph": RINGS.replace('"rings"', '"morph"')
    }.items():  # fmt: skip
        (tmp_path / "code" / f"{name}.py").write_text(code)
    done = run("select", "--labeler", spec, *SMALL, cwd=tmp_path)
    assert done.returncode == 1
    *notes, error = done.stderr.splitlines()
    assert notes in ([], [f"note: runs the code in {spec.partition(':')[0]}"])
    assert message in error


def test_list_and_doctor(tmp_path):
    listed = [e["name"] for e in json.loads(good("list", "--json", cwd=tmp_path))]
    assert listed == ["code", "fourier", "morph", "onehot", "waves"]
    assert "morph" in good("list", "mor*", cwd=tmp_path)
    found = json.loads(good("doctor", "--json", cwd=tmp_path))
    assert found["troubles"] == []
    assert found["versions"]["numpy"] == np.__version__


def test_the_same_command_writes_the_same_bytes_whatever_the_hash_seed_the_threads_and_the_processor(tmp_path):
    files = set()
    for seed, threads, kernels in (("0", "1", {}), ("77", "2", {"OPENBLAS_CORETYPE": "Haswell"})):
        folder = tmp_path / seed
        folder.mkdir()
        environment = {"PYTHONHASHSEED": seed, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads, **kernels}
        for kind in ("morph", "fourier"):
            run("select", "--n", 8, "--kind", kind, "--candidates", 30, cwd=folder, **environment)
        files.add(tuple((folder / f"labels-{kind}-8.json").read_bytes() for kind in ("morph", "fourier")))
    assert len(files) == 1


def test_help_imports_neither_numpy_nor_a_plugin(tmp_path):
    code = (
        "import sys; from click.testing import CliRunner\n"
        "from fflabels_cli.app import fflabels_group as g, FFLABELS_COMMANDS\n"
        "for a in [['--help'], ['--version'], ['-h'], *([c, '--help'] for c in FFLABELS_COMMANDS)]:\n"
        "    assert CliRunner().invoke(g, a).exit_code == 0, a\n"
        "assert not {'numpy', 'scipy', 'skimage', 'fflabels', 'torch', 'rich'} & set(sys.modules), 'imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def foreign(folder):
    (folder / "notes.json").write_text('{"mine": true}')


def two_images(folder):
    np.save(folder / "two.npy", np.random.default_rng(0).random((2, 32, 32)))


def nothing(folder):
    pass


MISTAKES = [
    (nothing, ["select", "--n", 10, "--kind", "morf"], 1, "unknown labeler; got morf (did you mean 'morph'?"),
    (nothing, ["select", "--n", 0, "--kind", "morph"], 2, "Invalid value for '--n'"),
    (nothing, ["select", "--n", 10**11, "--kind", "onehot"], 1, "n: 100000000000 recipes are too large for a label-set file"),
    (nothing, ["generate", "--kind", "fourier", "--candidates", 10**6], 1, "candidates: 1000000 recipes are too large for a label-set file"),
    (nothing, ["select", "--kind", "morph", "--out", "/dev/null"], 1, "is a device or a pipe"),
    (nothing, ["show", "fourier:paper10", "--shape", "1x8192x8192"], 1, "references: too large; got 64 images at 1x8192x8192"),
    (nothing, ["select", "--n", "ten", "--kind", "morph"], 2, "Invalid value for '--n'"),
    (nothing, ["select", "--n", 10], 2, "Missing option '--kind'"),
    (nothing, ["select", "--kind", "morph", "--shape", "32x32"], 2, "got 32x32; expected CxHxW"),
    (nothing, ["select", "--kind", "morph", "--shape", "1x0x32"], 2, "not an image shape"),
    (nothing, ["select", "--kind", "morph", "--shape", "1x999999x999999"], 2, "not an image shape"),
    (nothing, ["select", "--kind", "morph", "--metric", "cosine"], 2, "'cosine' is not one of"),
    (nothing, ["select", "--kind", "morph", "--method", "magic"], 2, "'magic' is not one of"),
    (nothing, ["select", "--kind", "morph", "--seed", -1], 2, "Invalid value for '--seed'"),
    (nothing, ["select", "--kind", "morph", "--param", "families"], 2, "expected NAME=VALUE"),
    (nothing, ["select", "--kind", "morph", "--param", "familes=intensity"], 1, "unknown parameter; got familes (did you mean"),
    (nothing, ["select", "--kind", "morph", "--param", "families=colour"], 1, "labeler morph: bad parameter"),
    (nothing, ["select", "--kind", "fourier", "--param", "waves=many"], 1, "labeler fourier: bad parameter"),
    (nothing, ["select", "--kind", "morph", "--min-visibility", "nan"], 1, "min_visibility: out of range"),
    (nothing, ["select", "--kind", "fourier", "--param", "max_frequency=inf"], 1, "labeler fourier: not finite; got max_frequency=inf"),
    (nothing, ["select", "--kind", "morph", "--intensity", "nan"], 2, "nan is not finite"),
    (nothing, ["select", "--kind", "morph", "--out", "a.png", "--plot", "a.png"], 2, "--out and --plot are one file"),
    (nothing, ["plugins", "check", "onehot", "--time-limit", "inf"], 2, "Invalid value for '--time-limit'"),
    (nothing, ["compare", "morph", "--n", 30_000], 1, "counts: too many to compare pair by pair; got 30000"),
    (nothing, ["select", "--kind", "morph", "--min-visibility", 50, "--n", 5, *SMALL], 1, "runs dry"),
    (nothing, ["select", "--kind", "morph", "--candidates", 5, "--n", 10], 1, "candidates: fewer than n; got 5"),
    (nothing, ["select", "--kind", "morph", "--references", "nowhere"], 1, "no such file or folder; got nowhere"),
    (nothing, ["select", "--kind", "morph", "--references", "."], 1, "no image in the folder"),
    (nothing, ["select", "--kind", "morph", "--out", "missing/labels.json"], 1, "cannot be written: No such file or directory"),
    (nothing, ["select", "--kind", "morph", "--plot", "sheet.jpg"], 1, "wrong ending; expected a name ending in .png"),
    (foreign, ["select", "--kind", "morph", "--out", "notes.json"], 1, "exists and is not a label set: not replaced"),
    (foreign, ["score", "notes.json"], 1, "not a label-set file"),
    (nothing, ["score", "missing.json"], 1, "missing.json: cannot be read: No such file"),
    (nothing, ["score", "fourier:paper10", "--page", "set.png"], 1, "wrong ending; expected a name ending in .html"),
    (two_images, ["score", "fourier:paper10", "--references", "two.npy", "--probe"], 1, "two.npy: too few reference images for the probe; got 2; expected at least 4"),
    (nothing, ["score", "fourier:paper11"], 1, "no such built-in set; got paper11; expected paper10"),
    (nothing, ["show", "fourier:paper10", "--intensity", 2], 2, "Invalid value for '--intensity'"),
    (nothing, ["show", "fourier:paper10", "--shape", "1x8x8"], 1, "frequency above the sampling limit"),
    (nothing, ["show", "fourier:paper10", "--out", "a.jpg"], 1, "a.jpg: wrong ending; expected a name ending in .png"),
    (nothing, ["list", "morf"], 1, "unknown labeler; got morf (did you mean 'morph'?"),
    (nothing, ["select", "--kind", "morph", "--candidates", 2000, "--n", 3000], 1, "candidates: fewer than n; got 2000"),
    (nothing, ["select", "--kind", "morph", "--range", "0:1"], 2, "--range does not apply to photographs"),
    (nothing, ["select", "--kind", "code", "--shape", "8x1x1", "--range", "0:1"], 2, "--range does not apply to codes"),
    (nothing, ["score", "fourier:paper10", "--references", "digits", "--range", "0:1"], 2, "--range does not apply to digits"),
    (nothing, ["compare", "fourier waves", *SMALL], 2, "Invalid value for '[KIND]…': got 'waves', expected NAME=VALUE"),
    (nothing, ["plugins", "list", "--time-limit", 3], 2, "--time-limit does not apply without --check"),
    (nothing, ["list", "--json", ""], 2, "an empty argument after --json; is a variable of the shell unset?"),
    (foreign, ["demo", "--out", "notes.json"], 1, "--out: is a file; got notes.json; expected a folder"),
    (nothing, ["selct"], 2, "No such command 'selct'. Did you mean select?"),
    (nothing, ["--nonsense"], 2, "No such option"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "arguments", "code", "message"), MISTAKES, ids=[" ".join(map(str, a)) for _, a, _, _ in MISTAKES]
)
def test_every_mistake_is_one_clear_line(tmp_path, make, arguments, code, message):
    make(tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())
    found = here("fflabels", *arguments, cwd=tmp_path)
    assert found.returncode == code
    assert message in found.stderr
    assert found.stderr.startswith("Error: ")
    assert found.stderr.count("\n") == 1
    assert found.stdout == ""
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_a_certificate_is_printed(tmp_path):
    small = ("--param", "max_frequency=2", "--candidates", 20)
    text = good("select", "--n", 3, "--kind", "fourier", *small, "--certify", 5, cwd=tmp_path)
    assert ": OPTIMAL" in text


def test_the_demo_writes_sets_and_sheets(tmp_path, monkeypatch):
    monkeypatch.setattr("fflabels_cli.commands.demo.JOBS", (("onehot", 3),))
    assert here("fflabels", "demo", cwd=tmp_path).returncode == 0
    assert {path.name for path in (tmp_path / "demo-output").iterdir()} == {
        "labels-onehot-3.json",
        "labels-onehot-3.png",
    }


def test_debug_shows_where(tmp_path):
    found = run("score", "missing.json", "--debug", cwd=tmp_path)
    assert found.returncode == 1
    assert "Traceback" in found.stderr


def test_an_interrupt_leaves_nothing_half_written(tmp_path):
    interrupt = (
        "import os, signal, fflabels.labelers.morph as morph; draw, calls = morph.Morph.propose, []\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # tests in the background ignore interrupts
        "def propose(*given):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 50: os.kill(os.getpid(), signal.SIGINT)\n"
        "    return draw(*given)\n"
        "morph.Morph.propose = propose\n"
    )
    arguments = ["select", "--n", "100", "--kind", "morph", "--candidates", "200"]
    command = [sys.executable, "-c", interrupt + PROGRAM.format("fflabels"), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 130
    assert done.stderr.strip() == "Error: interrupted; nothing was half-written"
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/sys/kernel").exists(), reason="needs a folder that not even root may write to")
def test_a_read_only_folder_is_refused_before_the_work(tmp_path):
    found = here("fflabels", "select", "--kind", "morph", "--out", "/sys/kernel/labels.json", cwd=tmp_path)
    assert (found.returncode, found.stderr.count("\n")) == (1, 1)
    assert "/sys/kernel/labels.json: cannot be written: " in found.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(tmp_path):
    command = [sys.executable, "-c", PROGRAM.format("fflabels"), "list"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("program", ["fflabels", "ffnet"])
def test_without_arguments_the_help_is_shown_as_it_is(tmp_path, program):
    shown = run(cwd=tmp_path, program=program)
    assert shown.returncode == 2
    assert shown.stderr.startswith("Usage:")
    assert "Error" not in shown.stderr
    assert len(shown.stderr.splitlines()) > 10
