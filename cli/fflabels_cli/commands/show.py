"""``fflabels show``: draw a label set."""

from __future__ import annotations

from pathlib import Path

import click

from fflabels_cli import options


@click.command("show")
@click.argument("labels", metavar="FILE")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The picture, a PNG file.  [default: FILE's name with .png, in this folder]",
)
@click.option("--intensity", type=options.Finite(0, 1), default=0.35, show_default=True, help="The label intensity K.")
@options.named
@options.shape(None, "draw")
@options.reference_images
@options.plugin_code
@options.force
def command(
    labels: str,
    out: Path | None,
    intensity: float,
    n: int | None,
    seed: int,
    shape: tuple[int, int, int] | None,
    references: str,
    value_range: str,
    force: bool,
) -> None:
    """Draw a contact sheet: each label on the same images at intensity K, and its imprint alone.

    FILE is a label-set file or a built-in set such as fourier:paper10, or code:hadamard --n 10 --shape 64x1x1. Of codes
    the sheet shows the values, labels by channels, beside the correlations of all pairs.
    """
    from fflabels.codes import references_for
    from fflabels.gallery import contact_sheet, save_sheet
    from fflabels.labelset import open_set
    from fflabels_cli import output

    label_set = open_set(labels, n, shape, seed)
    options.check_applies(label_set.labeler, "references", "value_range", "intensity")
    options.check_range(references)
    options.check_seed(labels)
    out = out or Path(Path(labels).with_suffix(".png").name.replace(":", "-"))
    output.check_output(out, ".png", force=force, inputs=[labels, references])
    images = references_for(label_set.labeler, references, shape or label_set.shape, value_range=value_range)
    save_sheet(contact_sheet(label_set, shape=shape, references=images, intensity=intensity), out)
    click.echo(f"contact sheet: {out}")
