"""``fflabels score``: score a label set."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from fflabels_cli import options


@click.command("score")
@click.argument("labels", metavar="FILE")
@options.named
@options.shape(None)
@options.reference_images
@options.intensity(None)
@options.plugin_code
@click.option(
    "--pairs", type=click.IntRange(min=0), default=5, show_default=True, help="Number of most similar pairs to show."
)
@click.option(
    "--probe", "probed", is_flag=True, help="Also measure how well a linear classifier recognises label and class."
)
@click.option("--page", type=click.Path(path_type=Path), help="Also write an HTML page with pictures.")
@options.force
@options.as_json
def command(
    labels: str,
    n: int | None,
    seed: int,
    shape: tuple[int, int, int] | None,
    references: str,
    value_range: str,
    intensity: float | None,
    pairs: int,
    probed: bool,
    page: Path | None,
    force: bool,
    json_: bool,
) -> None:
    """Score any label set: similarity by every metric, visibility, most similar pairs, duplicates.

    FILE is a label-set file or a built-in set such as fourier:paper10, or code:hadamard --n 10 --shape 64x1x1.
    --probe recognises classes if the references have classes: digits, a folder of class folders, an .npz file with
    images and classes.
    """
    import msgspec

    from fflabels.codes import references_for
    from fflabels.errors import one_line
    from fflabels.images import load_classed
    from fflabels.labelset import open_set
    from fflabels.metrics import METRICS
    from fflabels.probe import check_probe, probe
    from fflabels.scores import Report
    from fflabels_cli import output

    # Load the set and the images.
    if page:
        from fflabels.page import write_page

        output.check_output(page, ".html", force=force, inputs=[labels, references])
    label_set = open_set(labels, n, shape, seed)
    options.check_applies(label_set.labeler, "references", "value_range", "intensity", "probed")
    options.check_range(references)
    options.check_seed(labels)
    filed = label_set.scores
    intensity = intensity or label_set.intensity
    images = references_for(label_set.labeler, references, shape or label_set.shape, value_range=value_range)
    classed = load_classed(references, images.shape, value_range=value_range) if probed else None
    if classed:
        check_probe(label_set, classed)

    # Score, and probe.
    with output.Bars() as progress:
        report = label_set.score(shape, images, intensity=intensity, progress=progress)
        probed_set = probe(label_set, classed, intensity=intensity, progress=progress) if classed else None
    scores = report.scores
    other_images = filed is not None and filed.taken_on != scores.taken_on
    if filed and not other_images:  # the file's values by chance hold for these scores too
        same_intensity = filed.intensity == scores.intensity
        beside = {m: s for m, s in filed.random.items() if same_intensity or not METRICS[m].uses_intensity}
        scores = msgspec.structs.replace(scores, random=beside)

    # Show the scores.
    if page:
        write_page(label_set, Report(scores, report.matrices), images, page, probe=probed_set)
    if json_:
        worst = {metric: report.worst(metric, pairs) for metric in report.matrices}
        content = {"scores": msgspec.to_builtins(scores), "worst_pairs": worst, "duplicates": report.duplicates}
        content |= {"probe": msgspec.to_builtins(probed_set)} if probed_set else {}
        output.print_json({**content, "file": labels, "labeler": label_set.labeler.name, "n": len(label_set)})
        return
    rescored = dataclasses.replace(label_set, scores=scores)
    output.print_table(output.describe(rescored), output.SIMILARITY_HEAD, output.similarity_rows(rescored))
    if filed and other_images:
        click.echo(f"scored anew: the file's scores were taken at {one_line(filed.place)}")
    for metric in report.matrices:
        alike = ", ".join(f"{i}–{j} {value:.3f}" for i, j, value in report.worst(metric, pairs))
        click.echo(f"most alike by {metric}: {alike or 'no pairs'}")
    duplicates = ", ".join(f"{i}–{j}" for i, j, _ in report.duplicates[:20])
    click.echo(f"duplicates: {duplicates + (' …' if len(report.duplicates) > 20 else '') or 'none'}")
    output.print_readability(rescored)
    click.echo(f"visibility: {scores.visibility_range}")
    for line in probed_set.lines if probed_set else ():
        click.echo(line)
    if page:
        click.echo(f"page: {page}")
