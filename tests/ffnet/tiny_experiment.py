"""A small experiment on digits, for tests."""

from ffnet.experiments.load import load_experiment

TINY = """
about = "Two goodness functions on digits"
primary = "log less log-contrast, goodness"
preset = "pairs-digits"
seeds = 2

[settings]
data.limit = 60
net.widths = [4, 6, 6]
net.pools = [2, 2, 1]
net.kernel = 3
train.epochs = 2
labels.candidates = 16
inference.linear_epochs = 1

[factors.goodness]
levels.log-contrast = {}
levels.log = { settings = { train.goodness = "log" } }
"""

COMMAND = "import sys; from fflabels_cli.app import ffnet; sys.argv = ['ffnet', *sys.argv[1:]]; ffnet()"
"""For ``python -c``: the command ``ffnet``."""


def experiment(folder, text, name="mine"):
    """Return the experiment of a text, as a file of this name."""
    path = folder / f"{name}.toml"
    path.write_text(text)
    return load_experiment(path)
