"""Run commands without importing PyTorch each time, which takes two seconds: in this process, or in a forked one."""

import contextlib
import io
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

from fflabels_cli import app

PROCESSES = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
PROCESSES.set_forkserver_preload(["ffnet.runs.session", "fflabels_cli.app"])


def here(program, *arguments, cwd):
    """Run a command of ours in this process; return its exit code and what it prints."""
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


class start:  # noqa: N801 - used as a function
    """Start a command of ours in a process of its own, forked from one that has imported it and run nothing.

    What Python and PyTorch read of the environment when they start has no effect; no handlers run at its exit.

    Parameters
    ----------
    program, arguments
        ``fflabels`` or ``ffnet``, and its arguments.
    cwd
        Its working folder.
    env
        All its environment variables; default: those of this process.
    """

    def __init__(self, program, *arguments, cwd, env=None):
        self.args = [program, *map(str, arguments)]
        self._folder = tempfile.mkdtemp()
        self._outputs = [Path(self._folder, name) for name in ("stdout", "stderr")]
        for path in self._outputs:
            path.touch()
        call = (self.args, str(cwd), dict(os.environ if env is None else env), self._outputs)
        self._process = PROCESSES.Process(target=_command, args=call, daemon=True)  # ended with this one
        self._process.start()
        self.pid = self._process.pid

    @property
    def returncode(self):
        """The exit code, or minus the signal that ended the process; None while it runs."""
        return self._process.exitcode

    def send_signal(self, signum):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signum)

    def end(self, timeout=300):
        """Wait for its end; return its exit code and what it printed, as `here` does."""
        self._process.join(timeout)
        if self.returncode is None:
            self._process.kill()
            raise subprocess.TimeoutExpired(self.args, timeout)
        shown, told = (path.read_text("utf-8") for path in self._outputs)
        shutil.rmtree(self._folder)
        return subprocess.CompletedProcess(self.args, self.returncode, shown, told)


def _command(arguments, cwd, environment, outputs):
    """Be the command, with this environment and this output."""
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    sys.dont_write_bytecode = True  # versions of a module follow within a second
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, path in enumerate(outputs, 1):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
        getattr(sys, path.name).reconfigure(encoding="utf-8")
    os.chdir(cwd)
    sys.argv = arguments
    getattr(app, arguments[0])()
