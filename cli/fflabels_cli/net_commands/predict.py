"""``ffnet predict``: predict the classes of image files."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fflabels_cli import options

if TYPE_CHECKING:
    from torch import Tensor

AT_ONCE = 256
"""Images that are read and predicted together."""


@click.command("predict")
@options.run_folder
@click.argument("images", metavar="IMAGE…", nargs=-1, required=True)
@options.inference("The inference method.  [default: goodness for nets with codes; else linear if it is fitted]")
@click.option("--csv", "csv_", type=click.Path(path_type=Path), help="Write the predictions as a CSV file.")
@options.force
@options.device
@options.as_json
def command(
    run: str,
    images: tuple[str, ...],
    inference: Any,
    csv_: Path | None,
    force: bool,
    device: str | None,
    json_: bool,
) -> None:
    """Predict the class of each image, resized to the net's image size, and the runner-up.

    Each IMAGE is an image file, or a folder: then all images in it and its subfolders.

    The lead is the difference of their scores: logits of the linear classifier, or goodness. If cascade or halving
    leaves a single class, there is no runner-up and no lead.
    """
    from fflabels.files import write_whole
    from fflabels_cli import output
    from ffnet import load_run
    from ffnet.data.folders import read_good_pictures
    from ffnet.inference.predict import scores
    from ffnet.runs.log import as_csv

    # Refuse bad arguments before the work.
    if csv_:
        output.check_output(csv_, ".csv", force=force, inputs=images)
    loaded = load_run(run, device=device or "auto")
    files = [file for image in images for file in _files(Path(image))]
    loaded.check_trained()
    if loaded.results is None:
        done, of = len(loaded.metrics), loaded.config.train.epochs
        click.echo(
            f"Warning: {run} is not finished: {done} of {of} epochs; ffnet resume {shlex.quote(run)} continues it",
            err=True,
        )

    # Predict some images at a time; those that cannot be read are named.
    bad = 0
    predictions: list[dict[str, Any]] = []
    with output.Bars() as progress:
        for start in range(0, len(files), AT_ONCE):
            some = files[start : start + AT_ONCE]
            pixels, unread = read_good_pictures(some, loaded.net.shape, loaded.config.data.range)
            for error in unread.values():
                progress.print_line(f"Error: {error}")
            bad += len(unread)
            good = [file for k, file in enumerate(some) if k not in unread]
            if good:
                scores_NC = scores(loaded.net, pixels, inference=inference)
                predictions += _predictions(good, scores_NC, loaded.about.data.class_names)
            progress("images", len(predictions) + bad, len(files))
    if not (predictions or json_):
        raise SystemExit(1)

    # Show them, or write them.
    if csv_ and predictions:
        write_whole(csv_, as_csv(predictions).encode())
        click.echo(f"{len(predictions)} predictions: {csv_}", err=json_)
    if json_:
        output.print_json(predictions)
    elif not csv_:
        leads = ["–" if p["lead"] is None else f"{p['lead']:.2f}" for p in predictions]
        rows = [
            [p["image"], p["class"], p["runner_up"] or "–", lead] for p, lead in zip(predictions, leads, strict=True)
        ]
        output.print_table(f"predictions of {run}", ("image", "class", "runner-up", "lead"), rows, words=3)
    if bad:
        raise SystemExit(1)


def _files(path: Path) -> list[Path]:
    """Return the file, or the images and broken links in the folder and its subfolders, without hidden ones."""
    from fflabels.errors import FFLabelsError
    from fflabels.images import SUFFIXES
    from fflabels.images.folders import is_broken_link, is_picture

    if not path.is_dir():
        return [path]
    inside = sorted(
        file
        for file in path.rglob("*")
        if is_picture(file) or (file.suffix.lower() in SUFFIXES and is_broken_link(file))
    )
    shown = [p for p in inside if not any(part.startswith(".") for part in p.relative_to(path).parts)]
    if not shown:
        raise FFLabelsError("no image in the folder", where=str(path))
    return shown


def _predictions(files: Sequence[Path], scores_NC: Tensor, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield what is known about each image."""
    import math
    import os

    sorted_NC, order_NC = scores_NC.sort(dim=1, descending=True, stable=True)  # of equal scores the first, as argmax
    leads = (sorted_NC[:, 0] - sorted_NC[:, 1]).tolist()
    for file, (first, second), lead in zip(files, order_NC[:, :2].tolist(), leads, strict=True):
        alone = not math.isfinite(lead)
        runner_up = None if alone else names[second]
        image = os.fsencode(file).decode("utf-8", "replace")
        yield {"image": image, "class": names[first], "runner_up": runner_up, "lead": None if alone else lead}
