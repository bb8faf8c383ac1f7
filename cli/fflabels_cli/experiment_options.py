"""Options that the subcommands of ``ffnet experiment`` share, and what they load."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from fflabels_cli import options

if TYPE_CHECKING:
    from ffnet.experiments.factors import Experiment, Job

F = TypeVar("F", bound=Callable[..., Any])

OUT = Path("experiments")
"""Where run folders are unless ``--out`` names another folder."""


class Place(NamedTuple):
    """An experiment's name or file, and the options that its subcommands share."""

    name: str
    scale: str
    out: Path
    data: str | None
    seeds: int | None

    @property
    def words(self) -> list[str]:
        """What is typed after ``ffnet experiment run``."""
        given = {"--scale": self.scale, "--out": self.out, "--data": self.data, "--seeds": self.seeds}
        return [self.name, *_words(given)]

    @property
    def report_command(self) -> str:
        """The command that writes the report again, without options that have their defaults."""
        given = {
            "--scale": self.scale if self.scale != "full" else None,
            "--out": self.out if self.out != OUT else None,
            "--data": self.data,
            "--seeds": self.seeds,
        }
        return shlex.join(["ffnet", "experiment", "report", self.name, *_words(given)])

    def load(self) -> tuple[Experiment, list[Job], Path]:
        """Return the experiment, its jobs, and the folder of their runs."""
        from ffnet.experiments.load import load_experiment

        experiment = load_experiment(self.name)
        return experiment, experiment.jobs(self.scale, self.data, self.seeds), self.out / experiment.name / self.scale


def _words(given: Mapping[str, object]) -> list[str]:
    """Return options as words of a command, without those that have no value."""
    return [word for name, value in given.items() if value for word in (name, str(value))]


shared = options.together(
    click.argument("name", metavar="NAME|FILE.toml"),
    click.option("--scale", default="full", show_default=True, help="A scale of the file, such as smoke."),
    click.option("--seeds", type=click.IntRange(min=1), help="How many seeds.  [default: as the file says]"),
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        default=OUT,
        show_default=True,
        help="Where the run folders are: OUT/NAME/SCALE.",
    ),
    options.data_root,
)
