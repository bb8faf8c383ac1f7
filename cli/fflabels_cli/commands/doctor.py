"""``fflabels doctor``: check the installation."""

from __future__ import annotations

import platform
import re
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from fflabels_cli import options

if TYPE_CHECKING:
    from fflabels.registry import Entry


@click.command("doctor")
@click.option("--check", is_flag=True, help="Import every plugin, each in a separate process. Runs their code.")
@options.as_json
def command(check: bool, json_: bool) -> None:
    """Show versions and problems: names that two distributions offer, missing modules, plugins that do not load.

    Without --check no plugin is imported. Exits with 1 when something is wrong.
    """
    from dataclasses import asdict

    from fflabels.errors import install_command
    from fflabels.registry import entries
    from fflabels_cli import output

    # Collect versions and problems.
    needed, optional = _requirements()
    versions = {name: _version(name) for name in (*needed, *optional)}
    labelers = entries()
    troubles = [f"{name} is not installed: pip install {name}" for name in needed if versions[name] is None]
    troubles += [trouble for entry in labelers if (trouble := _trouble(entry, check))]
    owners = sorted(set(metadata.packages_distributions().get("ffnet", [])))
    if set(owners) - {"fflabels"}:
        troubles.append(
            f"the package ffnet belongs to {' and '.join(owners)}; PyPI's ffnet is another project: "
            f"pip uninstall ffnet, then {install_command().replace('install', 'install --force-reinstall', 1)}"
        )

    # Show them.
    if json_:
        listed = [asdict(entry) for entry in labelers]
        python = platform.python_version()
        output.print_json({"python": python, "versions": versions, "labelers": listed, "troubles": troubles})
    else:
        rows = [["python", platform.python_version()], *([name, v or "not installed"] for name, v in versions.items())]
        output.print_table("versions", ("package", "version"), rows, words=2)
        output.print_line("labelers: " + (", ".join(f"{e.name} ({e.state})" for e in labelers) or "none"))
        for trouble in troubles:
            click.echo(f"trouble: {trouble}")
        if not troubles:
            click.echo("no trouble found")
    if troubles:
        raise SystemExit(1)


def _trouble(entry: Entry, check: bool) -> str | None:
    """Return what is wrong with a labeler, or None; `check` imports it, in another process."""
    from fflabels.registry import malformation, source
    from fflabels_cli.plugin_status import ambiguity, tried_in_process

    if malformed := malformation(entry):
        return f"{source(entry)}: {malformed}"
    module = entry.value.partition(":")[0]
    if entry.state == "available" and find_spec(module.partition(".")[0]) is None:
        return f"{source(entry)}: no module {module}"
    if check:
        return tried_in_process(entry, seconds=60)[1]
    return ambiguity(entry) if entry.state in ("ambiguous", "reserved") else None


def _requirements() -> tuple[list[str], list[str]]:
    """Return the distributions that fflabels needs, itself first, and those that only its extras need."""
    needed, optional = ["fflabels"], set()
    for requirement in metadata.requires("fflabels") or ():
        match = re.match(r"[\w.-]+", requirement)
        assert match
        if "extra ==" in requirement:
            optional.add(match[0])
        else:
            needed.append(match[0])
    return needed, sorted(optional - set(needed))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
