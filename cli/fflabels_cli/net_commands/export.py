"""``ffnet export``: write a run's net as a file for other software."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fflabels_cli import options

if TYPE_CHECKING:
    from ffnet.inference.export import Format

COMPARED = 256
"""The file is compared with the net on at most this many images."""


@click.command("export")
@options.run_folder
@click.option(
    "--format", "format_", type=click.Choice(("onnx", "pt2")), default="onnx", show_default=True,
    help="onnx: for ONNX Runtime and others. pt2: for torch.export.load.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="The file.  [default: model.onnx or model.pt2 in RUN]")
@options.force
@click.option(
    "--inference",
    metavar="linear|goodness",
    help="The inference method.  [default: goodness for nets with codes; else linear if it is fitted]",
)
@options.data_root
@options.as_json
def command(
    run: str, format_: Format, out: Path | None, force: bool, inference: str | None, data: str | None, json_: bool
) -> None:
    """Write the net as a file that needs no ffnet, and check that the file predicts the same.

    The file takes images (N, C, H, W), float32 in [0, 1], and returns the score of each class. The class names are
    stored in it under class_names.
    """
    from fflabels_cli import output
    from ffnet import export_net, load_run

    loaded = load_run(run)
    loaded.check_trained()
    path = out or Path(run) / f"model.{format_}"
    output.check_output(path, f".{format_}", force=force or out is None)
    loaded_data = loaded.data(data)
    split = loaded_data.validation if len(loaded_data.validation) > 1 else loaded_data.train
    names = loaded_data.class_names
    compared = export_net(
        loaded.net, path, split.images[:COMPARED], format=format_, inference=inference, class_names=names
    )
    if json_:
        output.print_json({"file": str(path), **compared._asdict()})
        return
    click.echo(f"{path}: predicts the same as the net for {compared.same} of {compared.images} images")
    shape = ", ".join(map(str, loaded.net.shape))
    click.echo(f"input: images (N, {shape}), float32 in [0, 1]; output: scores (N, {len(names)})")
