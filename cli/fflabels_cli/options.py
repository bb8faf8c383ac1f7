"""Options that several commands share, so that they mean and read the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from fflabels.labeler import Labeler

F = TypeVar("F", bound=Callable[..., Any])

METRICS = ("pearson", "shift")


class ShapeType(click.ParamType[Any]):
    """``CxHxW``."""

    name = "CxHxW"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int, int]:
        """Return (C, H, W)."""
        if isinstance(value, tuple):
            return value
        from fflabels.arrays import parse_shape
        from fflabels.errors import FFLabelsError

        try:
            return parse_shape(value)
        except FFLabelsError as error:
            self.fail(str(error), param, ctx)


class ParamType(click.ParamType[Any]):
    """``NAME=VALUE``."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return (name, value)."""
        if isinstance(value, tuple):
            return value
        name, equals, rest = value.partition("=")
        if not name or not equals:
            self.fail(f"got {value!r}, expected NAME=VALUE, for instance waves=3", param, ctx)
        return name, rest


def param(function: F) -> F:
    """Add ``--param``."""
    return click.option(
        "--param",
        "params",
        type=ParamType(),
        multiple=True,
        help="A parameter of the labeler; lists with commas. Repeatable.",
    )(function)


def kind(function: F) -> F:
    """Add ``--kind`` and ``--param``."""
    return click.option(
        "--kind",
        required=True,
        metavar="NAME",
        help="The labeler: morph, fourier, onehot, or a plugin's (see fflabels list).",
    )(param(function))


def pool(function: F) -> F:
    """Add what decides the candidates: ``--candidates --seed --min-visibility``."""
    function = click.option(
        "--min-visibility",
        type=float,
        help="Least change that a label makes, in units of the images' contrast.  [default: the labeler's, 1 for most]",
    )(function)
    function = click.option(
        "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of every draw."
    )(function)
    return click.option(
        "--candidates",
        type=click.IntRange(min=1),
        default=2000,
        show_default=True,
        help="Distinct, visible draws to choose from.",
    )(function)


def reference_images(function: F) -> F:
    """Add ``--references``."""
    return click.option(
        "--references",
        metavar="SOURCE",
        default="photographs",
        show_default=True,
        help="Images to score on: photographs, digits, a folder of images, or a TIFF, .npy or .npz file.",
    )(function)


def as_json(function: F) -> F:
    """Add ``--json``."""
    return click.option("--json", "json_", is_flag=True, help="Print JSON instead of a table.")(function)


def shape(default: str | None) -> Callable[[F], F]:
    """Return the option ``--shape``."""
    return click.option(
        "--shape",
        type=ShapeType(),
        default=default,
        show_default=default is not None,
        help="Channels, height and width to score at" + ("." if default else "; the one in the file unless given."),
    )


def run_folder(function: F) -> F:
    """Add the argument RUN."""
    return click.argument("run", metavar="RUN", type=click.Path())(function)


def data_root(function: F) -> F:
    """Add ``--data``."""
    return click.option(
        "--data",
        metavar="DIR",
        help="Where the data are: torchvision's folder.  [default: FFNET_DATA or ~/.cache/ffnet]",
    )(function)


def device(function: F) -> F:
    """Add ``--device``."""
    return click.option("--device", metavar="NAME", help="auto (a GPU where there is one), cpu, cuda or cuda:i.")(
        function
    )


def inference(text: str) -> Callable[[F], F]:
    """Return the option ``--inference``."""
    return click.option("--inference", metavar="linear|goodness|cascade[:K]|halving", help=text)


def make_labeler(name: str, params: tuple[tuple[str, str], ...]) -> Labeler[Any]:
    """Return the labeler with parameters as they were typed."""
    import msgspec

    from fflabels import registry
    from fflabels.labeler import convert_params

    entry = registry.find(name)
    typed = convert_params(entry.name, registry.load_class(entry).params_type, dict(params), typed=False)
    return registry.make(entry, **msgspec.structs.asdict(typed))
