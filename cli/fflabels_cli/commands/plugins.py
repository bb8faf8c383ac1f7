"""``fflabels plugins``: labelers of other distributions: which there are, whether they work, how to begin one."""

from __future__ import annotations

from fflabels_cli.app import HELP, PLUGINS_COMMANDS, LazyGroup

command = LazyGroup(
    name="plugins",
    package="fflabels_cli.plugins_commands",
    commands_there=PLUGINS_COMMANDS,
    help="List labelers, check that one keeps the contract, or begin one of your own.",
    context_settings=HELP,
)
