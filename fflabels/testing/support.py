"""The kit in pytest: a decorator and a class to inherit from. pytest itself is imported when they are used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from fflabels.labeler import Labeler
from fflabels.testing.kit import CHECKS, KIT, Check, CheckSkippedError, as_labeler, check_names, checks_of


def parametrize_with_checks(
    labelers: Iterable[Labeler[Any] | type[Labeler[Any]] | str],
    *,
    expected_failures: Mapping[str, str] | None = None,
    kit: int = KIT,
) -> Any:
    """Return the decorator of a test that takes `labeler` and `check`; it runs once a labeler and check.

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
    """
    import pytest

    expected = expected_failures or {}
    check_names(expected)
    cases = []
    for labeler in map(as_labeler, labelers):
        for each in checks_of(kit):
            marks = [pytest.mark.xfail(strict=True, reason=expected[each.name])] if each.name in expected else []
            cases.append(pytest.param(labeler, each, id=f"{labeler!r}-{each.name}", marks=marks))
    return pytest.mark.parametrize(("labeler", "check"), cases)


class LabelerTests:
    """A test class to inherit from: one test a check.

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
    """

    labeler: ClassVar[Labeler[Any] | type[Labeler[Any]] | str]
    expected_failures: ClassVar[Mapping[str, str]] = {}
    kit: ClassVar[int] = KIT

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give the class the tests of its version of the kit."""
        super().__init_subclass__(**kwargs)
        check_names(cls.expected_failures)
        kept = {each.name for each in checks_of(cls.kit)}
        for each in CHECKS.values():
            setattr(cls, f"test_{each.name}", _test(each) if each.name in kept else None)


def _test(each: Check) -> Callable[[LabelerTests], None]:
    def test(self: LabelerTests) -> None:
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
    return test
