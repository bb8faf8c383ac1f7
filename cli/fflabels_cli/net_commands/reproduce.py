"""``ffnet reproduce``: the old name of ``ffnet experiment``, for one release."""

from __future__ import annotations

import click


@click.command("reproduce", context_settings={"ignore_unknown_options": True})
@click.argument("words", metavar="[NAME|FILE.toml] [OPTIONS]", nargs=-1, type=click.UNPROCESSED)
def command(words: tuple[str, ...]) -> None:
    """Old name of ffnet experiment run NAME --scale cpu, or of ffnet experiment list without a NAME."""
    run_renamed("reproduce", words)


def run_renamed(old: str, words: tuple[str, ...]) -> None:
    """Say what a command is called now, and do that."""
    from fflabels_cli.experiment_commands import list as listing
    from fflabels_cli.experiment_commands import run

    if "--shard" in words:  # processes share a folder by themselves now
        at = words.index("--shard")
        words = words[:at] + words[at + 2 :]
    words = tuple(word for word in words if not word.startswith("--shard="))
    now, command = ("run", run.command) if words else ("list", listing.command)
    scaled = any(word == "--scale" or word.startswith("--scale=") for word in words)
    words = (*words, "--scale", "cpu") if words and not scaled else words
    click.echo(f"Warning: ffnet {old} is now {' '.join(('ffnet experiment', now, *words))}", err=True)
    command.main(list(words), standalone_mode=False)
