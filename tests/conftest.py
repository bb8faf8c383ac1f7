"""Tests of a package that is not installed are not collected, and the summary says so."""

import dataclasses
import shutil
import sys
import textwrap
from importlib.util import find_spec

import pytest
from installed import SOUND

NEEDS = {
    "torch": ["ffnet*", "gpu*", "cli/test_ffnet.py"],
    "matplotlib": [
        "ffnet/report*",
        "ffnet/experiments/test_built_in.py",
        "ffnet/experiments/test_factors.py",
        "test_files.py",
        "test_probe.py",
    ],
    "submitit": ["ffnet/experiments/test_cluster.py"],
    "sklearn": ["ffnet/test_estimator.py"],
    "onnxruntime": ["ffnet/test_export.py"],
    "optuna": ["ffnet/experiments/test_search.py"],
}
MISSING = {package: globs for package, globs in NEEDS.items() if find_spec(package) is None}

collect_ignore_glob = [glob for globs in MISSING.values() for glob in globs]


def pytest_terminal_summary(terminalreporter):
    for package, globs in MISSING.items():
        terminalreporter.write_line(f"NOT COLLECTED, {package} is not installed: tests/{' tests/'.join(globs)}")


FEW = {"train": 300, "validation": 60, "test": 60}


@pytest.fixture
def few_images(monkeypatch):
    """Let the embedded data sets have few images, in the tests' process."""
    import ffnet.data.load  # noqa: F401 - registers them
    from ffnet.data.registry import DATASETS

    def few_of(load):
        def load_few(config):
            data = load(config)
            return dataclasses.replace(data, **{split: getattr(data, split)[:count] for split, count in FEW.items()})

        return load_few

    for name in ("digits", "cells"):
        monkeypatch.setitem(DATASETS, name, dataclasses.replace(DATASETS[name], load=few_of(DATASETS[name].load)))


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution with one labeler: its metadata and its module, found as pip's would be."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # versions of a module follow within a second

    def make(distribution, code=SOUND, name="stripes", value=None, version="0.3"):
        module = distribution.replace("-", "_") + "_module"
        sys.modules.pop(module, None)
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(code))
        for old in tmp_path.glob(f"{distribution.replace('-', '_')}-*.dist-info"):
            shutil.rmtree(old)
        info = tmp_path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[fflabels.labelers]\n{name} = {value or module + ':Stripes'}\n")
        return module

    return make
