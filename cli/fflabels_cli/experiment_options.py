"""Options that the subcommands of ``ffnet experiment`` share, and what they load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from fflabels_cli import options

if TYPE_CHECKING:
    from ffnet.experiments.factors import Experiment, Job

F = TypeVar("F", bound=Callable[..., Any])


class Place(NamedTuple):
    """What is typed: an experiment's name or file, a scale, where the runs and the data are, how many seeds."""

    name: str
    scale: str
    out: Path
    data: str | None
    seeds: int | None

    @property
    def words(self) -> list[str]:
        """What is typed after ``ffnet experiment run``."""
        given = {"--scale": self.scale, "--out": str(self.out), "--data": self.data, "--seeds": self.seeds}
        return [self.name, *(word for name, value in given.items() if value for word in (name, str(value)))]

    @property
    def report_command(self) -> str:
        """The command that writes the report again, as one types it."""
        scale = f" --scale {self.scale}" if self.scale != "full" else ""
        seeds = f" --seeds {self.seeds}" if self.seeds else ""
        return f"ffnet experiment report {self.name}{scale}{seeds}"

    def load(self) -> tuple[Experiment, list[Job], Path]:
        """Return the experiment, its jobs, and the folder of their runs."""
        from ffnet.experiments.load import load_experiment

        experiment = load_experiment(self.name)
        return experiment, experiment.jobs(self.scale, self.data, self.seeds), self.out / experiment.name / self.scale


def shared(function: F) -> F:
    """Add the argument NAME|FILE.toml and the options ``--scale``, ``--seeds``, ``--out`` and ``--data``."""
    for option in (
        options.data_root,
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            default=Path("experiments"),
            show_default=True,
            help="Where the run folders are: OUT/NAME/SCALE.",
        ),
        click.option("--seeds", type=click.IntRange(min=1), help="How many seeds.  [default: as the file says]"),
        click.option("--scale", default="full", show_default=True, help="A scale of the file, such as smoke."),
        click.argument("name", metavar="NAME|FILE.toml"),
    ):
        function = option(function)
    return function
