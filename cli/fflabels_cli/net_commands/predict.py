"""``ffnet predict``: predict the classes of image files."""

from __future__ import annotations

from typing import Any

import click

from fflabels_cli import options


@click.command("predict")
@options.run_folder
@click.argument("images", metavar="IMAGE…", nargs=-1, required=True)
@options.inference("The inference method.  [default: linear if it is fitted, else goodness]")
@options.device
@options.as_json
def command(run: str, images: tuple[str, ...], inference: Any, device: str | None, json_: bool) -> None:
    """Predict the class of each image file, resized to the net's image size, and the runner-up.

    The lead is the difference of their scores: logits of the linear classifier, or goodness. If cascade or halving
    leaves a single class, there is no runner-up and no lead.
    """
    import math

    from fflabels_cli import output
    from ffnet import load_run
    from ffnet.data.folders import read_pictures
    from ffnet.inference.predict import scores

    loaded = load_run(run, device=device or "auto")
    loaded.check_trained()
    names = loaded.about.data.class_names
    scores_NC = scores(
        loaded.net, read_pictures(images, loaded.net.shape, loaded.config.data.range), inference=inference
    )
    sorted_NC, order_NC = scores_NC.sort(1, descending=True)
    leads = (sorted_NC[:, 0] - sorted_NC[:, 1]).tolist()
    predictions = [
        {"image": image, "class": names[first], "runner_up": names[second], "lead": lead}
        if math.isfinite(lead)
        else {"image": image, "class": names[first], "runner_up": None, "lead": None}
        for image, (first, second), lead in zip(images, order_NC[:, :2].tolist(), leads, strict=True)
    ]
    if json_:
        output.print_json(predictions)
        return
    rows = [
        [p["image"], p["class"], p["runner_up"] or "–", "–" if p["lead"] is None else f"{p['lead']:.2f}"]
        for p in predictions
    ]
    output.print_table(f"predictions of {run}", ("image", "class", "runner-up", "lead"), rows, words=3)
