"""The examples in the docstrings of public functions run, and print what they say."""

import doctest
import importlib
import inspect
from importlib.util import find_spec

import pytest

import fflabels


def functions(package):
    """Return the public functions of a package, by name."""
    public = {name: getattr(package, name) for name in package.__all__}
    return {f"{package.__name__}.{name}": value for name, value in public.items() if inspect.isfunction(value)}


OURS = functions(fflabels)
NETS = functions(importlib.import_module("ffnet")) if find_spec("torch") else {}


def examples(name, function):
    return [test for test in doctest.DocTestFinder(recurse=False).find(function, name, globs={}) if test.examples]


@pytest.mark.parametrize("name", [*OURS, *NETS])
def test_examples_run_and_print_what_they_say(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = []
    for test in examples(name, {**OURS, **NETS}[name]):
        doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=output.append)
    assert not output, "".join(output)


@pytest.mark.parametrize("name", OURS)
def test_each_public_function_of_fflabels_has_one(name):
    assert examples(name, OURS[name])
