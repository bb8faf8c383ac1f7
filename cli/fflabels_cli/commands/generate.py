"""``fflabels generate``: candidates to a file."""

from __future__ import annotations

from pathlib import Path

import click

from fflabels_cli import options


@click.command("generate")
@options.kind
@options.shape("1x32x32")
@options.pool
@options.reference_images
@click.option("--out", type=click.Path(path_type=Path), help="The file.  [default: candidates-KIND.json]")
@options.as_json
def command(
    kind: str,
    params: tuple[tuple[str, str], ...],
    shape: tuple[int, int, int],
    candidates: int,
    seed: int,
    min_visibility: float | None,
    references: str,
    out: Path | None,
    json_: bool,
) -> None:
    """Write distinct, visible candidate labels to a label-set file, unselected and unscored.

    Draw j depends on the seed and j alone: 3000 candidates begin with the same 2000.
    """
    from fflabels import LabelSet, propose
    from fflabels.labelset import Provenance
    from fflabels_cli import output

    labeler = options.make_labeler(kind, params)
    out = out or Path(f"candidates-{labeler.name}.json")
    output.check_output(out)
    with output.Bars() as progress:
        found = propose(
            labeler,
            candidates,
            shape=shape,
            seed=seed,
            references=references,
            min_visibility=min_visibility,
            progress=progress,
        )
    provenance = Provenance("candidates", None, seed, len(found), found.drawn, found.min_visibility)
    LabelSet(found.recipes, labeler, provenance).save(out)
    counts = {"candidates": len(found), "drawn": found.drawn, "repeated": found.repeated, "invisible": found.invisible}
    if json_:
        output.print_json({**counts, "file": str(out), "seed": seed, "min_visibility": found.min_visibility})
        return
    click.echo(
        f"{len(found)} {labeler.name} candidates of {found.drawn} draws: {found.repeated} repeated an earlier one, "
        f"{found.invisible} changed the images by less than {found.min_visibility:g} of their contrast"
    )
    click.echo(f"candidates: {out}")
