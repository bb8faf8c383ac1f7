"""The author's tutorial, followed word by word; and what ``fflabels plugins new`` writes."""

import re
import shlex

import pytest
from conftest import ROOT

import fflabels
from fflabels.testing.kit import CHECKS

pytestmark = pytest.mark.slow

PAGE = (ROOT / "plugins" / "README.md").read_text()
BLOCKS = re.findall(r"(?:^`([\w.]+)`:\n\n)?^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_tutorial_works_as_it_is_written(environment, tmp_path):
    folder, output, written = tmp_path, "", {}
    for name, language, text in BLOCKS:
        if name:
            (folder / name).write_text(text)
            written[name] = text
        for line in text.splitlines() if language == "console" else ():
            if not line.startswith("$ "):
                assert " ".join(line.split()) in " ".join(output.split()), f"{line!r} is not in\n{output}"
                continue
            program, *arguments = shlex.split(line.removeprefix("$ "))
            match program:
                case "mkdir":
                    (folder / arguments[0]).mkdir()
                case "cd":
                    folder /= arguments[0]
                case "pip" if arguments == ["install", "pytest"]:
                    pass  # it is there, and no index is asked
                case "pip":
                    environment.pip(*arguments, cwd=folder)
                case "pytest":
                    done = environment.run("-m", "pytest", *arguments, "-p", "no:cacheprovider", cwd=folder)
                    output = done.stdout
                    assert done.returncode == 0, output
                case _:
                    done = environment.command(program, *arguments, cwd=folder)
                    output = done.stdout
                    assert done.returncode == int("failed: " in text), done.stderr
    assert set(written) == {"fflabels_rings.py", "pyproject.toml", "test_rings.py"}
    assert sum(bool(line.strip()) for text in written.values() for line in text.splitlines()) < 50
    assert (folder / "rings.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "runs" / "digits-rings-0" / "results.json").exists()


def test_every_check_is_explained():
    for check in CHECKS.values():
        assert f"| `{check.name}` | {check.promise} |" in PAGE


def test_the_template_passes_every_check_as_written(environment, tmp_path):
    done = environment.command("fflabels", "plugins", "new", "my-waves", cwd=tmp_path)
    assert "plugin: fflabels-my-waves" in done.stdout, done.stderr
    folder = tmp_path / "fflabels-my-waves"
    environment.pip("install", str(folder))
    checked = environment.command("fflabels", "plugins", "check", "my-waves", cwd=tmp_path)
    assert "22 passed, 0 failed, 0 skipped" in checked.stdout, checked.stdout
    tested = environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder)
    assert "21 passed" in tested.stdout, tested.stdout
    environment.pip("uninstall", "--yes", "fflabels-my-waves")


def test_a_new_plugin_never_replaces_anything(environment, tmp_path):
    (tmp_path / "fflabels-mine").mkdir()
    for name, message in {
        "mine": "Error: fflabels-mine: already exists (--out names another folder)\n",
        "morph": f"Error: NAME: the name is taken; got morph (by fflabels {fflabels.__version__})\n",
        "none": "Error: NAME: the name is taken; got none (None is a word of Python)\n",
        "cli": "Error: NAME: the name is taken; got cli (a module fflabels_cli is installed)\n",
        **{
            wrong: f"Error: NAME: not a labeler's name; got {wrong}; expected a lower-case letter first, then lower-case "
            "letters and digits, with single hyphens between them\n"
            for wrong in ("My Waves", "3d", "a--b", "a_b")
        },
    }.items():
        done = environment.command("fflabels", "plugins", "new", name, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (1, message)
    assert [p.name for p in tmp_path.iterdir()] == ["fflabels-mine"]
