"""``fflabels list``: list the labelers, or show one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fflabels_cli import options

if TYPE_CHECKING:
    from fflabels.registry import Entry


USE = {
    "code": "a label is a code over W channels of a layer: --shape Wx1x1",
    "channels": "a label is m channels that later layers receive: --shape mxHxW",
}
"""What users type for labels that are no pictures, by the labeler's `pattern`."""


@click.command("list")
@click.argument("pattern", metavar="[NAME|PATTERN]", default="*")
@options.as_json
def command(pattern: str, json_: bool) -> None:
    """List the labelers, built-in ones and plugins; show one with its parameters.

    \b
    fflabels list              all, without importing them
    fflabels list 'mor*'       those that match a shell pattern
    fflabels list morph        one, with its parameters: types, ranges, defaults. Imports it.
    """
    import fnmatch
    from dataclasses import asdict

    from fflabels.registry import entries
    from fflabels_cli import output

    labelers = [entry for entry in entries() if fnmatch.fnmatch(entry.name, pattern)]
    if ":" in pattern or not set(pattern) & set("*?["):
        _show(pattern, json_)
        return
    if json_:
        output.print_json([asdict(entry) for entry in labelers])
        return
    if not labelers:
        click.echo(f"no labeler matches {pattern}")
        return
    rows = [[e.name, e.state, f"{e.distribution} {e.version}", e.value] for e in labelers]
    output.print_table("labelers", ("name", "state", "distribution", "class"), rows, words=4)


def _show(name: str, json_: bool) -> None:
    """Show one labeler."""
    from dataclasses import asdict

    from fflabels import registry
    from fflabels.describe import parameters
    from fflabels_cli import output

    options.try_plugins_before_import()
    entry = registry.resolve(name)
    labeler_type = registry.load_class(entry)
    with registry.blaming(labeler_type):
        taken = parameters(labeler_type)
    if json_:
        shown = asdict(entry) | {"pattern": labeler_type.pattern}
        shown |= {"parameters": [asdict(one) for one in taken]}
        output.print_json([{**shown, "sets": list(labeler_type.named_sets), "doc": _doc(labeler_type)}])
        return
    for line in _lines(entry, labeler_type):
        output.print_line(line)
    rows = [[one.name, one.type, one.default, one.doc] for one in taken]
    if rows:
        output.print_table("parameters (--param NAME=VALUE)", ("name", "type", "default", "what it is"), rows, words=4)
    else:
        click.echo("no parameters")


def _lines(entry: Entry, labeler_type: Any) -> list[str]:
    """Return what there is to say of a labeler before its parameters."""
    made_by = f"{entry.distribution} {entry.version}, " if entry.distribution else ""
    lines = [f"{entry.name}, {entry.state}: {made_by}{entry.value}"]
    if doc := _doc(labeler_type):
        lines.append(doc)
    if labeler_type.named_sets:
        lines.append("built-in sets: " + ", ".join(f"{entry.name}:{name}" for name in labeler_type.named_sets))
    if use := USE.get(labeler_type.pattern):
        lines.append(use)
    if labeler_type.channels:
        lines.append(f"draws on images of {labeler_type.channels} channels")
    if labeler_type.min_side > 1:
        lines.append(f"draws on images of {labeler_type.min_side} pixels a side or more")
    return lines


def _doc(labeler_type: Any) -> str:
    """Return the first line of a labeler's own docstring."""
    text = (vars(labeler_type).get("__doc__") or "").strip()
    return text.splitlines()[0] if text else ""
