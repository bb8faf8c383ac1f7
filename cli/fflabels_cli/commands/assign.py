"""``fflabels assign``: which class carries which label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fflabels_cli import options


@click.command("assign")
@click.argument("labels", metavar="FILE")
@click.option("--references", metavar="SOURCE", required=True, help="Images with classes, one a label.")
@options.shape(None)
@options.metric("shift", "How labels are compared; by shift waves of one frequency are the same.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the search.")
@options.plugin_code
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The label-set file to write.")
def command(
    labels: str, references: str, shape: tuple[int, int, int] | None, metric: Any, seed: int, out: Path
) -> None:
    """Give labels that are alike to classes that look alike: the set in another order.

    FILE is a label-set file or a built-in set such as fourier:low100. Images with classes are the digits, a
    folder of class folders, or an .npz file with images and classes.
    """
    from fflabels.assignment import assignment
    from fflabels.images import load_classed
    from fflabels.labelset import open_set
    from fflabels_cli import output

    output.check_output(out)
    found = open_set(labels)
    images = load_classed(references, shape or found.shape)
    with output.Bars() as progress:
        assigned, was, now = assignment(found, images, metric=metric, seed=seed, progress=progress)
    assigned.save(out)
    click.echo(f"correlation of the labels' {metric} similarity with the classes' likeness: {now:.3f}, was {was:.3f}")
    click.echo(f"label set: {out}")
