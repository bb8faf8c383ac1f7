"""``fflabels score``: what a label set is worth."""

from __future__ import annotations

from pathlib import Path

import click

from fflabels_cli import options


@click.command("score")
@click.argument("labels", metavar="FILE")
@options.shape(None)
@options.reference_images
@options.intensity(None)
@options.plugin_code
@click.option(
    "--pairs", type=click.IntRange(min=0), default=5, show_default=True, help="How many of the worst pairs to show."
)
@click.option("--probe", "probed", is_flag=True, help="Also tell how well a linear classifier reads label and class.")
@click.option("--page", type=click.Path(path_type=Path), help="Also write a page with pictures, an HTML file.")
@options.as_json
def command(
    labels: str,
    shape: tuple[int, int, int] | None,
    references: str,
    intensity: float | None,
    pairs: int,
    probed: bool,
    page: Path | None,
    json_: bool,
) -> None:
    """Score any label set: similarity by every metric, visibility, the worst pairs, duplicates.

    FILE is a label-set file or a built-in set such as fourier:paper10. --probe reads classes where the references
    have them: digits, a folder of class folders, an .npz file with images and classes.
    """
    import msgspec

    from fflabels.errors import one_line
    from fflabels.images import load_classed, load_references
    from fflabels.labelset import LabelSet, Report, open_set
    from fflabels.metrics import METRICS
    from fflabels.probe import check_probe, probe
    from fflabels_cli import output

    if page:
        from fflabels.page import write_page

        output.check_output(page, ".html")
    found = open_set(labels)
    filed = found.scores
    intensity = intensity or found.intensity
    images = load_references(references, shape or found.shape)
    classed = load_classed(references, images.shape) if probed else None
    if classed:
        check_probe(found, classed)
    with output.Bars() as progress:
        report = found.score(shape, images, intensity=intensity, progress=progress)
        reading = probe(found, classed, intensity=intensity, progress=progress) if classed else None
    scores = report.scores
    anew = filed is not None and filed.references.sha256 != scores.references.sha256
    if filed and not anew:  # the same images, at the same shape: what chance gave there stands beside
        alike_k = filed.intensity == scores.intensity
        beside = {m: s for m, s in filed.random.items() if alike_k or not METRICS[m].uses_intensity}
        scores = msgspec.structs.replace(scores, random=beside)
    if page:
        write_page(found, Report(scores, report.matrices), images, page, probe=reading)
    if json_:
        worst = {metric: report.worst(metric, pairs) for metric in report.matrices}
        content = {"scores": msgspec.to_builtins(scores), "worst_pairs": worst, "duplicates": report.duplicates}
        content |= {"probe": msgspec.to_builtins(reading)} if reading else {}
        output.print_json({**content, "file": labels, "labeler": found.labeler.name, "n": len(found)})
        return
    rescored = LabelSet(found.recipes, found.labeler, found.provenance, scores)
    output.print_table(output.describe(rescored), output.SIMILARITY_HEAD, output.similarity_rows(rescored))
    if filed and anew:
        taken = f"{'x'.join(map(str, filed.shape))} on {filed.references.count} {one_line(filed.references.name)}"
        click.echo(f"scored anew: the file's scores were taken at {taken}")
    for metric in report.matrices:
        alike = ", ".join(f"{i}–{j} {value:.3f}" for i, j, value in report.worst(metric, pairs))
        click.echo(f"most alike by {metric}: {alike or 'no pairs'}")
    twins = ", ".join(f"{i}–{j}" for i, j, _ in report.duplicates[:20])
    click.echo(f"duplicates: {twins + (' …' if len(report.duplicates) > 20 else '') or 'none'}")
    output.print_readability(rescored)
    seen = scores.visibility
    least, mean = min(seen), sum(seen) / len(seen)
    click.echo(f"visibility: least {least:.2f} (label {seen.index(least)}), mean {mean:.2f} of the images' contrast")
    for line in reading.lines if reading else ():
        click.echo(line)
    if page:
        click.echo(f"page: {page}")
