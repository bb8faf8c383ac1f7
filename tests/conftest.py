"""Tests of a package that is not installed are not collected, and the summary says so."""

from importlib.util import find_spec

NEEDS = {
    "torch": ["ffnet*", "gpu*", "cli/test_ffnet.py"],
    "matplotlib": [
        "ffnet/report*",
        "ffnet/experiments/test_*stud*.py",
        "ffnet/experiments/test_factors.py",
    ],
    "sklearn": ["ffnet/test_estimator.py"],
    "onnxruntime": ["ffnet/test_export.py"],
    "optuna": ["ffnet/experiments/test_search.py"],
}
MISSING = {package: globs for package, globs in NEEDS.items() if find_spec(package) is None}

collect_ignore_glob = [glob for globs in MISSING.values() for glob in globs]


def pytest_terminal_summary(terminalreporter):
    for package, globs in MISSING.items():
        terminalreporter.write_line(f"NOT COLLECTED, {package} is not installed: tests/{' tests/'.join(globs)}")
