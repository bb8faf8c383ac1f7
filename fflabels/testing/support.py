"""The kit in pytest: a decorator and a class to inherit from. pytest itself is imported when they are used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from fflabels.labeler import Labeler
from fflabels.registry import as_labeler
from fflabels.testing.kit import (
    CHECKS,
    FIRST,
    KIT,
    Check,
    CheckSkippedError,
    after_first,
    check_names,
    checks_of,
)


def parametrize_with_checks(
    labelers: Iterable[Labeler[Any] | type[Labeler[Any]] | str],
    *,
    expected_failures: Mapping[str, str] | None = None,
    kit: int = KIT,
    golden: str | Path | None = None,
) -> Any:
    """Return the decorator of a test that takes `labeler` and `check`; it runs once per labeler and check.

    ::

        @parametrize_with_checks([Stripes(), Stripes(width=3)])
        def test_conformance(labeler, check):
            check(labeler)

    Parameters
    ----------
    labelers
        Labelers, their classes or names.
    expected_failures
        Why a check fails, by its name; one that passes then fails the test.
    kit
        The version of the kit.
    golden
        A label-set file of these labelers, for the check `golden`.
    """
    import pytest

    expected = expected_failures or {}
    check_names(expected)
    labelers = [labelers] if isinstance(labelers, (str, Labeler, type)) else labelers
    cases = []
    for labeler in map(as_labeler, labelers):
        for each in _for_tests(kit, golden):
            marks = [pytest.mark.xfail(strict=True, reason=expected[each.name])] if each.name in expected else []
            cases.append(pytest.param(labeler, each, id=f"{labeler!r}-{each.name}", marks=marks))
    return pytest.mark.parametrize(("labeler", "check"), cases)


class LabelerTests:
    """A test class to inherit from: one test per check.

    ::

        class TestStripes(LabelerTests):
            labeler = Stripes()

    Attributes
    ----------
    labeler
        The labeler, its class or its name.
    expected_failures
        Why a check fails, by its name; one that passes then fails the test.
    kit
        The version of the kit: later checks are left out.
    golden
        A label-set file of the labeler, whose labels are to be drawn as they were when it was written. A relative path
        begins at the folder of the module with the test class.
    """

    labeler: ClassVar[Labeler[Any] | type[Labeler[Any]] | str]
    expected_failures: ClassVar[Mapping[str, str]] = {}
    kit: ClassVar[int] = KIT
    golden: ClassVar[str | Path | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give the class the tests of its version of the kit, unless it has its own by that name."""
        super().__init_subclass__(**kwargs)
        check_names(cls.expected_failures)
        golden = cls.golden and Path(sys.modules[cls.__module__].__file__ or "").parent / cls.golden
        kept = {each.name: each for each in _for_tests(cls.kit, golden)}
        for name in CHECKS:
            present = getattr(cls, f"test_{name}", None)
            if present is None or hasattr(present, "check_of_kit"):  # a test that the author wrote stays
                setattr(cls, f"test_{name}", _test(kept[name]) if name in kept else None)


def _for_tests(kit: int, golden: str | Path | None) -> list[Check]:
    """Return the checks, each of which a test runner runs by itself."""
    checks = checks_of(kit, golden)
    return list(map(after_first, checks)) if FIRST in [each.name for each in checks] else checks


def _test(each: Check) -> Callable[[LabelerTests], None]:
    def test(self: LabelerTests) -> None:
        __tracebackhide__ = True
        reason = self.expected_failures.get(each.name)
        try:
            each(as_labeler(self.labeler))
        except CheckSkippedError:
            raise
        except (Exception, SystemExit):
            if reason is None:
                raise
            import pytest

            pytest.xfail(reason)
        if reason is not None:
            raise AssertionError(f"{each.name} passes, but is listed as an expected failure ({reason})")

    test.__doc__ = each.promise
    test.check_of_kit = each.name  # type: ignore[attr-defined]
    return test
