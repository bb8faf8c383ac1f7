"""``ffnet train``: design labels, train, evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fflabels_cli import options

if TYPE_CHECKING:
    from ffnet import Config


@click.command("train")
@click.argument("preset_or_data", metavar="", nargs=-1)
@options.what_to_train
@click.option("--n", type=click.IntRange(min=1), help="Number of labels to design.  [default: one per class]")
@options.param
@options.plugin_code
@click.option(
    "--range",
    "value_range",
    metavar="auto|type|LOW:HIGH",
    help="For a folder of images: which stored values are black and white, as in fflabels select.  [default: type]",
)
@options.data_root
@click.option("--offline", is_flag=True, help="Never download.")
@click.option("--start", metavar="RUN", help="Start from the layers of another run, also with other data and classes.")
@options.device
@click.option(
    "--dtype",
    type=click.Choice(("float32", "bfloat16", "float64", "auto")),
    help="Type of the activations.  [default: the preset's]",
)
@click.option(
    "--algorithm",
    type=click.Choice(("ff", "bp", "local")),
    help="ff: forward-forward. For comparison: bp, back-propagation; local, a linear classifier at each layer.",
)
@click.option(
    "--set", "settings", metavar="SECTION.KEY=VALUE", multiple=True, shell_complete=options.complete_assignments,
    help="Any other setting; see ffnet settings. Repeatable.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="The run folder, new or empty.  [default: runs/…]")
@options.tensorboard
@click.option("--report", is_flag=True, help="Write the report at the end, as ffnet report does.")
@options.as_json
def command(
    preset_or_data: tuple[str, ...],
    labels: str | None,
    n: int | None,
    params: tuple[tuple[str, str], ...],
    dataset: str | None,
    value_range: str | None,
    data: str | None,
    offline: bool,
    preset: str | None,
    start: str | None,
    epochs: int | None,
    seed: int | None,
    device: str | None,
    dtype: str | None,
    algorithm: str | None,
    settings: tuple[str, ...],
    out: Path | None,
    tensorboard: bool,
    report: bool,
    json_: bool,
) -> None:
    """Train a forward-forward network on labels of any kind; print its accuracies and the run folder.

    \b
    ffnet train --labels fourier
    ffnet train --labels morph --dataset mnist --data DIR
    ffnet train --preset quick-cifar10 --seed 1 --set train.epochs=3
    ffnet train --start runs/first --dataset FOLDER

    Ctrl-C or SIGTERM finishes the step, saves and exits with 130 or 143; ffnet resume continues the run.
    """
    from fflabels_cli import net_output
    from ffnet import train
    from ffnet.data.load import KNOWN
    from ffnet.runs.folder import load_run
    from ffnet.runs.start import starting_settings

    if report:
        from ffnet.report.page import write_report

    _refuse_words(preset_or_data)
    options.check_data_root(dataset, data)

    # Decide the settings: preset, then options, then --param and --set.
    given = {
        "labels.n": n,
        "data.range": value_range,
        "data.root": data,
        "data.offline": offline or None,
        "train.epochs": epochs,
        "seed": seed,
        "device": device,
        "dtype": dtype,
    }
    pairs = options.asks_for_pairs(settings)
    source = load_run(start) if start else None
    chosen = starting_settings(preset, source, dataset=dataset, labels=labels, values=given, pairs=pairs)
    config = _with_params(chosen.config, labels, params)
    config = config.override([*([f"algorithm={algorithm}"] if algorithm else []), *settings])
    if config.algorithm != "ff" and (labels or n or params):
        raise click.UsageError(f"algorithm {config.algorithm} uses no labels: leave out --labels, --n and --param")

    if config.data.range != "type" and config.data.name in KNOWN:
        raise click.UsageError(f"--range does not apply to {config.data.name}: it is for images of your own")

    # Train, and show the results.
    with net_output.Training(json_, tensorboard) as screen:
        about = chosen.about if config.algorithm == "ff" else f"its net and training, with algorithm={config.algorithm}"
        screen.preset = f"preset  {chosen.name}: {about}" if chosen.name else ""
        run = train(chosen._replace(config=config), start=source, out=out, watcher=screen.watcher())
    net_output.print_results(run, json_)
    if run.results and not json_:
        net_output.print_next_steps(run)
    if report and run.results:
        page = write_report(run, run.data())
        click.echo(f"report: {page}", err=json_)


def _refuse_words(words: tuple[str, ...]) -> None:
    """Refuse a positional argument, and suggest the option that it belongs to."""
    from ffnet.presets import list_presets

    if not words:
        return
    word = words[0]
    option = "--preset" if any(preset.name == word for preset in list_presets()) else "--dataset"
    if Path(word).suffix == ".json":
        option = "--labels"
    raise click.UsageError(f"Got unexpected extra argument ({word}). Did you mean {option} {word}?")


def _with_params(config: Config, labels: str | None, params: tuple[tuple[str, str], ...]) -> Config:
    """Return the configuration with the labeler's parameters; those of another labeler are dropped."""
    import msgspec

    from fflabels.errors import FFLabelsError
    from ffnet.labels.kinds import is_labeler

    if not params:
        return config.replaced({"labels.params": {}}) if labels else config
    name = config.labels.goodness.set if config.has_codes else config.labels.set
    if not is_labeler(name):
        raise FFLabelsError(
            "a finished set takes no parameters", where="--param", got=name, expected="a labeler's name"
        )
    labeler = options.make_labeler(name, params)
    return config.replaced({"labels.params": msgspec.to_builtins(labeler.params)})
