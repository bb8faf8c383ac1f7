"""Every code block in README and docs runs, every link leads somewhere, and the pages of help are current."""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from commands import here

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_images")]

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    *(page for folder in (".", "start", "howto") for page in sorted((DOCS / folder).glob("*.md"))),
]
SEARCHED = ("cite", "install", "GPU", "notebook", "license", "fine-tune", "ONNX")
"""What newcomers search for: a heading must say it."""
IN_ORDER = {"own-images"}
"""Pages whose commands and Python blocks build on each other; each Python block is a program of its own."""
SET_UP = ("git clone ", "cd ", "pip install ")
PROGRAM = "import sys; from fflabels_cli import app; sys.argv = sys.argv[1:]; getattr(app, sys.argv[0])()"


def all_blocks(page):
    return re.findall(r"^```(\S+)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def blocks(page, *languages):
    return [text for language, text in all_blocks(page) if language in languages]


def with_blocks(*languages):
    pages = [page for page in PAGES if page.stem not in IN_ORDER]
    return [pytest.param(page, id=page.stem) for page in pages if blocks(page, *languages)]


def run_python(code, folder):
    """Run a program; in a new process if it registers something, which would stay in this one."""
    if re.search(r"^@|register\(", code, re.MULTILINE):
        done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile(code, str(folder), "exec"), {"__name__": "__main__"})


def run_commands(block, folder):
    output = ""
    for line in block.splitlines():
        command = line.removeprefix("$ ")
        if command.startswith(("fflabels ", "ffnet ")):
            words = shlex.split(command)
            if words[:2] == ["ffnet", "train"]:  # a preset's thirty epochs and 2000 candidates would show no more
                words += [] if "--epochs" in words else ["--epochs", "2"]
                words += ["--set", "labels.candidates=100"] if {"fourier", "morph"} & set(words) else []
            if any(".py" in word for word in words):  # a module that the process would keep
                arguments = [sys.executable, "-c", PROGRAM, *words]
                environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
                done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, env=environment)
            else:
                done = here(*words, cwd=folder)
            assert done.returncode == 0, (line, done.stderr)
            output = done.stdout
        elif command.startswith("make "):
            subprocess.run(["make", "--dry-run", *command.split()[1:]], cwd=ROOT, check=True, capture_output=True)
        elif not command.startswith(SET_UP):
            assert " ".join(line.split()) in " ".join(output.split()), f"{line!r} is not in the output"


def test_only_languages_that_are_checked():
    for page in PAGES:
        assert set(re.findall(r"^```(\S+)$", page.read_text(), re.MULTILINE)) <= {
            "python", "console", "bash", "text", "{toctree}", "{eval-rst}", "{include}"
        }  # fmt: skip


@pytest.mark.parametrize("page", with_blocks("python"))
def test_python_runs(page, tmp_path):
    run_python("\n".join(blocks(page, "python")), tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_layout_names_every_module_and_none_that_is_gone():
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = {path for path in re.findall(r"`((?:ffnet|fflabels|cli|tests|docs)/[\w./-]+)`", page) if "NAME" not in path}
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
    [tree] = re.findall(r"## The tree\n\n```text\n(.*?)```", page, re.DOTALL)
    for package, listed in re.findall(r"^(fflabels|ffnet)/\n((?:  .*\n)+)", tree, re.MULTILINE):
        there = {path.name + "/" * path.is_dir() for path in (ROOT / package).glob("[a-z]*")} - {"py.typed"}
        entries = re.findall(r"^  ((?:[\w.]+/?(?: (?=\w))?)+)", listed, re.MULTILINE)
        assert {name for entry in entries for name in entry.split() if re.search(r"/$|\.py$", name)} == there


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().split()) <= 700


@pytest.mark.parametrize("word", SEARCHED)
def test_a_heading_says_what_newcomers_search_for(word):
    headings = [line for page in PAGES for line in page.read_text().splitlines() if line.startswith("#")]
    assert any(re.search(rf"\b{word}\b", heading, re.IGNORECASE) for heading in headings)


def test_every_page_is_in_the_sidebar():
    listed = re.findall(r"^(?:.*<)?([\w/-]+)>?$", "\n".join(blocks(DOCS / "index.md", "{toctree}")), re.MULTILINE)
    pages = {str(page.relative_to(DOCS).with_suffix("")) for page in DOCS.rglob("*.md") if "_build" not in page.parts}
    assert sorted(listed) == sorted(pages - {"index"})


def test_experiments_in_the_documentation_have_jobs(tmp_path):
    from ffnet.experiments.load import load_experiment

    [text] = (block for block in blocks(ROOT / "docs" / "experiments.md", "text") if block.startswith("about = "))
    (tmp_path / "cells.toml").write_text(text)
    assert len(load_experiment(tmp_path / "cells.toml").jobs()) == 6


def test_messages_that_are_explained_exist():
    code = (path.read_text() for package in ("fflabels", "ffnet", "cli") for path in (ROOT / package).rglob("*.py"))
    code = " ".join(" ".join(code).split())
    cells = re.findall(r"^\| (`.*?) \| ", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)
    messages = re.findall("`([^`]+)`", " ".join(cells))
    parts = {part.strip(" .,") for message in messages for part in re.split(r"…|[;:()]|\d+", message)}
    assert len(messages) > 15
    assert [part for part in sorted(parts) if len(part) > 8 and part not in code] == []


def test_every_setting_is_documented():
    from ffnet.config.about import settings_about

    assert [setting.key for setting in settings_about().values() if not setting.text] == []


@pytest.mark.parametrize("script", ["generate_cli.py", "generate_settings.py"])
def test_generated_pages_are_current(script):
    subprocess.run([sys.executable, DOCS / script, "--check"], check=True)
