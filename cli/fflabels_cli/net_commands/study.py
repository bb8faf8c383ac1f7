"""``ffnet study``: the old name of two experiments, for one release."""

from __future__ import annotations

import click

NOW = {"labels": "label-study", "ablation": "ablation"}
"""Old name → the experiment's name."""


@click.command("study", context_settings={"ignore_unknown_options": True})
@click.argument("name", type=click.Choice([*NOW]))
@click.argument("words", metavar="[FILE.toml] [OPTIONS]", nargs=-1, type=click.UNPROCESSED)
def command(name: str, words: tuple[str, ...]) -> None:
    """Old name of ffnet experiment run label-study or ablation --scale cpu."""
    from fflabels_cli.net_commands.reproduce import run_renamed

    run_renamed(f"study {name}", words if words and not words[0].startswith("-") else (NOW[name], *words))
