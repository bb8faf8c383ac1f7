"""Options that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from fflabels.labeler import Labeler
    from fflabels.registry import Entry

F = TypeVar("F", bound=Callable[..., Any])


class MetricType(click.ParamType[Any]):
    """A registered similarity metric. Its help lists the built-in ones without importing them."""

    name = "metric"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return the names to choose from."""
        return f"[{'|'.join(_metric_names())}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, if there is a metric of that name; an error suggests the nearest."""
        from fflabels.errors import nearest
        from fflabels.metrics import METRICS

        if value not in METRICS:
            self.fail(f"{value!r} is not one of the metrics: {nearest(value, METRICS)}", param, ctx)
        return str(value)


def _metric_names() -> list[str]:
    """Return the names of all registered metrics, or of the built-in ones where fflabels is not imported yet."""
    if registry := sys.modules.get("fflabels.metrics"):
        return list(registry.METRICS)
    package = find_spec("fflabels")
    assert package
    assert package.origin
    return Path(package.origin).with_name("metrics").joinpath("names.txt").read_text(encoding="utf-8").split()


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


class Finite(click.FloatRange):
    """A number in a range, neither NaN nor infinite."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not finite.", param, ctx)
        return number


class ParamType(click.ParamType[Any]):
    """``NAME=VALUE``."""

    name = "NAME=VALUE"

    def __init__(self, example: str = "waves=3") -> None:
        self.example = example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return (name, value)."""
        if isinstance(value, tuple):
            return value
        name, equals, rest = value.partition("=")
        if not name or not equals:
            self.fail(f"got {value!r}, expected NAME=VALUE, for instance {self.example}", param, ctx)
        return name, rest


def together(*added: Callable[[F], F]) -> Callable[[F], F]:
    """Return one decorator that adds these options; the help shows them in this order."""

    def add(function: F) -> F:
        for option in reversed(added):
            function = option(function)
        return function

    return add


param = click.option(
    "--param",
    "params",
    type=ParamType(),
    multiple=True,
    help="A parameter of the labeler. Items of a list are separated by commas; nested values are JSON, such as "
    "bands=[[0,1],[1,2]]; null unsets it. Repeatable.",
)


def metric(default: str, meaning: str) -> Callable[[F], F]:
    """Add ``--metric``."""
    return click.option("--metric", type=MetricType(), default=default, show_default=True, help=meaning)


def intensity(default: float | None) -> Callable[[F], F]:
    """Return the option ``--intensity``; without a default the label set decides."""
    return click.option(
        "--intensity",
        type=Finite(0, 1, min_open=True),
        default=default,
        show_default=True if default else "the file's, or 0.35",
        help="The label intensity K, for dprime.",
    )


def kind(function: F) -> F:
    """Add ``--kind``, ``--labeler`` and ``--param``; the function gets the labeler's name as ``kind``."""

    @click.option(
        "--kind",
        metavar="NAME",
        shell_complete=complete_labels,
        help="The labeler: morph, fourier, onehot, code, waves or a plugin; see fflabels list.",
    )
    @click.option(
        "--labeler",
        metavar="FILE.py:CLASS",
        help="A labeler in a file that is not installed. Runs the code in the file.",
    )
    @param
    @functools.wraps(function)
    def command(*args: Any, kind: str | None, labeler: str | None, **kwargs: Any) -> Any:
        if kind and labeler:
            raise click.UsageError("--kind or --labeler, not both", click.get_current_context())
        if not (kind or labeler):
            raise click.UsageError("Missing option '--kind'.", click.get_current_context())
        try_plugins_before_import()
        if labeler:
            from fflabels import registry

            kind = registry.offer_file(labeler).name
        return function(*args, kind=kind, **kwargs)

    return command  # type: ignore[return-value]


def plugin_code(function: F) -> F:
    """Let a command read label sets of any labeler: of installed plugins and, with ``--labeler``, of the one named."""

    @click.option(
        "--labeler",
        metavar="NAME|FILE.py:CLASS",
        help="Use this labeler if a label set's own is not installed: FILE.py:CLASS (its code is run) or a new name.",
    )
    @functools.wraps(function)
    def command(*args: Any, labeler: str | None, **kwargs: Any) -> Any:
        try_plugins_before_import()
        if labeler:
            from fflabels import origin, registry

            origin.substitute = registry.resolve(labeler, "--labeler")
        return function(*args, **kwargs)

    return command  # type: ignore[return-value]


def try_plugins_before_import() -> None:
    """Try each plugin, and the code of each labeler file, in another process before it is run in this one."""
    from fflabels import registry
    from fflabels.errors import FFLabelsError

    @functools.cache
    def refuse_broken(entry: Entry) -> None:
        from fflabels.testing import apart  # imported only if there is a plugin to try

        apart.refuse_broken(entry)

    def refuse_broken_file(spec: str) -> None:
        from fflabels.testing.apart import trouble_with

        click.echo(f"note: runs the code in {registry.file_of(spec)[0]}", err=True)
        if trouble := trouble_with(spec):
            raise FFLabelsError(trouble, where=f"labeler {spec}")

    registry.before_import, registry.before_file = refuse_broken, refuse_broken_file


pool = together(
    click.option(
        "--candidates",
        type=click.IntRange(min=1),
        default=2000,
        show_default=True,
        help="Number of distinct, visible labels to choose from.",
    ),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all random draws."),
    click.option(
        "--min-visibility",
        type=float,
        help="Smallest visibility of a candidate: its change of the images, in units of their contrast.  "
        "[default: the labeler's, 1 for most]",
    ),
)
"""The options that decide the candidates."""


named = together(
    click.option(
        "--n",
        type=click.IntRange(min=1),
        help="Number of labels, for built-in sets that can have any number, such as code:hadamard.",
    ),
    click.option(
        "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of a built-in set that has one."
    ),
)
"""Options for built-in sets that are made for a number of labels, a shape and a seed."""


def check_applies(labeler: Labeler[Any], *names: str) -> None:
    """Refuse, for codes, options about images that the user typed; `names` are those of the command."""
    from fflabels.codes import is_code

    if is_code(labeler):
        refuse_typed(names, "to codes: they are compared without images")


def check_range(source: str) -> None:
    """Refuse ``--range`` for the built-in images, whose range is known."""
    if source in ("photographs", "digits"):
        refuse_typed(("value_range",), f"to {source}: it is for images of your own")


def check_seed(labels: str) -> None:
    """Refuse ``--seed`` for a label-set file: only built-in sets are drawn."""
    if Path(labels).is_file():
        refuse_typed(("seed",), "to a label-set file")


def is_typed(name: str) -> bool:
    """Return whether the user typed an option of the command."""
    return click.get_current_context().get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def refuse_typed(names: Iterable[str], where: str) -> None:
    """Refuse options that the user typed where they do not apply."""
    by_name = {option.name: option for option in click.get_current_context().command.params}
    for name in names:
        if is_typed(name):
            raise click.UsageError(f"{by_name[name].opts[0]} does not apply {where}")


def asks_for_pairs(settings: Sequence[str], keys: Iterable[str] = ()) -> bool:
    """Return whether a setting as typed (``section.key=value``) or one of these keys is for labels in images only."""
    from ffnet.config.config import PAIRS_ONLY

    return any(key in PAIRS_ONLY for key in (*keys, *(text.partition("=")[0].strip() for text in settings)))


def _checked_range(_context: click.Context, _option: click.Parameter, text: str) -> str:
    """Check a range, and return it as typed: perhaps no image is ever read."""
    from fflabels.images import Range

    Range.parse(text)
    return text


value_range = click.option(
    "--range",
    "value_range",
    metavar="auto|type|LOW:HIGH",
    default="type",
    show_default=True,
    callback=_checked_range,
    help="Which stored values are black and white. auto: 0 and the largest value; type: the data type's range; "
    "LOW:HIGH: these two.",
)

reference_images = together(
    value_range,
    click.option(
        "--references",
        metavar="SOURCE",
        default="photographs",
        show_default=True,
        help="Reference images: photographs, digits, a folder of images or class folders, a TIFF, .npy or .npz file.",
    ),
)

force = click.option("--force", is_flag=True, help="Replace an existing file even if fflabels did not write it.")

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON instead of a table.")

time_limit = click.option(
    "--time-limit",
    "seconds",
    type=Finite(min=0, max=1e6, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a plugin may take to load, and for each check.",
)


def shape(default: str | None, purpose: str = "score") -> Callable[[F], F]:
    """Return the option ``--shape``; `purpose` says what is done at this shape."""
    return click.option(
        "--shape",
        type=ShapeType(),
        metavar="CxHxW",
        default=default,
        show_default=default is not None,
        help=f"Channels, height and width to {purpose} at" + ("." if default else "; default: the label set's own."),
    )


def run_folder(function: F) -> F:
    """Add the argument RUN, a run folder with labels of any labeler."""
    return click.argument("run", metavar="RUN", type=click.Path())(plugin_code(function))


tensorboard = click.option("--tensorboard", is_flag=True, help="Also write metrics for TensorBoard, in the run folder.")

data_root = click.option(
    "--data",
    metavar="DIR",
    help="Folder of torchvision's data sets; for a run on your own images, the folder where these are now.  "
    "[default: FFNET_DATA or ~/.cache/ffnet]",
)


def check_data_root(dataset: str | None, root: str | None) -> None:
    """Refuse ``--data`` together with a folder of images: that is already their place."""
    from ffnet.data.load import KNOWN

    if root and dataset and dataset not in KNOWN and Path(dataset).is_dir():
        raise click.UsageError(f"--data is for torchvision's data sets, but {dataset} is a folder of images")


def split(text: str) -> Callable[[F], F]:
    """Return the option ``--split``; the function gets ``validation`` or ``test``."""

    def full_name(_: click.Context, __: click.Parameter, value: str) -> str:
        return "validation" if value == "val" else value

    return click.option(
        "--split",
        type=click.Choice(("validation", "val", "test")),
        default="validation",
        show_default=True,
        callback=full_name,
        help=text,
    )


device = click.option("--device", metavar="NAME", help="auto (a GPU if there is one), cpu, cuda or cuda:i.")


def inference(text: str, *more: str) -> Callable[[F], F]:
    """Return the option ``--inference``, with `more` methods than a single net has."""
    methods = ("linear", "goodness", "cascade[:K]", "halving", *more)
    return click.option("--inference", metavar="|".join(methods), help=text)


def make_labeler(name: str, params: tuple[tuple[str, str], ...]) -> Labeler[Any]:
    """Return the labeler with the parameters that the user typed."""
    import msgspec

    from fflabels import registry
    from fflabels.errors import FFLabelsError
    from fflabels.labeler import convert_params

    is_full = any(entry.full_name == name for entry in registry.entries())
    if not is_full and name.rpartition(":")[0] in registry.list_labelers():
        raise FFLabelsError(
            "a built-in set, nothing to select from", where="kind", got=name, hint="fflabels score and show take it"
        )
    entry = registry.resolve(name)
    typed = convert_params(entry.name, registry.load_class(entry).params_type, dict(params), typed=False)
    return registry.make(entry, **msgspec.structs.asdict(typed))


def complete_presets(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """Return the presets that begin with what was typed, for a shell."""
    from ffnet.presets import list_presets

    return [preset.name for preset in list_presets(f"{typed}*")]


def complete_settings(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """Return the settings, ``section.key``, that begin with what was typed, for a shell."""
    from ffnet.config.about import settings_about

    return [key for key in settings_about() if key.startswith(typed)]


def complete_assignments(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """Return ``section.key=`` or ``section.key=value`` for a shell."""
    from ffnet.config.about import settings_about

    key, equals, value = typed.partition("=")
    if not equals:
        return [f"{name}=" for name in settings_about() if name.startswith(key)]
    setting = settings_about().get(key)
    return [f"{key}={choice}" for choice in (setting.choices if setting else ()) if choice.startswith(value)]


def complete_data_sets(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Return the data sets and folders that begin with what was typed, for a shell."""
    from ffnet.data.load import KNOWN

    names = [CompletionItem(name) for name in KNOWN if name.startswith(typed)]
    return names or [CompletionItem(typed, type="dir")]  # bash shows no names beside folders


def complete_labels(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Return the labelers and files that begin with what was typed, for a shell."""
    from fflabels.registry import entries

    names = [CompletionItem(entry.name) for entry in entries() if entry.name.startswith(typed)]
    return names or [CompletionItem(typed, type="file")]


what_to_train = together(
    click.option(
        "--labels",
        metavar="NAME|FILE",
        shell_complete=complete_labels,
        help="A labeler, a built-in set (fourier:paper10, code:hadamard), a label-set file, or FILE.py:CLASS (runs "
        "its code). Several codes with commas: each layer takes the first that exists for its width.",
    ),
    click.option(
        "--dataset",
        metavar="NAME|PATH",
        shell_complete=complete_data_sets,
        help="A data set, such as digits, mnist or cifar10 (a wrong name lists all), or a folder of class folders.",
    ),
    click.option(
        "--preset",
        metavar="NAME",
        shell_complete=complete_presets,
        help="Settings to start from; see ffnet presets.  [default: quick-… of the data set; pairs-… for labels "
        "that are pictures]",
    ),
    click.option("--epochs", type=click.IntRange(min=1), help="Number of epochs.  [default: the preset's]"),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        help="Seed of weights, order of images, negatives and label design.  [default: 0]",
    ),
)
"""The options of every command that trains."""
