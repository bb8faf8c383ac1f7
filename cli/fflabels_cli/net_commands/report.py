"""``ffnet report``: write an HTML page about a run."""

from __future__ import annotations

from pathlib import Path

import click

from fflabels_cli import options


@click.command("report")
@options.run_folder
@click.option("--out", type=click.Path(path_type=Path), help="The page.  [default: report.html in the run folder]")
@click.option("--beside", metavar="RUN", help="Show the accuracy of this run too, such as one by back-propagation.")
@options.force
@options.data_root
@options.device
def command(run: str, out: Path | None, beside: str | None, force: bool, data: str | None, device: str | None) -> None:
    """Write one HTML page about a run: accuracies, advice, learning, mistakes, labels, activation maps, settings.

    The page contains its pictures, needs no network and is legible on a phone. For an unfinished run it has fewer
    sections.
    """
    from fflabels.errors import FFLabelsError
    from fflabels_cli import output
    from ffnet import load_run
    from ffnet.report.page import REPORT, write_report
    from ffnet.runs.record import read_record

    loaded = load_run(run, device=device or "auto")
    output.check_output(out or loaded.folder / REPORT, ".html", force=force)
    baseline = read_record(beside) if beside else None
    try:
        loaded_data = loaded.data(data)
    except FFLabelsError as error:
        click.echo(f"Warning: the report has no images: {error}", err=True)
        loaded_data = None
    with output.Bars() as progress:
        path = write_report(loaded, loaded_data, out=out, baseline=baseline, progress=progress)
    click.echo(f"report: {path}")
