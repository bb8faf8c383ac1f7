"""The examples in the docstrings run, and print what they say."""

import doctest
import importlib
import inspect
import pkgutil
from importlib.util import find_spec
from pathlib import Path

import pytest

import fflabels


def modules(package):
    """Return the names of a package's modules whose text has an example."""
    found = [
        package.__name__,
        *(module.name for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")),
    ]
    return [name for name in found if ">>> " in Path(find_spec(name).origin).read_text(encoding="utf-8")]


MODULES = modules(fflabels) + (modules(importlib.import_module("ffnet")) if find_spec("torch") else [])
PUBLIC = [name for name in fflabels.__all__ if inspect.isfunction(getattr(fflabels, name))]


def examples(name, thing, **settings):
    return [test for test in doctest.DocTestFinder(**settings).find(thing, name) if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run_and_print_what_they_say(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = []
    for test in examples(name, importlib.import_module(name)):
        doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=output.append)
    assert not output, "".join(output)


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_function_of_fflabels_has_one(name):
    assert examples(name, getattr(fflabels, name), recurse=False)
