"""``ffnet resume``: continue a run that was stopped or killed."""

from __future__ import annotations

import shlex

import click

from fflabels_cli import options


@click.command("resume")
@options.run_folder
@click.option("--epochs", type=int, hidden=True)
@options.data_root
@options.device
@options.tensorboard
@options.as_json
def command(run: str, epochs: int | None, data: str | None, device: str | None, tensorboard: bool, json_: bool) -> None:
    """Continue a run that was stopped or killed. On the same device the result is the same, bit for bit."""
    if epochs is not None:
        again = f"ffnet train --start {shlex.quote(run)} --epochs {epochs}"
        raise click.ClickException(f"a run keeps its settings; {again} continues from it")
    from fflabels_cli import net_output
    from ffnet import resume
    from ffnet.system.ranks import is_first

    with net_output.Training(json_, tensorboard) as screen:
        resumed = resume(run, device=device, root=data, watcher=screen.watcher())
    if not is_first():
        return
    if resumed.results and not screen.folder and not json_:
        click.echo("already finished; its results:", err=True)
    net_output.print_results(resumed, json_)
