"""Output: tables on stdout, progress on stderr if that is a terminal, JSON on request."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Self, TextIO

import click

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from fflabels import LabelSet
    from fflabels.label_set_file import Contents


class Bars:
    """A progress function: shows bars with the time left if stderr is a terminal, and nothing otherwise."""

    def __init__(self) -> None:
        self._bars: RichProgress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._begun: dict[str, tuple[float, int]] = {}
        """When the work of each bar was first heard of, and how much of it was done then."""

    def __enter__(self) -> Self:
        if _is_terminal(sys.stderr):
            from rich.console import Console
            from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as RichProgress
            from rich.text import Text

            class TimeLeft(ProgressColumn):
                def render(self, task: Task) -> Text:
                    return Text(time_left(task.fields["ends"]))

            self._bars = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.completed}/{task.total}"),
                TimeElapsedColumn(),
                TimeLeft(),
                console=Console(stderr=True, markup=False, highlight=False, emoji=False),
                transient=True,
            )
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars:
            self._bars.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Update the bar of some work; remove it when the work is done."""
        if not self._bars:
            return
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total, ends=None)
            self._begun[what] = monotonic(), done
        began, first = self._begun[what]
        ends = monotonic() + (monotonic() - began) / (done - first) * (total - done) if done > first else None
        self._bars.update(self._tasks[what], completed=done, total=total, ends=ends)
        if done >= total:
            self._bars.remove_task(self._tasks.pop(what))

    def print_line(self, line: str) -> None:
        """Print a line on stderr, above the bars."""
        if self._bars:
            self._bars.console.print(wrapped(line, self._bars.console.width), soft_wrap=True)
        else:
            click.echo(line, err=True)


def time_left(ends: float | None) -> str:
    """Return the time until a moment of the monotonic clock as text; a dash before it can be estimated."""
    return f"{duration(None if ends is None else max(0.0, ends - monotonic()))} left"


def duration(seconds: float | None) -> str:
    """Return seconds as h:mm:ss or m:ss; – for None."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def times(count: int) -> str:
    """Return ``once`` or ``n times``."""
    return "once" if count == 1 else f"{count} times"


def print_line(line: str) -> None:
    """Print a line on stdout, on a terminal wrapped between words."""
    from shutil import get_terminal_size

    click.echo(wrapped(line, get_terminal_size().columns) if _is_terminal(sys.stdout) else line)


def wrapped(line: str, width: int) -> str:
    """Return a line wrapped between words; continuation lines are indented by 2, or to the text after a heading."""
    import re
    from textwrap import fill

    heading = re.match(r"\S+ {2,}", line)
    indent = " " * (len(heading[0]) if heading else 2)
    return fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1) -> None:
    """Print a table: the first `words` columns aligned left, the others right.

    In a narrow terminal headings wrap, and cells of the first columns wrap between words; no word is cut.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(header_style="bold", box=None, pad_edge=False)
    for k, name in enumerate(head):
        cells = [row[k] for row in rows]
        parts = (cell.split() if k < words else [cell] for cell in cells)
        widest = max(map(len, [*name.split(), *chain.from_iterable(parts)]), default=0)
        table.add_column(name, justify="left" if k < words else "right", min_width=widest)
    for row in rows:
        table.add_row(*row)
    console = Console(width=None if _is_terminal(sys.stdout) else 200, markup=False, highlight=False, emoji=False)
    title = wrapped(title, console.width) if _is_terminal(sys.stdout) else title
    console.print(title, style="bold", soft_wrap=True)
    console.print(table, crop=False)


def _is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal; None is a stream that the caller has closed."""
    return stream is not None and stream.isatty()


def print_json(value: Any) -> None:
    """Print JSON with sorted keys."""
    import json

    click.echo(json.dumps(value, sort_keys=True, indent=1, allow_nan=False))


def number(value: float | None) -> str:
    """Return a similarity with three decimals, or a dash for None."""
    return "–" if value is None else f"{value:.3f}"


def similarity_rows(labels: LabelSet) -> list[list[str]]:
    """Return one row per metric: largest and mean similarity of the set and of sets chosen by chance.

    Metrics that do not apply to codes have dashes.
    """
    from fflabels.codes import is_code
    from fflabels.scores import SCORED_METRICS

    assert labels.scores is not None
    rows = []
    for metric, summary in labels.scores.similarity.items():
        chance = labels.scores.random.get(metric)
        chance_cells = [number(chance.max), number(chance.mean)] if chance else ["–", "–"]
        rows.append([metric, number(summary.max), number(summary.mean), *chance_cells])
    if is_code(labels.labeler):
        rows += [[metric, "–", "–", "–", "–"] for metric in SCORED_METRICS if metric not in labels.scores.similarity]
    return rows


def search_figures(labels: LabelSet) -> dict[str, Any] | None:
    """Return the largest similarity after greedy construction and after the search, and the proved bound, for JSON."""
    selection = labels.selection
    if selection is None:
        return None
    gap = None if selection.gap is None or selection.gap == float("inf") else selection.gap
    figures = {"greedy": selection.greedy, "score": selection.score, "bound": selection.bound, "gap": gap}
    return {**figures, "optimal": selection.optimal, "iterations": selection.iterations}


def search_line(labels: LabelSet) -> str | None:
    """Return the figures of `search_figures` in one line, beside chance; None for a set that was not searched for."""
    selection, metric = labels.selection, labels.provenance.metric
    if selection is None or labels.scores is None or metric is None:
        return None
    chance = labels.scores.random.get(metric)  # type: ignore[call-overload]
    parts = [f"chance {number(chance.max)}"] if chance else []
    parts += [f"greedy {number(selection.greedy)}"] if selection.greedy is not None else []
    parts.append(f"this set {number(selection.score)}")
    if selection.bound is not None:
        gap = selection.gap if selection.gap is not None and selection.gap < float("inf") else None
        proved = "OPTIMAL" if selection.optimal else "gap unknown" if gap is None else f"gap {100 * gap:.1f} %"
        parts.append(f"no set below {number(selection.bound)}: {proved}")
    return f"largest {metric}: {', '.join(parts)}"


def print_readability(labels: LabelSet) -> None:
    """Print the smallest d′, the value by chance, and a warning if it is likely too small."""
    from fflabels.metrics import METRICS

    assert labels.scores is not None
    if readability := labels.scores.readability:
        click.echo(readability)
    elif len(labels) > 1 and labels.scores.references:
        needed = METRICS["dprime"].min_images
        click.echo(f"least d′: not estimated; it takes K below 1 and {needed} different reference images")
    if warning := labels.warning:
        click.echo(warning)


SIMILARITY_HEAD = ("similarity", "largest", "mean", "chance: largest", "chance: mean")


def describe(labels: LabelSet | Contents) -> str:
    """Return one line about a set: number of labels and candidates, a plugin's version, shape, reference images."""
    from fflabels.origin import LabelerMark

    assert labels.scores is not None
    origin, scores, labeler = labels.provenance, labels.scores, labels.labeler
    mark = labeler if isinstance(labeler, LabelerMark) else LabelerMark.of(labeler)
    pool = f" of {origin.candidates} candidates ({origin.drawn} draws)" if origin.candidates else ""
    return f"{len(labels)} {mark.title} labels{pool}, at {scores.place}"


def summary(labels: LabelSet) -> dict[str, Any]:
    """Return the content of a label-set file without the recipes, for JSON."""
    import json

    content: dict[str, Any] = json.loads(labels.to_json())
    del content["recipes"], content["imprints"]
    return {**content, "n": len(labels)}


def check_output(path: Path, suffix: str = "", *, force: bool = False, inputs: Iterable[str | Path] = ()) -> None:
    """Refuse, before any work, a path that cannot be written, and a file that another program or the user made.

    Parameters
    ----------
    path
        What the command is to write.
    suffix
        Of the kind of file: ``.png``, ``.html``, or none for a label set, which may have any. Files of other kinds are
        never known to be ours.
    force
        Whether to replace a foreign file all the same.
    inputs
        Files, and folders of pictures, that the command reads: these files are never replaced, and no picture is
        written among those.
    """
    from fflabels.errors import FFLabelsError
    from fflabels.files import check_writable, is_our_page, is_our_picture
    from fflabels.images.read import SUFFIXES
    from fflabels.label_set_file import is_label_set

    if str(path) == "-":
        raise FFLabelsError("cannot write to standard output", where="-", expected="a file's name")
    check_writable(path)
    if suffix and path.suffix.lower() != suffix:
        raise FFLabelsError("wrong ending", where=str(path), expected=f"a name ending in {suffix}")
    read = [Path(file).resolve() for file in inputs if Path(file).exists()]
    around = path.resolve().parents[:2]  # pictures of a folder and of its class folders are read
    folder = next((file for file in read if file.is_dir() and file in around), None)
    if folder and path.suffix.lower() in SUFFIXES:
        hint = "choose a name in another folder"
        raise FFLabelsError("would be one of the pictures to read", where=str(path), got=f"in {folder}", hint=hint)
    if not path.exists():
        return
    if any(path.samefile(file) for file in read):
        raise FFLabelsError("is also an input: not replaced", where=str(path), hint="choose another name")
    kinds: dict[str, tuple[str, Callable[[Path], bool]]] = {
        "": ("exists and is not a label set", is_label_set),
        ".png": ("exists and is not a picture that fflabels wrote", is_our_picture),
        ".html": ("exists and is not a page that fflabels wrote", is_our_page),
    }
    refusal, is_ours = kinds.get(suffix, ("exists", lambda _: False))
    if not force and not suffix and path.with_name("config.toml").exists() and path.with_name("run.json").exists():
        hint = "choose another name, or --force, which spoils the run"
        raise FFLabelsError("belongs to a run: not replaced", where=str(path), hint=hint)
    if not force and path.stat().st_size and not is_ours(path):
        raise FFLabelsError(f"{refusal}: not replaced", where=str(path), hint="choose another name, or --force")
