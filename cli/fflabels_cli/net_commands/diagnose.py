"""``ffnet diagnose``: which labels a net confuses, and whether it uses the label alone."""

from __future__ import annotations

import click

from fflabels_cli import options


@click.command("diagnose")
@options.run_folder
@click.option(
    "--pairs", type=click.IntRange(min=0), default=10, show_default=True, help="Number of most confused pairs to show."
)
@click.option(
    "--images",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="At most this many validation images are used.",
)
@options.data_root
@options.device
@options.as_json
def command(run: str, pairs: int, images: int, data: str | None, device: str | None, json_: bool) -> None:
    """Show which labels a net confuses, how similar these are, and whether the net uses the label alone.

    A layer that tells the right label from a wrong one even on noise, or on an image of a third class, has learned
    which labels are right more often: the shortcut. Favourite is the share of noise images that get the
    most frequent label.
    """
    import msgspec

    from fflabels.errors import FFLabelsError
    from fflabels_cli import output
    from ffnet import FFNet, diagnose, load_run
    from ffnet.evaluation.statistics import percent

    loaded = load_run(run, device=device or "auto")
    if not isinstance(loaded.net, FFNet):
        raise FFLabelsError("this net has no labels", where=run)
    loaded.check_trained()
    diagnosis = diagnose(loaded.net, loaded.data(data), count=images)
    if json_:
        output.print_json(msgspec.to_builtins(diagnosis))
        return

    # The most confused pairs, and how similarity correlates with mistakes.
    names = loaded.about.data.class_names
    rows = [
        [f"{names[p.a]} – {names[p.b]}", f"{100 * p.mistaken:.1f}", *(f"{v:.3f}" for v in p.similarity.values())]
        for p in diagnosis.pairs[:pairs]
    ]
    metrics = list(diagnosis.rank_correlation)
    title = f"pairs most often confused by goodness, on {diagnosis.count:,} {diagnosis.split} images"
    output.print_table(title, ("classes", "mistaken, %", *metrics), rows)
    for metric, value in diagnosis.rank_correlation.items():
        if value is not None:
            click.echo(f"rank correlation of {metric} and mistakes over all pairs: {value:+.2f}")

    # Whether each layer uses the image, or the label alone.
    rows = [
        [
            "all layers" if line.layer == 0 else f"layer {line.layer}",
            *(percent(share) for share in (line.images, line.noise, line.other, line.favourite)),
        ]
        for line in diagnosis.shortcuts
    ]
    title = "how often the right label has higher goodness than a wrong one, %; 50 is chance"
    output.print_table(title, ("", "its image", "noise", "third class", "favourite on noise"), rows)
