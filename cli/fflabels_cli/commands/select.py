"""``fflabels select``: select a label set."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fflabels_cli import options

if TYPE_CHECKING:
    from fflabels.labeler import Labeler


@click.command("select")
@click.option("--n", type=click.IntRange(min=1), default=10, show_default=True, help="Number of labels, one per class.")
@options.kind
@options.shape("1x32x32")
@options.metric("pearson", "The similarity whose largest value is minimised.")
@options.pool
@options.reference_images
@options.intensity(0.35)
@click.option(
    "--classes",
    metavar="SOURCE",
    help="With --kind code: images with classes (digits, a folder of class folders, an .npz file). Makes one code per "
    "class; classes that look alike get codes that are alike.",
)
@click.option(
    "--method",
    type=click.Choice(("best", "greedy", "random")),
    default="best",
    show_default=True,
    help="best: search. greedy: farthest-first construction. random: at random.",
)
@click.option(
    "--certify",
    type=options.Finite(min=0),
    is_flag=False,
    flag_value=60.0,
    metavar="[SECONDS]",
    help="Prove a bound on how far this set is from the best possible one; takes about SECONDS (60).",
)
@click.option("--out", type=click.Path(path_type=Path), help="The label-set file.  [default: labels-KIND-N.json]")
@click.option(
    "--plot",
    "--gallery",  # its old name
    "plot",
    type=click.Path(path_type=Path),
    help="Also draw a contact sheet, as a PNG file.",
)
@options.force
@options.as_json
def command(
    n: int,
    kind: str,
    params: tuple[tuple[str, str], ...],
    shape: tuple[int, int, int],
    metric: Any,
    candidates: int,
    seed: int,
    min_visibility: float | None,
    references: str,
    value_range: str,
    intensity: float,
    classes: str | None,
    method: Any,
    certify: float | None,
    out: Path | None,
    plot: Path | None,
    force: bool,
    json_: bool,
) -> None:
    """Select the n most diverse of many candidate labels.

    \b
    fflabels select --n 100 --kind morph
    fflabels select --n 100 --kind fourier --param waves=3 --plot waves.png
    fflabels select --n 100 --kind morph --certify
    fflabels select --n 10 --kind morph --param families=morphology,intensity --references my-images/
    fflabels select --n 100 --kind code --shape 128x1x1
    fflabels select --kind code --shape 128x1x1 --classes my-images/
    """
    from fflabels.class_codes import IMAGES, SHAPE, class_likeness, codes_from_likeness, follows
    from fflabels.codes import check_code_shape, references_for
    from fflabels.design import design
    from fflabels.images import load_classed
    from fflabels.label_set_file import check_size
    from fflabels_cli import output

    # Refuse bad arguments before the work.
    labeler = options.make_labeler(kind, params)
    if classes is None:
        options.check_applies(labeler, "references", "value_range", "intensity", "min_visibility")
    else:
        _check_classes(classes, labeler)
        check_code_shape(shape, "shape")
    options.check_range(classes or references)
    pictures = None if classes is None else load_classed(classes, SHAPE, value_range=value_range, each=IMAGES)
    n = n if pictures is None else _number_of_classes(n, pictures)
    out = out or Path(f"labels-{labeler.name}-{n}.json")
    output.check_output(out, force=force, inputs=[classes or references])
    check_size(labeler, n, shape, seed)
    if plot:
        output.check_output(plot, ".png", force=force, inputs=[classes or references])
        if plot.resolve() == out.resolve():
            raise click.UsageError(f"--out and --plot are one file, {out}")

    # Select, and save the set and its contact sheet.
    begin = time.perf_counter()
    likeness = None
    with output.Bars() as progress:
        if pictures is None:
            labels = design(
                labeler,
                n,
                candidates=candidates if options.is_typed("candidates") else max(candidates, n),
                shape=shape,
                metric=metric,
                seed=seed,
                references=references,
                value_range=value_range,
                min_visibility=min_visibility,
                intensity=intensity,
                method=method,
                certify=False if certify is None else certify,
                progress=progress,
            )
        else:
            likeness = class_likeness(pictures, progress=progress)
            labels = codes_from_likeness(likeness, shape[0], seed=seed)
    seconds = time.perf_counter() - begin
    labels.save(out)
    if plot:
        from fflabels.gallery import contact_sheet, save_sheet

        images = references_for(labeler, references, shape, value_range=value_range)
        save_sheet(contact_sheet(labels, shape=shape, references=images, intensity=intensity), plot)

    # Show the scores.
    if json_:
        search = output.search_figures(labels)
        output.print_json({**output.summary(labels), "search": search, "file": str(out), "seconds": round(seconds, 3)})
        return
    output.print_table(output.describe(labels), output.SIMILARITY_HEAD, output.similarity_rows(labels))
    if line := output.search_line(labels):
        click.echo(line)
    if likeness is not None and n > 2:
        agreement = follows(labels, likeness)
        click.echo(f"correlation of the codes' similarity with the likeness of the classes: {agreement:.3f}")
    output.print_readability(labels)
    assert labels.scores is not None
    seen = labels.scores.visibility
    least = f"{min(seen):.2f} of the images' contrast" if seen else "–"
    click.echo(f"least visible label: {least}; {seconds:.1f} s")
    if labels.scores.shape != shape:
        full = "x".join(map(str, shape))
        again = f"fflabels score {shlex.quote(str(out))} --shape {full}"
        click.echo(f"note: chosen and scored on images reduced from {full}; {again} rescores")
    if labels.provenance.method == "complete":
        click.echo(f"note: {labeler!r} leaves nothing to choose, with any method and any number of candidates")
    if labels.provenance.candidates and labels.provenance.candidates < candidates:
        click.echo(f"note: {labeler!r} has no more than {labels.provenance.candidates} distinct, visible labels")
    click.echo(f"label set: {out}" + (f"   contact sheet: {plot}" if plot else ""))


def _check_classes(classes: str, labeler: Labeler[Any]) -> None:
    """Check ``--classes``: only for codes, without options of a choice among candidates, from images with classes."""
    if labeler.name != "code":
        raise click.UsageError(f"--classes makes codes: it needs --kind code, got {labeler.name}")
    options.check_applies(labeler, "references", "intensity", "min_visibility")
    names = ("metric", "candidates", "params", "method", "certify")
    where = "with --classes: the codes follow from the images, they are not chosen among candidates"
    options.refuse_typed(names, where)
    if classes == "photographs" or not (classes == "digits" or Path(classes).exists()):
        expected = "digits, a folder of class folders, or an .npz file"
        raise click.UsageError(f"--classes: no images with classes; got {classes!r}; expected {expected}")


def _number_of_classes(n: int, pictures: Any) -> int:
    """Return how many classes the pictures have; refuse another --n that the user typed."""
    from fflabels.assignment import check_classes
    from fflabels.errors import FFLabelsError

    count = int(check_classes(pictures).max()) + 1
    if options.is_typed("n") and n != count:
        raise FFLabelsError("not one label per class", where="--n", got=n, expected=f"{count}", hint="leave out --n")
    return count
