"""Options that the subcommands of ``ffnet experiment`` share, and what they load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fflabels_cli import options

if TYPE_CHECKING:
    from ffnet.experiments.factors import Experiment, Job

F = TypeVar("F", bound=Callable[..., Any])


def shared(function: F) -> F:
    """Add the argument NAME|FILE.toml and the options ``--scale``, ``--out`` and ``--data``."""
    for option in (
        options.data_root,
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            default=Path("experiments"),
            show_default=True,
            help="Where the run folders are: OUT/NAME/SCALE.",
        ),
        click.option("--scale", default="full", show_default=True, help="A scale of the file, such as smoke."),
        click.argument("name", metavar="NAME|FILE.toml"),
    ):
        function = option(function)
    return function


def loaded(name: str, scale: str, out: Path, data: str | None) -> tuple[Experiment, list[Job], Path]:
    """Return an experiment, its jobs at a scale, and the folder of their runs."""
    from ffnet.experiments.factors import load_experiment

    experiment = load_experiment(name)
    return experiment, experiment.jobs(scale, data), out / experiment.name / scale


def report_command(name: str, scale: str) -> str:
    """Return the command that writes an experiment's table again, as one types it."""
    return f"ffnet experiment report {name}" + (f" --scale {scale}" if scale != "full" else "")
