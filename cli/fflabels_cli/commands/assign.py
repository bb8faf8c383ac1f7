"""``fflabels assign``: give similar labels to similar classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fflabels_cli import options


@click.command("assign")
@click.argument("labels", metavar="FILE")
@click.option("--references", metavar="SOURCE", required=True, help="Images with classes, as many as labels.")
@options.value_range
@options.shape(None)
@options.metric("shift", "How labels are compared. shift: waves of the same frequency count as one label.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the search.")
@options.plugin_code
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The label-set file to write.")
@options.force
def command(
    labels: str,
    references: str,
    value_range: str,
    shape: tuple[int, int, int] | None,
    metric: Any,
    seed: int,
    out: Path,
    force: bool,
) -> None:
    """Reorder a label set, so that classes that look similar get similar labels.

    FILE is a label-set file or a built-in set such as fourier:low100. SOURCE is digits, a folder of class folders, or
    an .npz file with images and classes.
    """
    from fflabels.assignment import assignment
    from fflabels.codes import is_code
    from fflabels.errors import FFLabelsError
    from fflabels.images import load_classed
    from fflabels.labelset import open_set
    from fflabels_cli import output

    output.check_output(out, force=force, inputs=[labels, references])
    label_set = open_set(labels)
    if is_code(label_set.labeler):
        hint = "fflabels select --kind code --classes makes codes for given classes"
        raise FFLabelsError("codes are not reordered", where=labels, expected="labels that are pictures", hint=hint)
    options.check_range(references)
    images = load_classed(references, shape or label_set.shape, value_range=value_range)
    with output.Bars() as progress:
        assigned, before, after = assignment(label_set, images, metric=metric, seed=seed, progress=progress)
    assigned.save(out)
    correlation = f"correlation of the labels' {metric} similarity with the similarity of the classes"
    click.echo(f"{correlation}: {after:.3f}, was {before:.3f}")
    click.echo(f"label set: {out}")
