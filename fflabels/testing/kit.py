"""What a check is, what it finds, and how a labeler is put through all of them."""

from __future__ import annotations

import time
import traceback
import unittest
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fflabels import registry
from fflabels.errors import FFLabelsError, nearest, one_line
from fflabels.labeler import Labeler

KIT = 1
"""The version of the kit: a check that is added later carries a later one, and authors pin theirs."""

Status = Literal["passed", "failed", "skipped", "expected failure"]


class CheckFailedError(AssertionError):
    """A labeler breaks its contract; the text says where, what came and what was expected."""


class CheckSkippedError(unittest.SkipTest):
    """A check does not apply to a labeler, or needs what is not installed; pytest and unittest skip on it."""


@dataclass(frozen=True)
class CheckResult:
    """What one check found.

    Attributes
    ----------
    check
        The check's name, as in `expected_failures`.
    status
        ``passed``, ``failed``, ``skipped`` or ``expected failure``.
    message
        Why, in one line; for a pass what was measured, if anything.
    seconds
        How long it took.
    """

    check: str
    status: Status
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Check:
    """One promise of the contract, held against a labeler when called.

    Attributes
    ----------
    name
        What results and `expected_failures` call it.
    since
        The version of the kit that brought it.
    promise
        What the labeler promises, in one line.
    """

    name: str
    since: int
    promise: str
    run: Callable[[Labeler[Any]], str | None]

    def __call__(self, labeler: Labeler[Any]) -> str:
        """Return what was measured, if anything; raise `CheckFailedError` or `CheckSkippedError`."""
        return self.run(labeler) or ""


CHECKS: dict[str, Check] = {}


def check(*, since: int) -> Callable[[Callable[[Labeler[Any]], str | None]], Check]:
    """Enter a function into the kit under its own name; its docstring's first line is the promise."""

    def enter(function: Callable[[Labeler[Any]], str | None]) -> Check:
        promise = (function.__doc__ or "").strip().splitlines()[0]
        CHECKS[function.__name__] = Check(function.__name__, since, promise, function)
        return CHECKS[function.__name__]

    return enter


def checks_of(kit: int = KIT) -> list[Check]:
    """Return the checks of a version of the kit, in their order."""
    if not 1 <= kit <= KIT:
        raise FFLabelsError("no such version of the kit", where="kit", got=kit, expected=f"1 to {KIT}")
    return [check for check in CHECKS.values() if check.since <= kit]


def check_labeler(
    labeler: Labeler[Any] | type[Labeler[Any]] | str,
    *,
    expected_failures: Mapping[str, str] | None = None,
    kit: int = KIT,
) -> list[CheckResult]:
    """Return how a labeler does in every check of its contract.

    Parameters
    ----------
    labeler
        A labeler, its class, or the name of a registered one.
    expected_failures
        Why a check fails, by its name. Such a check counts as an expected failure; if it passes, as a failure: the
        entry is out of date.
    kit
        The version of the kit to be held against.

    Raises
    ------
    FFLabelsError
        For a name that is no check's, or a labeler that cannot be made.
    """
    return list(run_checks(as_labeler(labeler), checks_of(kit), expected_failures))


def run_checks(
    labeler: Labeler[Any], checks: Iterable[Check], expected_failures: Mapping[str, str] | None = None
) -> Iterator[CheckResult]:
    """Yield one result a check."""
    expected = expected_failures or {}
    check_names(expected)
    for each in checks:
        begin = time.perf_counter()
        status, message = _outcome(each, labeler)
        if each.name in expected:
            status, message = _expected(status, message, expected[each.name])
        yield CheckResult(each.name, status, message, round(time.perf_counter() - begin, 3))


def _outcome(each: Check, labeler: Labeler[Any]) -> tuple[Status, str]:
    """Return how a labeler does in one check, and why; whatever its code raises is a failure."""
    try:
        return "passed", each(labeler)
    except CheckSkippedError as reason:
        return "skipped", str(reason)
    except CheckFailedError as reason:
        return "failed", one_line(str(reason))
    except FFLabelsError as reason:
        return "failed", str(reason)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may raise anything
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return "failed", one_line(f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})")


def check_names(names: Iterable[str]) -> None:
    """Refuse, with the nearest one, a name that is no check's."""
    for name in names:
        if name not in CHECKS:
            raise FFLabelsError("no such check", where="expected_failures", got=name, hint=nearest(name, CHECKS))


def as_labeler(labeler: Labeler[Any] | type[Labeler[Any]] | str) -> Labeler[Any]:
    """Return the labeler that an instance, a class or a name stands for."""
    if isinstance(labeler, str):
        return registry.get_labeler(labeler)
    if isinstance(labeler, Labeler):
        return labeler
    if isinstance(labeler, type) and issubclass(labeler, Labeler):
        return labeler()
    raise FFLabelsError("not a labeler", where="labeler", got=labeler, expected="a labeler, its class or its name")


def _expected(status: Status, message: str, reason: str) -> tuple[Status, str]:
    if status == "failed":
        return "expected failure", reason
    if status == "passed":
        return "failed", f"passes, but is listed as an expected failure ({reason}): take it off the list"
    return status, message
