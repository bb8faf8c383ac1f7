"""``ffnet report``: a run as one HTML page."""

from __future__ import annotations

from pathlib import Path

import click

from fflabels_cli import options


@click.command("report")
@options.run_folder
@click.option("--out", type=click.Path(path_type=Path), help="The page.  [default: report.html in the run folder]")
@options.data_root
@options.device
def command(run: str, out: Path | None, data: str | None, device: str | None) -> None:
    """Write one HTML page about a run: labels, learning, accuracies, mistakes, activation maps, settings, provenance.

    It holds its own pictures, needs no network and can be read on a phone. An unfinished run's has what there is.
    """
    from fflabels.errors import FFLabelsError
    from fflabels.files import check_writable
    from fflabels_cli import output
    from ffnet import load_run
    from ffnet.report.page import write_report

    if out:
        check_writable(out)
    loaded = load_run(run, device=device or "auto")
    try:
        images = loaded.data(data)
    except FFLabelsError as error:
        click.echo(f"Warning: without the images: {error}", err=True)
        images = None
    with output.Bars() as progress:
        path = write_report(loaded, images, out=out, progress=progress)
    click.echo(f"report: {path}")
