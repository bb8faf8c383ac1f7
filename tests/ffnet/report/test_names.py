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


def test_effects_of_many_factors_have_a_look_each():
    gaps = {f"factor {k}": {f"level {k}": Gap(0.01 * k, 0.0, 0.02, 3)} for k in range(9)}
    names = [f"level {k}" for k in range(9)]
    assert figures.effects({"goodness": gaps}, names, "points", "title").startswith(b"\x89PNG")
