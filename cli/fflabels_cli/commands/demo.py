"""``fflabels demo``: select a label set of each built-in kind."""

from __future__ import annotations

import time
from pathlib import Path

import click

from fflabels_cli import options

JOBS = (("onehot", 10), ("fourier", 100), ("morph", 100))


@click.command("demo")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("demo-output"),
    show_default=True,
    help="The folder for files and pictures.",
)
@options.force
def command(out: Path, force: bool) -> None:
    """Select a label set of each built-in kind, draw their contact sheets, and compare them."""
    from fflabels.design import design
    from fflabels.errors import FFLabelsError
    from fflabels.gallery import contact_sheet, save_sheet
    from fflabels_cli import output

    if out.exists() and not out.is_dir():
        raise FFLabelsError("is a file", where="--out", got=str(out), expected="a folder")
    out.mkdir(parents=True, exist_ok=True)
    for kind, n in JOBS:
        output.check_output(out / f"labels-{kind}-{n}.json", force=force)
        output.check_output(out / f"labels-{kind}-{n}.png", ".png", force=force)
    rows: list[list[str]] = []
    measured: list[str] = []
    with output.Bars() as progress:
        for kind, n in JOBS:
            begin = time.perf_counter()
            labels = design(kind, n, progress=progress)
            seconds = time.perf_counter() - begin
            labels.save(out / f"labels-{kind}-{n}.json")
            save_sheet(contact_sheet(labels), out / f"labels-{kind}-{n}.png")
            assert labels.scores is not None
            cells, measured = [], []
            for metric, similarity in labels.scores.similarity.items():
                chance = labels.scores.random.get(metric)
                measured += [metric, "chance"]
                cells += [output.number(similarity.max), output.number(chance.max if chance else None)]
            rows.append([kind, str(labels.provenance.candidates or "–"), str(n), *cells, f"{seconds:.1f} s"])
    head = ("kind", "candidates", "n", *measured, "time")
    output.print_table(
        "label sets at 1x32x32 on 64 photographs: largest similarity of two labels, and at random", head, rows
    )
    click.echo("one-hot labels leave nothing to choose: each is one pixel")
    click.echo(f"label sets and contact sheets: {out.resolve()}")
    for kind, n in JOBS:
        click.echo(f"  {out / f'labels-{kind}-{n}.png'}")
