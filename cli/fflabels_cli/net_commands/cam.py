"""``ffnet cam``: draw class activation maps."""

from __future__ import annotations

from pathlib import Path

import click

from fflabels_cli import options

MAX_IMAGES = 16
"""At most this many images are on one picture."""


@click.command("cam")
@options.run_folder
@click.argument("images", metavar="[IMAGE]…", nargs=-1)
@click.option(
    "--class", "class_name", metavar="NAME", help="The class to draw.  [default: each image's predicted class]"
)
@click.option(
    "--by",
    type=click.Choice(("linear", "goodness")),
    default="linear",
    show_default=True,
    help="linear: evidence in the linear classifier. goodness: what each pixel adds to the goodness of the class, "
    "minus that of the runner-up (nets with label codes).",
)
@click.option("--out", type=click.Path(path_type=Path), help="The picture, a PNG file.  [default: cam.png in RUN]")
@options.force
@options.data_root
@options.device
def command(
    run: str,
    images: tuple[str, ...],
    class_name: str | None,
    by: str,
    out: Path | None,
    force: bool,
    data: str | None,
    device: str | None,
) -> None:
    """Draw which pixels are evidence for a class (green) or against it (pink), layer by layer and summed.

    Each IMAGE is an image file. Without any, one validation image of each of the first classes is drawn, titled with
    its true and its predicted class.
    """
    import torch

    from fflabels.errors import FFLabelsError, nearest
    from fflabels.files import write_whole
    from fflabels_cli import output
    from ffnet import activation_maps, goodness_maps, load_run
    from ffnet.data.dataset import first_of_each_class
    from ffnet.data.folders import read_pictures
    from ffnet.data.layout import picture_folders
    from ffnet.data.load import KNOWN
    from ffnet.report.figures import activation
    from ffnet.report.names import drawable, legend

    # Refuse bad arguments before the work.
    if len(images) > MAX_IMAGES:
        raise FFLabelsError(
            "too many images for one picture", where="IMAGE", got=len(images), expected=f"at most {MAX_IMAGES}"
        )
    loaded = load_run(run, device=device or "auto")
    loaded.check_trained()
    if by == "goodness" and not loaded.net.has_codes:
        raise FFLabelsError("this net does not use codes", where=run, got="--by goodness", expected="--by linear")
    path = out or Path(run) / "cam.png"
    of_run = path.resolve().parent == Path(run).resolve()
    name = loaded.config.data.name
    folders = [] if of_run or name in KNOWN else picture_folders(data or name)
    output.check_output(path, ".png", force=force, inputs=[*images, *folders])
    names = loaded.about.data.class_names
    if class_name is not None and class_name not in names:
        raise FFLabelsError("no such class", where="--class", got=class_name, hint=nearest(class_name, names))

    # Load the images, and draw their maps.
    right = None
    if images:
        pixels = read_pictures(images, loaded.net.shape, loaded.config.data.range)
    else:
        drawn = first_of_each_class(loaded.data(data).shown, MAX_IMAGES)
        pixels, right = drawn.images, drawn.classes if class_name is None else None
    classes = None if class_name is None else torch.full((len(pixels),), names.index(class_name))
    shown = drawable(names)
    draw = activation_maps if by == "linear" else goodness_maps
    maps = draw(loaded.net, pixels, classes)
    write_whole(path, activation(pixels, maps, maps.titles(shown, right)))
    if line := legend(names, maps.classes.tolist()):
        click.echo(line, err=True)
    click.echo(f"activation maps: {path}")
