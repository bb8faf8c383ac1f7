"""A pytest fixture for authors; ``pytest_plugins = ["fflabels.testing.fixtures"]`` in a conftest.py brings it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fflabels import registry
from fflabels.labeler import Labeler

Offer = Callable[[type[Labeler[Any]]], registry.Entry]


@pytest.fixture
def isolated_labelers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Offer]:
    """Block discovery: no installed plugin is seen. The value offers a class by its name until the test ends."""
    monkeypatch.setenv("FFLABELS_PLUGINS", "")
    names: list[str] = []

    def offer(labeler_type: type[Labeler[Any]]) -> registry.Entry:
        entry = registry.offer(labeler_type)
        names.append(entry.name)
        return entry

    yield offer
    for name in names:
        registry.withdraw(name)
