"""Run a command in the tests' process: a new one takes seconds to import what it needs."""

import contextlib
import io
import subprocess
import sys
import warnings

from fflabels_cli import app


def here(program, *arguments, cwd):
    """Return what a command of ours prints, and its exit code."""
    shown, told = io.StringIO(), io.StringIO()
    argv, showwarning = sys.argv, warnings.showwarning
    sys.argv = [program, *map(str, arguments)]
    try:
        with contextlib.chdir(cwd), contextlib.redirect_stdout(shown), contextlib.redirect_stderr(told):
            getattr(app, program)()
    except SystemExit as end:
        return subprocess.CompletedProcess(sys.argv, end.code or 0, shown.getvalue(), told.getvalue())
    finally:
        sys.argv, warnings.showwarning = argv, showwarning
