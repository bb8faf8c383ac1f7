"""``fflabels`` with codes: what each command prints and writes, and one clear line for what does not apply."""

import json
import re
from importlib.util import find_spec

import numpy as np
import pytest
from commands import here
from PIL import Image

from fflabels import LabelSet, class_likeness, named_set


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        done = here("fflabels", *arguments, cwd=tmp_path)
        return done.returncode, done.stdout, done.stderr

    return run


SMALL = ("--kind", "code", "--shape", "32x1x1", "--candidates", 60)


def test_select_score_show(run, tmp_path):
    code, shown, _ = run("select", "--n", 6, *SMALL, "--param", "weight=4", "--plot", "sheet.png")
    assert code == 0
    labels = LabelSet.load(tmp_path / "labels-code-6.json")
    assert (labels.codes().sum(axis=1) == 4).all()
    assert "6 code labels of 60 candidates" in shown
    assert ", at 32x1x1\n" in shown
    for metric in ("shift", "dprime"):
        assert re.search(rf"^{metric} +– +– +– +–$", shown, re.MULTILINE)
    assert "least visible label: –" in shown
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 300

    code, shown, _ = run("score", "labels-code-6.json")
    assert code == 0
    assert "\nvisibility: –" in shown
    assert "duplicates: none" in shown
    assert f"{labels.scores.random['pearson'].max:.3f}" in shown
    code, shown, _ = run("score", "labels-code-6.json", "--json")
    assert json.loads(shown)["scores"]["visibility"] is None
    assert run("show", "labels-code-6.json")[0] == 0
    assert (tmp_path / "labels-code-6.png").exists()


def test_select_makes_codes_for_classes(run, tmp_path):
    code, shown, _ = run("select", "--kind", "code", "--shape", "32x1x1", "--classes", "digits", "--plot", "sheet.png")
    assert code == 0
    assert "10 code labels, at 32x1x1" in shown
    assert "correlation of the codes' similarity with the likeness of the classes: 1.000" in shown
    labels = LabelSet.load(tmp_path / "labels-code-10.json")
    assert labels.provenance.method == "classes"
    expected = 0.9 * class_likeness("digits") + 0.1 * np.eye(10)
    np.testing.assert_allclose(np.corrcoef(labels.codes()), expected, atol=1e-3)
    assert (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--kind", "morph"), "--classes makes codes: it needs --kind code, got morph"),
        (("--kind", "code", "--shape", "8x1x1", "--n", 4), "n: not one label per class; got 4; expected 10"),
        (("--kind", "code", "--shape", "8x2x1"), "shape: not a code's shape; got 8x2x1"),
        (("--kind", "code", "--shape", "8x1x1", "--method", "random"), "--method does not apply with --classes"),
        (("--kind", "code", "--shape", "8x1x1", "--param", "weight=2"), "--param does not apply with --classes"),
    ],
)
def test_what_codes_for_classes_refuse(run, tmp_path, arguments, message):
    code, shown, error = run("select", "--classes", "digits", *arguments)
    assert (code != 0, shown) == (True, "")
    assert message in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("source", ["photographs", "nowhere/"])
def test_images_without_classes_have_no_codes(run, source):
    code, _, error = run("select", "--kind", "code", "--shape", "8x1x1", "--classes", source)
    assert code != 0
    assert f"--classes: no images with classes; got {source!r}; expected digits, a folder of class folders" in error


def test_built_in_sets_are_made_for_n_shape_and_seed(run, tmp_path):
    code, shown, _ = run("score", "code:hadamard", "--n", 20, "--shape", "32x1x1", "--seed", 3, "--json")
    assert code == 0
    assert json.loads(shown)["n"] == 20
    assert json.loads(shown)["scores"]["similarity"]["pearson"]["max"] == 0
    assert run("show", "code:groups", "--n", 4, "--shape", "8x1x1")[0] == 0
    assert (tmp_path / "code-groups.png").exists()
    assert run("score", "waves:reed-solomon", "--n", 4, "--shape", "3x8x8")[0] == 0


def test_a_page(run, tmp_path):
    pytest.importorskip("matplotlib")
    assert run("score", "code:groups", "--n", 4, "--shape", "8x1x1", "--page", "set.html")[0] == 0
    page = (tmp_path / "set.html").read_text(encoding="utf-8")
    assert "visibility: –" in page
    assert "Scored at 8×1×1." in page
    assert "signed correlation" in page


@pytest.mark.slow
def test_generate_and_compare(run, tmp_path):
    code, shown, _ = run("generate", *SMALL)
    assert (code, shown.splitlines()[0]) == (0, "60 code candidates of 60 draws: 0 repeated an earlier one")
    assert LabelSet.load(tmp_path / "candidates-code.json").codes().shape == (60, 32)
    plotted = ("--plot", "kinds.png") if find_spec("matplotlib") else ()
    code, shown, _ = run("compare", "code", "code weight=4", *SMALL[2:], "--n", 5, *plotted)
    assert code == 0
    assert re.search(r"^code weight=4 +60 ", shown, re.MULTILINE)
    assert run("list", "code")[1].count("builtin") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("select --kind code", 1, "shape: not a code's shape; got 1x32x32; expected Wx1x1"),
        ("select --kind code --shape 1x1x1", 1, "shape: not a code's shape; got 1x1x1"),
        ("select --kind code --shape 8x1x1 --metric dprime", 1, "metric: does not apply to codes; got dprime"),
        ("select --kind code --shape 8x1x1 --metric shift", 1, "metric: does not apply to codes; got shift"),
        ("select --kind code --shape 8x1x1 --references digits", 2, "--references does not apply to codes"),
        ("select --kind code --shape 8x1x1 --intensity 0.35", 2, "--intensity does not apply to codes"),
        ("select --kind code --shape 8x1x1 --min-visibility 0", 2, "--min-visibility does not apply to codes"),
        ("select --kind code --shape 8x1x1 --param weight=8", 1, "weight: leaves no channel at 0; got 8; expected 1 to 7"),
        ("select --kind code --shape 8x1x1 --param weight=0", 1, "bad parameter; got weight=0; expected whole number, 1 or more"),
        ("select --kind code --shape 8x1x1 --param waves=2", 1, "unknown parameter; got waves"),
        ("select --kind code --shape 4x1x1 --n 7", 1, "expected 7 distinct recipes"),
        ("select --kind code:hadamard", 1, "kind: a built-in set, nothing to select from; got code:hadamard"),
        ("score code:hadamard", 1, "code:hadamard: is made for a number of labels and a shape"),
        ("score code:hadamard --n 9 --shape 92x1x1", 1, "got 92; expected 88 or 96"),
        ("score code:hadamard --n 64 --shape 64x1x1", 1, "got 64; expected at most 63 (or 68 channels)"),
        ("score code:groups --n 4 --shape 8x1x1 --probe", 2, "--probe does not apply to codes"),
        ("score set.json --shape 16x1x1", 1, "got 8 values for 16 channels"),
        ("score set.json --n 5", 1, "set.json: a set of another size; got 5; expected 4"),
        ("score fourier:paper10 --n 5", 1, "fourier:paper10: a set of another size; got 5; expected 10"),
        ("show set.json --intensity 0.5", 2, "--intensity does not apply to codes"),
        ("show code:groups --n 9 --shape 8x1x1", 1, "code:groups: not one group per label; got 9; expected 2 to 8"),
        ("generate --kind code --shape 3x3x3", 1, "not a code's shape; got 3x3x3"),
        ("compare code fourier --shape 8x1x1", 1, "labelers: codes and pictures are not compared with each other"),
        ("compare code --metric shift --shape 8x1x1", 1, "metric: does not apply to codes; got shift"),
        ("assign set.json --references digits --out o.json", 1, "codes are not reordered; expected labels that are pictures"),
    ],
)  # fmt: skip
def test_every_mistake_is_one_clear_line(run, tmp_path, arguments, code, message):
    named_set("code:groups", 4, (8, 1, 1)).save(tmp_path / "set.json")
    found, shown, error = run(*arguments.split())
    assert (found, shown) == (code, "")
    assert message in error
    assert error.startswith("Error: ")
    assert error.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["set.json"]
