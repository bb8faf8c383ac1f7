"""Class names in pictures: letters that the font lacks give numbers, and no warning of matplotlib's."""

import warnings

from ffnet.evaluation.statistics import Gap
from ffnet.report import figures
from ffnet.report.names import drawable, legend


def test_names_that_the_font_lacks_are_numbers_that_are_explained():
    names = ["Ärger", "日本", "α β", "한국"]
    assert drawable(names) == ["Ärger", "#1", "α β", "#3"]
    assert legend(names) == "Names that the font cannot draw are numbered: #1 is 日本, #3 is 한국."
    assert legend(["cat", "dog"]) is None


def test_no_name_is_a_formula_or_makes_matplotlib_warn():
    names = drawable(["$x_{$", "a $\\frac$ b", "日本", "new\nline", "<b>"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = figures.confusion([[1, 0, 0, 0, 0]] * 5, names)
    assert picture.startswith(b"\x89PNG")


def drawn(monkeypatch, draw, *arguments):
    """Return the axes of a picture."""
    found = []
    monkeypatch.setattr(figures, "png", lambda figure: found.extend(figure.axes) or b"")
    draw(*arguments)
    return found


def test_points_are_in_their_order_though_a_line_lacks_one(monkeypatch):
    lines = {"bp": {"64": [0.5], "128": [0.6]}, "goodness": {"32": [0.1], "64": [0.2], "128": [0.3]}}
    [axis] = drawn(monkeypatch, figures.accuracy_by_point, lines, ["32", "64", "128"], "x", "y", "title")
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["32", "64", "128"]
    [first, second] = [line.lines[0].get_xdata().tolist() for line in axis.containers]
    assert (first, second) == ([1, 2], [0, 1, 2])


def test_a_factor_looks_the_same_in_every_panel(monkeypatch):
    panels = {"goodness": {"labels": {"a": Gap(0.1, 0, 0.2, 3)}, "norm": {"b": Gap(0.1, 0, 0.2, 3)}},
              "bp": {"norm": {"b": Gap(0.1, 0, 0.2, 3)}}}  # fmt: skip
    axes = drawn(monkeypatch, figures.effects, panels, ["a", "b"], "points", "title")
    norm = [{line.get_color() for line in axis.lines if list(line.get_ydata()) == [1]} for axis in axes]
    assert norm[0] == norm[1]
    assert axes[0].get_legend_handles_labels()[1] == ["labels", "norm"]


def test_effects_of_many_factors_have_a_look_each():
    gaps = {f"factor {k}": {f"level {k}": Gap(0.01 * k, 0.0, 0.02, 3)} for k in range(9)}
    names = [f"level {k}" for k in range(9)]
    assert figures.effects({"goodness": gaps}, names, "points", "title").startswith(b"\x89PNG")
