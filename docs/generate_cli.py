"""Write docs/cli.md from the commands' own help; with ``--check`` only say whether it is current."""

import sys
from pathlib import Path

import click
from click.testing import CliRunner
from fflabels_cli.app import (
    EXPERIMENT_COMMANDS,
    FFLABELS_COMMANDS,
    FFNET_COMMANDS,
    PLUGINS_COMMANDS,
    fflabels_group,
    ffnet_group,
)

TARGET = Path(__file__).with_name("cli.md")


def page() -> str:
    """Return the page."""
    lines = ["# Commands", "", "Written by `python docs/generate_cli.py` from the commands' help.", ""]
    jobs: list[tuple[click.Command, str, list[str]]] = [(fflabels_group, "fflabels", [])]
    jobs += [(fflabels_group, "fflabels", [name]) for name in FFLABELS_COMMANDS]
    jobs += [(fflabels_group, "fflabels", ["plugins", name]) for name in PLUGINS_COMMANDS]
    jobs += [(ffnet_group, "ffnet", [])]
    jobs += [(ffnet_group, "ffnet", [name]) for name in FFNET_COMMANDS]
    jobs += [(ffnet_group, "ffnet", ["experiment", name]) for name in EXPERIMENT_COMMANDS]
    for command, program, arguments in jobs:
        shown = CliRunner().invoke(command, [*arguments, "--help"], prog_name=program, terminal_width=100)
        assert shown.exit_code == 0, shown.output
        lines += [f"## {' '.join([program, *arguments])}", "", "```text", shown.output.rstrip(), "```", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    if "--check" not in sys.argv:
        TARGET.write_text(page())
    elif not TARGET.exists() or TARGET.read_text() != page():
        sys.exit("docs/cli.md is not what the commands say: run python docs/generate_cli.py")
