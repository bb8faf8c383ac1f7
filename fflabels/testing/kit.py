"""What a check is, what it finds, and how a labeler is put through all of them."""

from __future__ import annotations

import time
import traceback
import unittest
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

from fflabels import registry
from fflabels.errors import FFLabelsError, nearest, one_line, short
from fflabels.labeler import Labeler

KIT = 3
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
    run: Callable[..., str | None]

    def __call__(self, labeler: Labeler[Any]) -> str:
        """Return what was measured, if anything; raise `CheckFailedError` or `CheckSkippedError`."""
        __tracebackhide__ = True
        return self.run(labeler) or ""


CHECKS: dict[str, Check] = {}

FIRST, GOLDEN = "draws", "golden"
"""The check without which no other means anything, and the one that needs a file."""

LONGEST = 400
"""Characters of why a check failed."""


def check(*, since: int) -> Callable[[Callable[..., str | None]], Check]:
    """Enter a function into the kit under its own name; its docstring's first line is the promise."""

    def enter(function: Callable[..., str | None]) -> Check:
        named = function.__name__.replace("_", " ")  # python -OO drops docstrings
        promise = (function.__doc__ or named).strip().splitlines()[0]
        CHECKS[function.__name__] = Check(function.__name__, since, promise, function)
        return CHECKS[function.__name__]

    return enter


def checks_of(kit: int = KIT, golden: str | Path | None = None) -> list[Check]:
    """Return the checks of a version of the kit, in their order; the one with a golden file if there is one."""
    if kit not in range(1, KIT + 1):
        raise FFLabelsError("no such version of the kit", where="kit", got=kit, expected=f"1 to {KIT}")
    checks = [check for check in CHECKS.values() if check.since <= kit and check.name != GOLDEN]
    if golden is not None:
        checks.append(replace(CHECKS[GOLDEN], run=partial(CHECKS[GOLDEN].run, path=Path(golden))))
    return checks


def check_labeler(
    labeler: Labeler[Any] | type[Labeler[Any]] | str,
    *,
    expected_failures: Mapping[str, str] | None = None,
    kit: int = KIT,
    golden: str | Path | None = None,
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
    golden
        A label-set file of the labeler, whose labels are to be drawn as they were when it was written.

    Raises
    ------
    FFLabelsError
        For a name that is no check's, or a labeler that cannot be made.
    """
    return list(run_checks(registry.as_labeler(labeler), checks_of(kit, golden), expected_failures))


def run_checks(
    labeler: Labeler[Any], checks: Iterable[Check], expected_failures: Mapping[str, str] | None = None
) -> Iterator[CheckResult]:
    """Yield one result per check; what fails for the same reason as an earlier check is skipped."""
    expected = expected_failures or {}
    check_names(expected)
    reasons: dict[str, str] = {}
    for each in checks:
        begin = time.perf_counter()
        status: Status
        if FIRST in reasons.values():
            status, message = "skipped", f"not run after {FIRST}"
        else:
            status, message = _outcome(each, labeler)
        if status == "failed":
            if message in reasons and each.name not in expected:
                status, message = "skipped", f"fails as {reasons[message]} does"
            elif each.name not in expected or each.name == FIRST:
                reasons[message] = each.name
        if each.name in expected:
            status, message = _expected(status, message, expected[each.name])
        yield CheckResult(each.name, status, message, round(time.perf_counter() - begin, 3))


def after_first(each: Check) -> Check:
    """Return the check, skipped for a labeler that fails the first one: for a test runner, where each runs alone."""
    if each.name == FIRST:
        return each

    def run(labeler: Labeler[Any]) -> str | None:
        __tracebackhide__ = True
        if not _draws(labeler):
            raise CheckSkippedError(f"not run after {FIRST}")
        return each.run(labeler)

    return replace(each, run=run)


def _draws(labeler: Labeler[Any]) -> bool:
    try:
        return _known_to_draw(labeler)
    except TypeError:  # a parameter that cannot be hashed, which the check of the parameters reports
        return _tries_to_draw(labeler)


def _tries_to_draw(labeler: Labeler[Any]) -> bool:
    return _outcome(CHECKS[FIRST], labeler)[0] != "failed"


_known_to_draw = lru_cache(maxsize=64)(_tries_to_draw)


def _outcome(each: Check, labeler: Labeler[Any]) -> tuple[Status, str]:
    """Return how a labeler does in one check, and why; whatever its code raises is a failure."""
    try:
        return "passed", each(labeler)
    except CheckSkippedError as reason:
        return "skipped", str(reason)
    except (CheckFailedError, FFLabelsError) as reason:
        return "failed", one_line(short(str(reason), LONGEST))
    except KeyboardInterrupt as error:
        if not error.args:  # the user's; Python gives it no text
            raise
        return "failed", one_line(f"KeyboardInterrupt: {error}")
    except BaseException as error:  # a plugin may raise anything
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(frame.filename).name}:{frame.lineno}"
        return "failed", one_line(f"{short(f'{type(error).__name__}: {error}', LONGEST)} ({where})")


def check_names(names: Iterable[str]) -> None:
    """Refuse, with the nearest one, a name that is no check's."""
    for name in names:
        if name not in CHECKS:
            raise FFLabelsError("no such check", where="expected_failures", got=name, hint=nearest(name, CHECKS))


def _expected(status: Status, message: str, reason: str) -> tuple[Status, str]:
    if status == "failed":
        return "expected failure", reason
    if status == "passed":
        return "failed", f"passes, but is listed as an expected failure ({reason}): take it off the list"
    return status, message
