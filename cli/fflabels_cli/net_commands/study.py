"""``ffnet study``: the old name of two experiments, for one release."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fflabels_cli import options

NOW = {"labels": "label-study", "ablation": "ablation"}
"""Old name → the experiment's name."""


@click.command("study")
@click.argument("name", type=click.Choice([*NOW]))
@click.argument("file", metavar="[FILE.toml]", required=False)
@click.option("--scale", default="cpu", show_default=True, help="As for ffnet experiment run.")
@click.option("--shard", hidden=True, expose_value=False)
@click.option("--out", type=click.Path(path_type=Path), default=Path("experiments"), show_default=True, help="Where.")
@options.data_root
def command(name: str, file: str | None, **given: Any) -> None:
    """Run the study of label sets or the ablation: the old name of ffnet experiment run."""
    from fflabels_cli.net_commands.reproduce import run_renamed

    run_renamed(f"study {name}", file or NOW[name], seeds=None, **given)
