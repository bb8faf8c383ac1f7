"""``ffnet study``: studies beyond the paper."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from fflabels_cli import options

Command = Callable[..., None]


@click.group("study")
def command() -> None:
    """Run a study on a question that the paper leaves open."""


def _options(cpu: str) -> Callable[[Command], Command]:
    """Add the options of all studies; `cpu` names the data sets of the scale ``cpu``."""

    def add(function: Command) -> Command:
        for option in reversed(
            (
                click.argument("file", metavar="[FILE.toml]", required=False, type=click.Path(path_type=Path)),
                click.option(
                    "--scale",
                    type=click.Choice(("smoke", "cpu")),
                    default="cpu",
                    show_default=True,
                    help=f"smoke: digits, a quick test that it runs. cpu: {cpu}; takes hours on one core.",
                ),
                click.option("--only", metavar="DATA", multiple=True, help="Only this data set. Repeatable."),
                click.option(
                    "--shard",
                    metavar="I/N",
                    help="Only the I-th of N parts of the nets, so that machines can share the work and the folder.",
                ),
                click.option(
                    "--out",
                    type=click.Path(path_type=Path),
                    default=Path("studies"),
                    show_default=True,
                    help="Folder for the results of nets, tables and plots.",
                ),
                options.data_root,
            )
        ):
            function = option(function)
        return function

    return add


@command.command("labels")
@_options("MNIST, CIFAR10, pairs of digits, CIFAR100")
def labels(
    file: Path | None, scale: Any, only: tuple[str, ...], shard: str | None, out: Path, data: str | None
) -> None:
    """Train nets on label sets chosen by many rules; compare the rules, and find statistics that predict accuracy.

    Finished nets are not trained again. Accuracies are on validation images; test images are not read.
    """
    from ffnet.experiments.labelstudy import load_label_study
    from ffnet.experiments.labelstudy import shard as part_of
    from ffnet.experiments.labelstudy.report import write
    from ffnet.experiments.labelstudy.work import finished, work

    study = load_label_study(file)
    cells, everything = study.cells(scale, data, only), study.cells(scale, data)
    folder = _study_folder("labels", file, out, scale)
    finished(everything, folder)  # refuses nets of other settings before hours of work
    mine = part_of(cells, shard)
    if not mine:
        _print_nothing_to_do(shard, cells)
        return
    work(mine, folder, begin=_begin)
    _print_written(write(study, scale, everything, folder, _command_line("labels", file)))


@command.command("ablation")
@click.argument("file", metavar="[FILE.toml]", required=False)
@click.option("--scale", type=click.Choice(("smoke", "cpu")), default="cpu", show_default=True, help="How large.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("experiments"), show_default=True, help="Where.")
@options.data_root
def ablation(file: str | None, scale: str, out: Path, data: str | None) -> None:
    """Run the ablation; the old name of ``ffnet experiment run ablation``."""
    from fflabels_cli.experiment_commands.run import run

    click.echo(f"Warning: ffnet study ablation is now ffnet experiment run {file or 'ablation'}", err=True)
    run(file or "ablation", scale, out, data, workers=1)


def _study_folder(name: str, file: Path | None, out: Path, scale: str) -> Path:
    return out / (file.stem if file else name) / scale


def _begin(net: Any, number: int, of: int) -> None:
    click.echo(f"net {number} of {of}: {net.name}", err=True)


def _print_written(paths: list[Path]) -> None:
    click.echo("\n".join(f"written: {path}" for path in paths))


def _print_nothing_to_do(shard: str | None, nets: list[Any]) -> None:
    click.echo(f"nothing to do in shard {shard}: there are {len(nets)} nets")


def _command_line(name: str, file: Path | None) -> str:
    return f"ffnet study {name} {file or ''}".strip()
