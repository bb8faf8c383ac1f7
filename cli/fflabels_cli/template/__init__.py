"""The plugin that ``fflabels plugins new`` writes; its files are in this folder."""

from __future__ import annotations

import keyword
import os
import re
import shutil
import tempfile
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from fflabels.errors import FFLabelsError
from fflabels.registry import entries


def write_plugin(name: str, folder: Path) -> Path:
    """Write a new distribution with a labeler called `name`, whole or not at all; return its folder."""
    # Refuse a name or a folder that cannot be used.
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise FFLabelsError(
            "not a labeler's name",
            where="NAME",
            got=name,
            expected="a lower-case letter first, then lower-case letters and digits, with single hyphens between them",
        )
    if owner := next((e for e in entries() if e.name == name), None):
        raise FFLabelsError(
            "the name is taken", where="NAME", got=name, hint=f"by {owner.distribution} {owner.version}"
        )
    if os.path.lexists(folder):
        raise FFLabelsError("already exists", where=str(folder), hint="--out names another folder")
    module = "fflabels_" + name.replace("-", "_")
    title = name.title().replace("-", "")
    if keyword.iskeyword(title) or find_spec(module):
        taken_by = f"a module {module} is installed" if find_spec(module) else f"{title} is a word of Python"
        raise FFLabelsError("the name is taken", where="NAME", got=name, hint=taken_by)

    # Fill in the templates, in a temporary folder that is renamed at the end.
    fields = {"name": name, "distribution": f"fflabels-{name}", "module": module, "title": title}
    targets = {
        "pyproject.toml.in": "pyproject.toml",
        "README.md.in": "README.md",
        "module.py.in": f"{module}.py",
        "test_module.py.in": f"tests/test_{module.removeprefix('fflabels_')}.py",
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        (temporary / "tests").mkdir()
        for source, target in targets.items():
            text = files(__package__).joinpath(source).read_text(encoding="utf-8")
            (temporary / target).write_text(Template(text).substitute(fields), encoding="utf-8")
        temporary.chmod(0o755)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder
