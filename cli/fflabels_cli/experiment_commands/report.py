"""``ffnet experiment report``."""

from __future__ import annotations

from typing import Any

import click

from fflabels_cli import options
from fflabels_cli.experiment_options import Place, shared


@click.command("report")
@shared
def command(**place: Any) -> None:
    """Write the rows, the table with differences, and the plots, of the runs that are finished."""
    from fflabels_cli.experiment_commands.run import report

    options.try_plugins_before_import()
    report(Place(**place))
