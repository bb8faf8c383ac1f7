"""``fflabels compare``: compare kinds of labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fflabels_cli import options

if TYPE_CHECKING:
    from fflabels.comparison import Reach
    from fflabels.labeler import Labeler

BUILT_IN = ("fourier", "morph", "onehot")


@click.command("compare")
@click.argument("kinds", metavar="[KIND]…", nargs=-1)
@click.option(
    "--n",
    "counts",
    type=click.IntRange(min=1),
    multiple=True,
    default=(10, 100, 500),
    show_default="10, 100 and 500",
    help="Number of labels. Repeatable.",
)
@options.shape("1x32x32")
@click.option(
    "--metric",
    "metrics",
    type=options.MetricType(),
    multiple=True,
    help="Use only this metric. Repeatable.  [default: all]",
)
@options.pool
@options.reference_images
@options.intensity(0.35)
@click.option("--plot", type=click.Path(path_type=Path), help="Also plot the table, as a PNG file.")
@options.force
@options.as_json
def command(
    kinds: tuple[str, ...],
    counts: tuple[int, ...],
    shape: tuple[int, int, int],
    metrics: Any,
    candidates: int,
    seed: int,
    min_visibility: float | None,
    references: str,
    value_range: str,
    intensity: float,
    plot: Path | None,
    force: bool,
    json_: bool,
) -> None:
    """Compare kinds of labels by the most similar pair of n labels, selected and at random.

    KIND is a labeler's name, optionally with parameters; default: fourier, morph and onehot.

    \b
    fflabels compare
    fflabels compare fourier "fourier waves=3" "morph families=morphology" --plot kinds.png
    fflabels compare fourier gabor walsh --n 10 --n 100
    fflabels compare code "code weight=16" --shape 128x1x1

    Each set is selected and compared by the same metric.
    """
    import dataclasses

    from fflabels.codes import references_for
    from fflabels.comparison import compare
    from fflabels.design import judged_shape, reduced_from
    from fflabels_cli import output

    # Refuse bad arguments before the work.
    options.try_plugins_before_import()
    options.check_range(references)
    if plot:
        from fflabels.plots import draw_comparison

        output.check_output(plot, ".png", force=force, inputs=[references])
    labelers = [_labeler(kind) for kind in kinds or BUILT_IN]
    least = max(labeler.min_side for labeler in labelers)
    judged, reduced = judged_shape(shape, least), reduced_from(shape, least)

    # Select and score the sets.
    with output.Bars() as progress:
        reaches = compare(
            labelers,
            sorted(set(counts)),
            candidates=candidates,
            shape=shape,
            metrics=metrics or None,
            seed=seed,
            references=references_for(labelers[0], references, judged, value_range=value_range),
            min_visibility=min_visibility,
            intensity=intensity,
            progress=progress,
        )

    # Show them.
    if plot:
        draw_comparison(reaches, plot)
    if json_:
        output.print_json([dataclasses.asdict(reach) for reach in reaches])
        return
    size = "x".join(map(str, judged)) + (reduced and f"{reduced},")
    title = f"largest similarity of any two of n labels at {size}, selected (and at random)"
    output.print_table(title, *_table(reaches), words=1)
    for note in dict.fromkeys(f"{_name(r)}, n = {r.n}: {r.reason}" for r in reaches if r.reason):
        click.echo(f"note: {note}")
    if plot:
        click.echo(f"plot: {plot}")
    if all(reach.selected is None for reach in reaches):
        raise SystemExit(1)


def _labeler(kind: str) -> Labeler[Any]:
    """Return the labeler of ``NAME [PARAMETER=VALUE]…``."""
    from fflabels.registry import IN_A_FILE

    name, *words = [kind] if IN_A_FILE.fullmatch(kind) else kind.split() or [""]
    context = click.get_current_context()
    argument = next(parameter for parameter in context.command.params if parameter.name == "kinds")
    params = [options.ParamType().convert(word, argument, context) for word in words]
    return options.make_labeler(name, tuple(params))


def _table(reaches: list[Reach]) -> tuple[list[str], list[list[str]]]:
    """Return the heading and one row per kind."""
    from fflabels_cli.output import number

    rows: dict[int, list[str]] = {}
    for reach in reaches:
        chance = f" ({number(reach.random)})" if reach.random is not None else ""
        cell = "–" if reach.selected is None else f"{number(reach.selected)}{chance}"
        rows.setdefault(reach.row, [_name(reach), str(reach.candidates or "–")]).append(cell)
    head = list(dict.fromkeys(f"{reach.metric}, n = {reach.n}" for reach in reaches))
    return ["kind", "candidates", *head], list(rows.values())


def _name(reach: Reach) -> str:
    return f"{reach.kind} {reach.params}".strip()
