"""The commands ``fflabels`` and ``ffnet``: their subcommands; every failure becomes one line and an exit code.

Nothing heavy is imported here: ``--help`` and ``--version`` must not load NumPy or a plugin.
"""

from __future__ import annotations

import importlib
import sys
from typing import NoReturn

import click

from fflabels_cli import INTERRUPTED
from fflabels_cli.encodings import write_in_any_encoding
from fflabels_cli.memory import keep_freed_memory
from fflabels_cli.plugin_output import set_apart

FFLABELS_COMMANDS = ("select", "compare", "generate", "score", "assign", "show", "list", "plugins", "doctor", "demo")
PLUGINS_COMMANDS = ("list", "check", "new")
EXPERIMENT_COMMANDS = ("list", "show", "run", "status", "report")
FFNET_COMMANDS = (
    "train",
    "eval",
    "resume",
    "predict",
    "export",
    "info",
    "report",
    "cam",
    "diagnose",
    "compare",
    "experiment",
    "reproduce",
    "study",
    "search",
    "presets",
    "settings",
)


RENAMED = {"labels": "diagnose"}
"""Old name of a subcommand of ffnet → its new name. Old names work for one release."""


class LazyGroup(click.Group):
    """A group whose commands are the modules of a package, each imported when it is called."""

    def __init__(self, *, package: str, command_names: tuple[str, ...], **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.package, self.command_names = package, command_names

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which a user needs them."""
        return list(self.command_names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in self.command_names:
            return None
        command = importlib.import_module(f"{self.package}.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Accept old names, and suggest the nearest name for an unknown one."""
        import difflib

        if self.name == "ffnet" and args and args[0] in RENAMED:
            click.echo(f"Warning: ffnet {args[0]} is now ffnet {RENAMED[args[0]]}", err=True)
            args = [RENAMED[args[0]], *args[1:]]

        if args and args[0] not in self.command_names and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], self.command_names, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
EPILOG = "Add --debug to any command to see the full traceback of an error."

fflabels_group = LazyGroup(
    name="fflabels",
    package="fflabels_cli.commands",
    command_names=FFLABELS_COMMANDS,
    help="Design label sets for forward-forward networks: propose candidates, score their diversity, select the best.",
    epilog=EPILOG,
    context_settings=HELP,
)
click.version_option(package_name="fflabels", prog_name="fflabels")(fflabels_group)
ffnet_group = LazyGroup(
    name="ffnet",
    package="fflabels_cli.net_commands",
    command_names=FFNET_COMMANDS,
    help="Train and evaluate forward-forward networks, with labels of any kind.",
    epilog=EPILOG,
    context_settings=HELP,
)
click.version_option(package_name="fflabels", prog_name="ffnet")(ffnet_group)


def fflabels() -> NoReturn:
    """Run ``fflabels`` with the process's arguments."""
    _run(fflabels_group)


def ffnet() -> NoReturn:
    """Run ``ffnet`` with the process's arguments."""
    _run(ffnet_group)


def _run(command: click.Command) -> NoReturn:
    # Set up.
    write_in_any_encoding()
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    set_apart()
    if command is ffnet_group:
        keep_freed_memory()

    # Run; turn every failure into one line and an exit code.
    if empty := _empty(arguments):
        _fail(f"{empty}; is a variable of the shell unset?", False, 2)
    try:
        command.main([a for a in arguments if a != "--debug"], standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(2)
    except click.UsageError as error:
        see = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        _fail(error.format_message() + see, debug, 2)
    except click.ClickException as error:
        _fail(error.format_message(), debug, error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail(INTERRUPTED, debug, 130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except MemoryError as error:
        lower = "train.batch or inference.chunk" if command is ffnet_group else "--candidates or --shape"
        _fail(f"out of memory; lower {lower}{f' ({error})' if str(error) else ''}", debug)
    except ImportError as error:
        from fflabels.errors import MissingExtraError

        if error.name == "torch":
            from ffnet import needs_torch

            _fail(str(needs_torch()), debug)
        _fail(str(error) if isinstance(error, MissingExtraError) else f"cannot be imported: {error}", debug)
    except OSError as error:
        _fail(f"{error.filename or 'standard output or a file'}: {error.strerror or error}", debug)
    except Exception as error:
        if _interrupted(error):
            _fail(INTERRUPTED, debug, 130)
        from fflabels.errors import FFLabelsError

        known = isinstance(error, FFLabelsError)
        unexpected = f"unexpected {type(error).__name__}: {error} (a bug in {command.name}; --debug shows where)"
        _fail(str(error) if known else unexpected, debug)
    sys.exit(0)


def _interrupted(error: BaseException) -> bool:
    """Return whether a KeyboardInterrupt caused an error, for instance while a class was being created."""
    behind = error.__cause__ or error.__context__
    return isinstance(error, KeyboardInterrupt) or (behind is not None and _interrupted(behind))


def _empty(arguments: list[str]) -> str | None:
    """Say which argument is empty; None if none is.

    No command takes an empty argument: an unset shell variable would otherwise mean the current folder.
    """
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if not argument:
            return f"an empty argument after {before}" if before.startswith("--") else "an empty argument"
        if argument.startswith("--") and argument.endswith("=") and argument.count("=") == 1:
            return f"an empty argument after {argument[:-1]}"
    return None


def _fail(message: str, debug: bool, code: int = 1) -> NoReturn:
    if debug:
        import traceback

        traceback.print_exc()
    click.echo(f"Error: {' '.join(message.split())}", err=True)
    sys.exit(code)
