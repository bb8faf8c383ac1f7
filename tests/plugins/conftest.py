"""An environment of its own, into which pip installs plugins and out of which it takes them again."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "import sys; from fflabels_cli import app; sys.argv = sys.argv[1:]; getattr(app, sys.argv[0])()"


class Environment:
    """A virtual environment that sees this one's packages."""

    def __init__(self, folder):
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = str(folder / "bin" / "python")
        [site] = folder.glob("lib/python*/site-packages")
        (site / "parent.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")

    def run(self, *arguments, cwd):
        environment = {k: v for k, v in os.environ.items() if k not in ("FFLABELS_PLUGINS", "PYTHONPATH")}
        command = [self.python, *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment)

    def command(self, *arguments, cwd):
        """Run ``fflabels …`` or ``ffnet …``."""
        return self.run("-c", PROGRAM, *arguments, cwd=cwd)

    def pip(self, *arguments, cwd=ROOT):
        """Run pip on this environment, with what is installed already and no index."""
        options = ["--no-deps", "--no-build-isolation", "--no-index"] if arguments[0] == "install" else []
        command = [sys.executable, "-m", "pip", "--python", self.python, "--quiet", *arguments, *options]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Return a new environment without plugins."""
    return Environment(tmp_path_factory.mktemp("environment") / "venv")
