"""``ffnet search``: search for good settings."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fflabels_cli import options

if TYPE_CHECKING:
    from ffnet.experiments.search import Space, Trial


@click.command("search")
@click.option(
    "--vary",
    "spaces",
    type=options.ParamType("train.lr=1e-4..1e-2"),
    metavar="SECTION.KEY=SPACE",
    multiple=True,
    required=True,
    help="A setting to vary: a|b|c, LOW..HIGH or 'log LOW..HIGH'; whole numbers for integers. Repeatable.",
)
@options.what_to_train
@click.option("--set", "settings", metavar="SECTION.KEY=VALUE", multiple=True, help="Any other setting. Repeatable.")
@click.option(
    "--trials", type=click.IntRange(min=1), default=20, show_default=True, help="Number of trials of this process."
)
@click.option(
    "--storage",
    "--journal",
    metavar="FILE|URL",
    default="search.journal",
    show_default=True,
    help="Where the search is kept: a journal file, postgresql://… or redis://…. Processes and machines that name the "
    "same one share a search.",
)
@click.option("--name", default="ffnet", show_default=True, help="The search's name in a storage that holds several.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("search"),
    show_default=True,
    help="Folder for the trials' run folders, which are named after their settings.",
)
@click.option(
    "--by",
    "inference",
    type=click.Choice(("goodness", "linear")),
    default="goodness",
    show_default=True,
    help="The inference method whose validation accuracy is maximised.",
)
@options.data_root
@options.as_json
def command(
    spaces: tuple[tuple[str, str], ...],
    labels: str | None,
    dataset: str | None,
    preset: str | None,
    epochs: int | None,
    seed: int | None,
    settings: tuple[str, ...],
    trials: int,
    storage: str,
    name: str,
    out: Path,
    inference: Any,
    data: str | None,
    json_: bool,
) -> None:
    """Search settings by validation accuracy. Each trial is a run folder; its test images are not evaluated.

    \b
    ffnet search --vary "train.lr=log 1e-4..1e-2" --vary "labels.intensity=0.1..0.6" --trials 30
    ffnet search --preset quick-mnist --vary "train.alpha=2|4|8" --epochs 1
    """
    from fflabels_cli import net_output, output
    from ffnet.experiments.search import Space, search
    from ffnet.runs.start import starting_settings

    # Parse the settings.
    options.try_plugins_before_import()
    varied = {}
    for key, space in spaces:
        if key in varied:
            raise click.UsageError(f"--vary names {key} twice")
        varied[key] = Space.of(key, space)
    given = {"data.root": data, "train.epochs": epochs, "seed": seed}
    pairs = options.asks_for_pairs(settings, varied)
    start = starting_settings(preset, dataset=dataset, labels=labels, values=given, pairs=pairs)
    config = start.config.override(settings)
    options.check_data_root(config.data.name, data)

    # Search; then print the command that repeats the best trial.
    with net_output.Training(json_, again="the same command") as screen:

        def report(trial: Trial) -> None:
            if not json_:
                screen.progress.print_line(_line(trial, varied))

        best = search(
            config, varied, trials=trials, storage=storage, out=out, name=name, inference=inference, report=report,
            progress=screen.progress,
        )  # fmt: skip
    if json_:
        values = {"number": best.number, "settings": best.settings, "accuracy": best.accuracy}
        output.print_json({**values, "storage": storage, "run": str(best.folder)})
        return
    click.echo(f"best: {_line(best, varied)}, in {best.folder}")
    typed = {"labels": labels, "dataset": dataset, "preset": preset, "epochs": epochs, "seed": seed, "data": data}
    words = [word for option, value in typed.items() if value is not None for word in (f"--{option}", str(value))]
    chosen = dict(setting.split("=", 1) for setting in settings)
    chosen |= {key: str(varied[key].typed(value)) for key, value in best.settings.items()}
    words += [word for key, value in chosen.items() for word in ("--set", f"{key}={value}")]
    click.echo(shlex.join(["ffnet", "train", *words]))


def _line(trial: Trial, spaces: Mapping[str, Space]) -> str:
    settings = ", ".join(f"{key} {spaces[key].typed(value)}" for key, value in trial.settings.items())
    result = trial.error if trial.accuracy is None else f"{100 * trial.accuracy:.2f} %"
    return f"trial {trial.number}: {settings}: {result}"
