"""Write docs/settings.md from the docstrings of the settings; with ``--check`` only say whether it is current."""

import re
import sys
from pathlib import Path

from ffnet.config.about import SettingAbout, settings_about

TARGET = Path(__file__).with_name("settings.md")
HEAD = """# Settings

Written by `python docs/generate_settings.py` from the settings' docstrings. `ffnet settings KEY` prints the same, and
`ffnet presets NAME` a preset with these texts as comments. Set one by `--set section.key=value`, or in Python by
`config.override(["section.key=value"])`.

The defaults are those of `ffnet.Config()`. `ffnet train` starts from a preset instead, which changes many of them.

[ours] marks what the paper does not have, [base] what comes from the code that the paper started from.
[Training networks](training.md#presets-and-settings) says which settings work together.
"""


def page() -> str:
    """Return the page."""
    sections: dict[str, list[SettingAbout]] = {}
    for setting in settings_about().values():
        sections.setdefault(setting.key.rpartition(".")[0], []).append(setting)
    lines = [HEAD]
    for section, settings in sections.items():
        lines += [f"## {section or 'The run'}", "", "| setting | default | meaning |", "|---|---|---|"]
        lines += [f"| `{s.key}` | {_default(s)} | {_meaning(s)} |" for s in settings]
        lines.append("")
    return "\n".join(lines)


def _default(setting: SettingAbout) -> str:
    return f"`{setting.default}`" if setting.default else "unset"


def _meaning(setting: SettingAbout) -> str:
    """Return the docstring as Markdown, after the words that the setting accepts if the text does not name them all."""
    text = re.sub(r"``([^`]+)``", r"`\1`", setting.text)
    if any(f"`{choice}`" not in text for choice in setting.choices):
        text = f"One of {', '.join(f'`{choice}`' for choice in setting.choices)}. {text}"
    return text.replace("|", r"\|").strip()


if __name__ == "__main__":
    if "--check" not in sys.argv:
        TARGET.write_text(page())
    elif not TARGET.exists() or TARGET.read_text() != page():
        sys.exit("docs/settings.md is not what the settings say: run python docs/generate_settings.py")
