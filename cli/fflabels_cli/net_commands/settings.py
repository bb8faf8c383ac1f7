"""``ffnet settings``: what each setting means."""

from __future__ import annotations

import click

from fflabels_cli import options


@click.command("settings")
@click.argument("key", required=False, shell_complete=options.complete_settings)
@options.as_json
def command(key: str | None, json_: bool) -> None:
    """List all settings with their defaults, or explain one, or those of a section or a pattern.

    \b
    ffnet settings train.lr
    ffnet settings train
    ffnet settings "*pool*"

    Set them by --set: ffnet train --set train.lr=1e-3
    """
    from fnmatch import fnmatchcase

    from fflabels.errors import FFLabelsError
    from fflabels_cli import output
    from ffnet.config import Config
    from ffnet.config.about import settings_about

    known = settings_about()
    matching = [s for s in known.values() if not key or fnmatchcase(s.key, key) or s.key.startswith(f"{key}.")]
    if not matching:
        Config().replaced({str(key): None}, "ffnet settings")  # says which are near
        raise FFLabelsError("no such setting", where="ffnet settings", got=key)
    if json_:
        output.print_json([setting._asdict() for setting in matching])
        return
    for setting in matching:
        click.echo(f"{click.style(setting.key, bold=True)} = {setting.default or '(unset)'}")
        words = f"One of {', '.join(setting.choices)}. " if setting.choices else ""
        if text := (words + setting.text).strip():
            click.echo(click.wrap_text(text, 80, initial_indent="    ", subsequent_indent="    "))
