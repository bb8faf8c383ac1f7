"""``ffnet diagnose``: which labels a net confuses, and whether it reads the label alone."""

from __future__ import annotations

import click

from fflabels_cli import options


@click.command("diagnose")
@options.run_folder
@click.option(
    "--pairs", type=click.IntRange(min=0), default=10, show_default=True, help="How many of the most mistaken pairs."
)
@click.option(
    "--images",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Validation images, at most.",
)
@options.data_root
@options.device
@options.as_json
def command(run: str, pairs: int, images: int, data: str | None, device: str | None, json_: bool) -> None:
    """Show which labels a net confuses, how similar those are, and whether it reads the label alone.

    A layer that tells the right label from a wrong one on noise too, or on an image of a third class, has learnt which
    labels are right more often: the shortcut. Favourite: the share of noise images that get the most frequent label.
    """
    import msgspec

    from fflabels.errors import FFLabelsError
    from fflabels_cli import net_output, output
    from ffnet import FFNet, diagnose, load_run

    loaded = load_run(run, device=device or "auto")
    if not isinstance(loaded.net, FFNet):
        raise FFLabelsError("a back-propagation net has no labels", where=run)
    loaded.check_trained()
    found = diagnose(loaded.net, loaded.data(data), count=images)
    if json_:
        output.print_json(msgspec.to_builtins(found))
        return
    names = loaded.about.data.class_names
    rows = [
        [f"{names[p.a]} – {names[p.b]}", f"{100 * p.mistaken:.1f}", *(f"{v:.3f}" for v in p.similarity.values())]
        for p in found.pairs[:pairs]
    ]
    metrics = list(found.rank_correlation)
    title = f"pairs most often taken for one another, by goodness, on {found.count:,} {found.split} images"
    output.print_table(title, ("classes", "mistaken, %", *metrics), rows)
    for metric, value in found.rank_correlation.items():
        if value is not None:
            click.echo(f"rank correlation of {metric} and mistakes over all pairs: {value:+.2f}")
    rows = [
        [
            "what decides" if line.layer == 0 else f"layer {line.layer}",
            *(net_output.percent(share) for share in (line.images, line.noise, line.other, line.favourite)),
        ]
        for line in found.shortcuts
    ]
    title = "how often the right label has more goodness than a wrong one, %; 50 without the image"
    output.print_table(title, ("", "its image", "noise", "third class", "favourite on noise"), rows)
