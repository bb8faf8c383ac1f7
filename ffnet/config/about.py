"""What each setting means: its docstring, its default and its choices, by ``section.key``."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import msgspec
import tomli_w

from fflabels.docstrings import field_docs
from ffnet.config.config import Config, type_of
from ffnet.config.sections import Section

WIDTH = 100
"""Comments in TOML files are wrapped at this column."""


class SettingAbout(NamedTuple):
    """A setting.

    Attributes
    ----------
    key
        Its name, ``section.key``.
    default
        Its default, as TOML; empty if it is unset.
    choices
        The words it accepts; empty if it takes other values.
    text
        Its docstring in one line; empty if its name says all.
    """

    key: str
    default: str
    choices: tuple[str, ...]
    text: str


@cache
def settings_about() -> dict[str, SettingAbout]:
    """Return every setting, by ``section.key``, in the order of the configuration file.

    Examples
    --------
    >>> from ffnet.config.about import settings_about
    >>> settings_about()["data.limit"].text
    'Train on at most this many images, the first ones after the validation split.'
    """
    return {setting.key: setting for setting in _settings(Config(), "")}


def commented(toml: str) -> str:
    """Return a configuration file with the meaning of each setting as a comment above it."""
    known, lines, section = settings_about(), [], ""
    for line in toml.splitlines():
        if header := re.fullmatch(r"\[([\w.]+)\]", line):
            section = f"{header[1]}."
        key = section + line.partition(" = ")[0]
        if setting := known.get(key):
            about = " ".join(filter(None, [setting.text, _one_of(setting)]))
            lines += textwrap.wrap(about, WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False)
        lines.append(line)
    return "\n".join(lines) + "\n"


def _one_of(setting: SettingAbout) -> str:
    """Return the choices as text, unless the docstring names them all."""
    if not setting.choices or all(f"``{choice}``" in setting.text for choice in setting.choices):
        return ""
    return f"One of {', '.join(setting.choices)}."


def _settings(section: Section, prefix: str) -> Iterator[SettingAbout]:
    texts = field_docs(type(section))
    for field in msgspec.structs.fields(section):
        value = getattr(section, field.name)
        if isinstance(value, Section):
            yield from _settings(value, f"{prefix}{field.name}.")
            continue
        key = prefix + field.name
        default = "" if value is None else tomli_w.dumps({"x": msgspec.to_builtins(value)}).partition(" = ")[2].strip()
        yield SettingAbout(key, re.sub(r"\s+", " ", default), _choices(type_of(key)), texts.get(field.name, ""))


def _choices(kind: Any) -> tuple[str, ...]:
    return tuple(map(str, kind.values)) if isinstance(kind, msgspec.inspect.LiteralType) else ()
