"""A labeler at work in a new process: pickled there, recipes and imprints pickled back."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import numpy.typing as npt

from fflabels.arrays import Shape
from fflabels.guard import draw
from fflabels.labeler import Labeler
from fflabels.recipe import Recipe

Images = npt.NDArray[Any]


def samples(labeler: Labeler[Any], shape: Shape, count: int) -> list[Recipe]:
    """Return the labeler's first draws."""
    return [draw(labeler, np.random.default_rng([11, j]), shape) for j in range(count)]


def run(labeler: Labeler[Any], x: Images, *, count: int, seconds: float) -> tuple[list[Recipe], list[Images]]:
    """Return the labeler's first `count` draws and their imprints, made in a new process with other string hashes."""
    from fflabels.testing.kit import CheckFailedError

    try:
        sent = pickle.dumps((labeler, x, count))
    except Exception as error:
        raise CheckFailedError(f"cannot be pickled: {type(error).__name__}: {error}") from None
    environment = new_process_environment()
    environment["PYTHONHASHSEED"] = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    command = [sys.executable, "-P", "-c", "from fflabels.testing.spawned import main; main()"]
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as errors:  # pipes might never end
        given.write(sent)
        given.seek(0)
        try:
            done = subprocess.run(  # noqa: S603
                command, stdin=given, stdout=out, stderr=errors, env=environment, timeout=seconds
            )
        except subprocess.TimeoutExpired:
            raise CheckFailedError(f"a new process was not done within {seconds:g} s") from None
        out.seek(0)
        errors.seek(0)
        if done.returncode:
            last = (errors.read().decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise CheckFailedError(f"a new process failed: {last[:200]}")
        answer: tuple[list[Recipe], list[Images]] = pickle.load(out)  # noqa: S301 - of a process of our own
        return answer


def new_process_environment() -> dict[str, str]:
    """Return this process's environment, its import path included."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def own_stdout() -> Any:
    """Return the binary standard output, and send what anyone else prints there to standard error instead."""
    ours = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return ours


def main() -> None:
    """Do the new process's part."""
    with own_stdout() as out:
        labeler, x, count = pickle.load(sys.stdin.buffer)  # noqa: S301 - of the process that started this one
        recipes = samples(labeler, x.shape[1:], count)
        pickle.dump((recipes, [np.asarray(labeler.imprint(x, recipe)) for recipe in recipes]), out)
    os._exit(0)  # a thread of the labeler's that never ends keeps nobody waiting
