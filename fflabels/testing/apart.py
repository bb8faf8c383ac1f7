"""A plugin tried in a process of its own: one that exits, crashes or hangs is survived and named."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import IO, Any

import msgspec
import numpy as np

from fflabels import registry
from fflabels.arrays import Shape
from fflabels.effect import effect
from fflabels.errors import FFLabelsError, one_line
from fflabels.guard import draw
from fflabels.images import References
from fflabels.labeler import Labeler, nearest_shape
from fflabels.registry import Entry, blaming
from fflabels.testing.kit import CheckResult, checks_of, run_checks
from fflabels.testing.spawned import new_process_environment, own_stdout

LOADS = "loads"
"""The first thing that is tried: import, parameters, one proposal, one imprint."""

SECONDS = 60.0
"""How long each thing may take."""

SMALL: Shape = (1, 16, 16)

LONGEST = 200
"""Characters of a plugin's last output line that are shown."""

TAIL = 64
"""Lines of its output that are kept."""


def trouble_with(name: str, seconds: float = SECONDS) -> str | None:
    """Return what is wrong with a labeler, tried in another process, in one line without its name; None if it works."""
    [result] = check_apart(name, [LOADS], seconds=seconds)
    return result.message if result.status == "failed" else None


def refuse_broken(entry: Entry) -> None:
    """Raise the error that names a plugin, its distribution and version, where it does not work in another process."""
    if trouble := trouble_with(entry.full_name):
        raise FFLabelsError(trouble, where=registry.source(entry))


def check_apart(
    name: str, checks: Sequence[str] | None = None, *, seconds: float = SECONDS, golden: str | None = None
) -> Iterator[CheckResult]:
    """Yield how a labeler does, check by check: first whether it loads at all, then the kit's.

    After a check that ends or hangs the process, and where the labeler does not load, the others are skipped.

    Parameters
    ----------
    name
        As for `get_labeler`.
    checks
        Names of checks; default: all.
    seconds
        The limit for each.
    golden
        A label-set file of the labeler, for the check of that name.
    """
    wanted = list(checks) if checks is not None else [LOADS, *(each.name for each in checks_of(golden=golden))]
    command = [sys.executable, "-P", "-c", "from fflabels.testing.apart import main; main()", name]
    command += [golden or "", *wanted]
    process = subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=new_process_environment(),
        start_new_session=True,  # so that all that it starts can be ended with it
    )
    try:
        lines, said = _follow(process.stdout), _follow(process.stderr, keep=TAIL)
        reason = None
        for check in wanted:
            if reason:
                yield CheckResult(check, "skipped", reason)
                continue
            line = b""
            try:
                line = lines.get(timeout=seconds)
            except queue.Empty:
                result = CheckResult(check, "failed", f"not done within {seconds:g} s", seconds)
                _end(process)
            else:
                result = msgspec.json.decode(line, type=CheckResult) if line else _ended(check, process, said)
            yield result
            if result.status == "failed" and (check == LOADS or not line):
                reason = f"not run after {check}"
    finally:
        _end(process)


def main() -> None:
    """Run in the new process: print one line of JSON per check."""
    name, golden, *wanted = sys.argv[1:]
    kit = {each.name: each for each in checks_of(golden=golden or None)}
    with own_stdout() as out:

        def tell(result: CheckResult) -> None:
            out.write(json.dumps(msgspec.to_builtins(result)).encode() + b"\n")
            out.flush()

        begin = time.perf_counter()
        try:
            labeler = _loaded(name)
        except FFLabelsError as error:
            tell(CheckResult(LOADS, "failed", _without_source(error)))
        except BaseException as error:  # KeyboardInterrupt too: nobody interrupts this process
            tell(CheckResult(LOADS, "failed", one_line(f"{type(error).__name__}: {error}")[:LONGEST]))
        else:
            tell(CheckResult(LOADS, "passed", "", round(time.perf_counter() - begin, 3)))
            for result in run_checks(labeler, [kit[check] for check in wanted if check != LOADS]):
                tell(result)
    os._exit(0)  # a thread of the plugin's that never ends keeps nobody waiting


def _loaded(name: str) -> Labeler[Any]:
    """Return a labeler that proposes and draws at least once, unless it refuses images of this size."""
    labeler = registry.get_labeler(name)
    shape = nearest_shape(labeler, SMALL)
    images = np.random.default_rng(0).random((2, *shape), dtype=np.float32)
    try:
        labeler.imprint(images.copy(), labeler.propose(np.random.default_rng(0), shape))
    except FFLabelsError:
        return labeler
    except (Exception, SystemExit):  # noqa: S110 - the guards below say what it is
        pass
    recipe = draw(labeler, np.random.default_rng(0), shape)
    effect(labeler, recipe, References(images, "random images"))
    with blaming(labeler):
        labeler.imprint_each(images, [recipe], np.zeros(2, int))
        recipe.to_json()
    return labeler


def _without_source(error: FFLabelsError) -> str:
    """Return an error without the name of the plugin, which whoever asks puts before it."""
    text = str(error)
    return text.removeprefix(f"{error.where}: ") if (error.where or "").startswith("labeler ") else text


def _ended(check: str, process: subprocess.Popen[bytes], said: queue.Queue[bytes]) -> CheckResult:
    code = process.wait()
    _end(process)
    words = one_line(b"".join(_rest(said))[-LONGEST:].decode(errors="replace").strip().rpartition("\n")[2])
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return CheckResult(check, "failed", f"the process {how}{f': {words}' if words else ''}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _rest(lines: queue.Queue[bytes]) -> Iterator[bytes]:
    """Yield what there is of a stream until its end, or until nothing has come for a second."""
    with suppress(queue.Empty):
        while line := lines.get(timeout=1.0):
            yield line


def _follow(stream: IO[bytes] | None, keep: int = 0) -> queue.Queue[bytes]:
    """Return the lines of a stream as they come, cut to what a line of ours can be; an empty one at its end.

    With ``keep`` only the last so many are kept: whatever a plugin prints, memory stays bounded.
    """
    assert stream is not None
    lines: queue.Queue[bytes] = queue.Queue()

    def read() -> None:
        with stream:
            while line := stream.readline(1 << 16):
                if keep and lines.qsize() >= keep:
                    with suppress(queue.Empty):
                        lines.get_nowait()
                lines.put(line)
        lines.put(b"")

    threading.Thread(target=read, daemon=True).start()
    return lines
