"""``fflabels generate``: write candidate labels to a file."""

from __future__ import annotations

from pathlib import Path

import click

from fflabels_cli import options


@click.command("generate")
@options.kind
@options.shape("1x32x32", "draw")
@options.pool
@options.reference_images
@click.option("--out", type=click.Path(path_type=Path), help="The file.  [default: candidates-KIND.json]")
@options.force
@options.as_json
def command(
    kind: str,
    params: tuple[tuple[str, str], ...],
    shape: tuple[int, int, int],
    candidates: int,
    seed: int,
    min_visibility: float | None,
    references: str,
    value_range: str,
    out: Path | None,
    force: bool,
    json_: bool,
) -> None:
    """Write distinct, visible candidate labels to a label-set file, without selecting or scoring them.

    Draw j depends only on the seed and j: the first 2000 of 3000 candidates are those that --candidates 2000 gives.
    """
    from fflabels import LabelSet, propose
    from fflabels.codes import references_for
    from fflabels.label_set_file import check_size
    from fflabels.scores import Provenance
    from fflabels_cli import output

    # Propose the candidates, and save them.
    labeler = options.make_labeler(kind, params)
    options.check_applies(labeler, "references", "value_range", "min_visibility")
    options.check_range(references)
    out = out or Path(f"candidates-{labeler.name}.json")
    output.check_output(out, force=force, inputs=[references])
    check_size(labeler, candidates, shape, seed, "candidates")
    with output.Bars() as progress:
        pool = propose(
            labeler,
            candidates,
            shape=shape,
            seed=seed,
            references=references_for(labeler, references, shape, value_range=value_range),
            min_visibility=min_visibility,
            progress=progress,
        )
    provenance = Provenance("candidates", None, seed, len(pool), pool.drawn, pool.min_visibility)
    LabelSet(pool.recipes, labeler, provenance).save(out, shape=shape)

    # Show how many draws were left out.
    counts = {"candidates": len(pool), "drawn": pool.drawn, "repeated": pool.repeated, "invisible": pool.invisible}
    if json_:
        output.print_json({**counts, "file": str(out), "seed": seed, "min_visibility": pool.min_visibility})
        return
    drawn = f"{len(pool)} {labeler.name} candidates of {pool.drawn} draws: {pool.repeated} repeated an earlier one"
    if pool.min_visibility is not None:
        drawn += f", {pool.invisible} changed the images by less than {pool.min_visibility:g} of their contrast"
    click.echo(drawn)
    click.echo(f"candidates: {out}")
