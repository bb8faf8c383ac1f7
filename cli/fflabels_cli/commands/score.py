"""``fflabels score``: what a label set is worth."""

from __future__ import annotations

import click

from fflabels_cli import options


@click.command("score")
@click.argument("labels", metavar="FILE")
@options.shape(None)
@options.reference_images
@options.intensity
@options.plugin_code
@click.option(
    "--pairs", type=click.IntRange(min=0), default=5, show_default=True, help="How many of the worst pairs to show."
)
@options.as_json
def command(
    labels: str, shape: tuple[int, int, int] | None, references: str, intensity: float, pairs: int, json_: bool
) -> None:
    """Score any label set: similarity by every metric, visibility, the worst pairs, duplicates.

    FILE is a label-set file or a built-in set such as fourier:paper10.
    """
    import msgspec

    from fflabels.errors import one_line
    from fflabels.labelset import LabelSet, open_set
    from fflabels_cli import output

    found = open_set(labels)
    with output.Bars() as progress:
        report = found.score(shape, references, intensity=intensity, progress=progress)
    scores, filed = report.scores, found.scores
    anew = filed is not None and filed.references.sha256 != scores.references.sha256
    if filed and not anew:  # the same images, at the same shape: what chance gave there stands beside
        beside = {m: s for m, s in filed.random.items() if m != "dprime" or filed.intensity == scores.intensity}
        scores = msgspec.structs.replace(scores, random=beside)
    if json_:
        worst = {metric: report.worst(metric, pairs) for metric in report.matrices}
        content = {"scores": msgspec.to_builtins(scores), "worst_pairs": worst, "duplicates": report.duplicates}
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
