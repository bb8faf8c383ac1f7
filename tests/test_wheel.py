"""The wheel holds the three packages, their data and nothing else, and works once installed."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    [found] = out.glob("*.whl")
    return found


def test_exactly_three_packages(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {n.split("/")[0] for n in names if ".dist-info" not in n} == {"fflabels", "ffnet", "fflabels_cli"}
    sources = {
        p.relative_to(ROOT).as_posix() for package in ("fflabels", "ffnet") for p in (ROOT / package).rglob("*.py")
    }
    sources |= {p.relative_to(ROOT / "cli").as_posix() for p in (ROOT / "cli").rglob("*.py")}
    assert sources == {n for n in names if n.endswith(".py")}
    assert {"fflabels/py.typed", "fflabels/data/digits.npz", "fflabels/data/README.md"} <= set(names)
    assert "fflabels/page/page.html" in names
    assert {
        "ffnet/report/page.html",
        "ffnet/experiments/files/fig3a.toml",
        "fflabels_cli/template/module.py.in",
    } <= set(names)


def test_it_works_from_where_it_was_installed(wheel, tmp_path):
    """Unpacked as pip would, the checkout out of sight."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = (
        "import fflabels, pathlib; assert pathlib.Path(fflabels.__file__).is_relative_to(pathlib.Path.cwd())\n"
        "print(len(fflabels.design('morph', 3, candidates=9, shape=(1, 8, 8), references='digits')))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert done.stdout == "3\n", done.stderr
