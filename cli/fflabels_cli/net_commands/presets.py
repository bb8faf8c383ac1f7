"""``ffnet presets``: list the presets."""

from __future__ import annotations

import click

from fflabels_cli import options


@click.command("presets")
@click.argument("name", required=False, shell_complete=options.complete_presets)
@options.as_json
def command(name: str | None, json_: bool) -> None:
    """List the presets, or show every setting of one as TOML, with its meaning.

    NAME may hold wildcards: ffnet presets "paper-cifar10-*".
    """
    import msgspec

    from fflabels_cli import output
    from ffnet.config.about import commented
    from ffnet.presets import list_presets, load_preset

    if name and not set(name) & set("*?["):
        preset = load_preset(name)
        if json_:
            output.print_json(msgspec.to_builtins(preset.config))
        else:
            click.echo(f"# {preset.name}: {preset.about}\n{commented(preset.config.to_toml().decode())}", nl=False)
        return
    presets = list_presets(name or "*")
    if json_:
        output.print_json([{"name": p.name, "about": p.about, "ours": p.ours} for p in presets])
        return
    rows = [[p.name, "ours" if p.ours else "paper", p.about] for p in presets]
    output.print_table("presets", ("name", "recipe", "what"), rows, words=3)
