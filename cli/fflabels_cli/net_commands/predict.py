"""``ffnet predict``: the classes of image files."""

from __future__ import annotations

from typing import Any

import click

from fflabels_cli import options


@click.command("predict")
@options.run_folder
@click.argument("images", metavar="IMAGE…", nargs=-1, required=True)
@options.inference("How to read the net.  [default: linear, where it is fitted]")
@options.device
@options.as_json
def command(run: str, images: tuple[str, ...], inference: Any, device: str | None, json_: bool) -> None:
    """Name the class of each image file, resized to what the net was trained on, and the runner-up.

    The lead is how far the first is ahead: in logits of the linear classifier, or in goodness. Where a cascade or a
    halving leaves one class, there is neither.
    """
    import math

    from fflabels_cli import output
    from ffnet import load_run
    from ffnet.data.folders import read_pictures
    from ffnet.inference.predict import scores

    loaded = load_run(run, device=device or "auto")
    loaded.check_trained()
    names = loaded.about.data.class_names
    best, order = scores(loaded.net, read_pictures(images, loaded.net.shape), inference=inference).sort(
        1, descending=True
    )
    found = [
        {"image": image, "class": names[first], "runner_up": names[second], "lead": lead}
        if math.isfinite(lead)
        else {"image": image, "class": names[first], "runner_up": None, "lead": None}
        for image, (first, second), lead in zip(
            images, order[:, :2].tolist(), (best[:, 0] - best[:, 1]).tolist(), strict=True
        )
    ]
    if json_:
        output.print_json(found)
        return
    rows = [
        [f["image"], f["class"], f["runner_up"] or "–", "–" if f["lead"] is None else f"{f['lead']:.2f}"] for f in found
    ]
    output.print_table(f"predictions of {run}", ("image", "class", "runner-up", "lead"), rows, words=3)
