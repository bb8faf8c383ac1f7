"""The documentation's programs and commands run on few images: what they print of their data is not shown in it."""

import dataclasses

import pytest

import ffnet.data.load  # noqa: F401 - registers them
from ffnet.data.registry import DATASETS

FEW = {"train": 300, "validation": 60, "test": 60}


@pytest.fixture(autouse=True)
def few_images(monkeypatch):
    """Let the embedded data sets have few images."""
    for name in ("digits", "cells"):
        monkeypatch.setitem(DATASETS, name, dataclasses.replace(DATASETS[name], load=few_of(DATASETS[name].load)))


def few_of(load):
    def load_few(config):
        data = load(config)
        return dataclasses.replace(data, **{name: getattr(data, name)[:count] for name, count in FEW.items()})

    return load_few
