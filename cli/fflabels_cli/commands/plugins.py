"""``fflabels plugins``: list labelers, check one, start a plugin."""

from __future__ import annotations

from fflabels_cli.app import HELP, PLUGINS_COMMANDS, LazyGroup

command = LazyGroup(
    name="plugins",
    package="fflabels_cli.plugins_commands",
    command_names=PLUGINS_COMMANDS,
    help="List labelers, check that one fulfils the contract, or start a plugin of your own.",
    context_settings=HELP,
)
