"""``ffnet study``: studies that are no result of the paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fflabels_cli import options

if TYPE_CHECKING:
    from ffnet.ablation import Job
    from ffnet.labelstudy import Cell


_only = click.option("--only", metavar="DATA", multiple=True, help="This data set alone. Repeatable.")
_shard = click.option(
    "--shard", metavar="I/N", help="Only the I-th of N parts of the nets: machines may share the folder."
)
_out = click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("studies"),
    show_default=True,
    help="Where the figures of nets, tables and plots go.",
)


@click.group("study")
def command() -> None:
    """Make a study of ours: what the paper does not say."""


@command.command("labels")
@click.argument("file", metavar="[FILE.toml]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--scale",
    type=click.Choice(("smoke", "cpu")),
    default="cpu",
    show_default=True,
    help="smoke: digits, whether it runs. cpu: MNIST, CIFAR10, pairs of digits, CIFAR100; hours on a core.",
)
@_only
@_shard
@_out
@options.data_root
def labels(
    file: Path | None, scale: Any, only: tuple[str, ...], shard: str | None, out: Path, data: str | None
) -> None:
    """Train nets on label sets chosen by many rules, and tell which rule and which statistic says what is learnt.

    Nets that are there are not trained again. Accuracies are taken on validation images; test images are not read.
    """
    from ffnet.labelstudy import load_label_study
    from ffnet.labelstudy import shard as part_of
    from ffnet.labelstudy.report import write
    from ffnet.labelstudy.work import finished, work

    study = load_label_study(file)
    cells = study.cells(scale, data, only)
    folder = out / (file.stem if file else "labels") / scale
    finished(everything := study.cells(scale, data), folder)  # refuses nets of other settings before hours of work

    def begin(cell: Cell, number: int, of: int) -> None:
        click.echo(f"net {number} of {of}: {cell.name}", err=True)

    mine = part_of(cells, shard)
    work(mine, folder, begin=begin)
    if not mine:
        click.echo(f"nothing to do in shard {shard}: there are {len(cells)} nets")
        return
    written = write(study, scale, everything, folder, _typed("labels", file))
    click.echo("\n".join(f"written: {path}" for path in written))


@command.command("ablation")
@click.argument("file", metavar="[FILE.toml]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--scale",
    type=click.Choice(("smoke", "cpu")),
    default="cpu",
    show_default=True,
    help="smoke: digits, whether it runs. cpu: MNIST and CIFAR10; hours on a core.",
)
@_only
@_shard
@_out
@options.data_root
def ablation(
    file: Path | None, scale: Any, only: tuple[str, ...], shard: str | None, out: Path, data: str | None
) -> None:
    """Tell what each part of a recipe is worth: one change at a time, from ours and from the paper's.

    Nets that are there are not trained again. Accuracies are taken on validation images; test images are not read.
    """
    from ffnet.ablation import load_ablation
    from ffnet.ablation import shard as part_of
    from ffnet.ablation.work import finished, report, work

    study = load_ablation(file)
    jobs = study.jobs(scale, data, only)
    folder = out / (file.stem if file else "ablation") / scale
    finished(everything := study.jobs(scale, data), folder)  # refuses nets of other settings before hours of work

    def begin(job: Job, number: int, of: int) -> None:
        click.echo(f"net {number} of {of}: {job.name}", err=True)

    mine = part_of(jobs, shard)
    work(mine, folder, begin=begin)
    if not mine:
        click.echo(f"nothing to do in shard {shard}: there are {len(jobs)} nets")
        return
    click.echo(f"written: {report(study, scale, everything, folder, _typed('ablation', file))}")


def _typed(name: str, file: Path | None) -> str:
    return f"ffnet study {name} {file or ''}".strip()
