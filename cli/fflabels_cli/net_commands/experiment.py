"""``ffnet experiment``: many runs for one question, described by a file of factors and levels."""

from __future__ import annotations

from fflabels_cli.app import EXPERIMENT_COMMANDS, HELP, LazyGroup

command = LazyGroup(
    name="experiment",
    package="fflabels_cli.experiment_commands",
    command_names=EXPERIMENT_COMMANDS,
    help="Run every combination of the settings in a TOML file, with several seeds.",
    context_settings=HELP,
)
