"""``ffnet reproduce``: reproduce a figure or table of the paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fflabels_cli import options

if TYPE_CHECKING:
    from ffnet.experiments.studies import Job


@click.command("reproduce")
@click.argument("name", metavar="[NAME|FILE.toml]", required=False)
@click.option(
    "--scale",
    type=click.Choice(("smoke", "cpu", "full")),
    default="cpu",
    show_default=True,
    help="smoke: a quick test that it runs. cpu: smaller, as the study states. full: as published, on a GPU.",
)
@click.option(
    "--seeds", type=click.IntRange(min=1), help="Number of runs of each kind.  [default: the study's, mostly 3]"
)
@click.option(
    "--shard",
    metavar="I/N",
    help="Only the I-th of N parts of the runs, so that machines can share the work and the folder.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("reproduced"),
    show_default=True,
    help="Folder for the runs, tables and figures of all studies.",
)
@options.data_root
def command(name: str | None, scale: Any, seeds: int | None, shard: str | None, out: Path, data: str | None) -> None:
    """Reproduce a result of the paper: train its runs, then compare with the paper in a table and a figure.

    Without a NAME the studies are listed. A file is a study of your own. Finished runs are not repeated; stopped ones
    are continued.
    """
    # List the studies, or load one.
    from fflabels_cli import net_output, output
    from ffnet.experiments.studies import list_studies, load_study
    from ffnet.experiments.studies import shard as part_of
    from ffnet.experiments.studies.work import work, write
    from ffnet.runs.session import Watcher

    if name is None:
        rows = [[study_name, load_study(study_name).about] for study_name in list_studies()]
        output.print_table("studies", ("name", "what"), rows, words=2)
        return
    study = load_study(name)
    jobs = study.jobs(scale, seeds, data)
    folder = out / study.name / scale
    count = f" --seeds {seeds}" if seeds else ""

    # Train this shard's runs; then write the table and the figure.
    def begin(job: Job, number: int, of: int) -> None:
        click.echo(f"run {number} of {of}: {job.folder}", err=True)

    with net_output.Training(quiet=False) as screen:
        mine = part_of(jobs, shard)
        work(mine, folder, begin=begin, watcher=Watcher(screen.started, screen.epoch))
    if not mine:
        click.echo(f"nothing to do in shard {shard}: there are {len(jobs)} runs")
        return
    table, figure = write(study, scale, jobs, folder, f"ffnet reproduce {name} --scale {scale}{count}")
    click.echo(table.read_text())
    click.echo(f"table: {table}   figure: {figure}")
