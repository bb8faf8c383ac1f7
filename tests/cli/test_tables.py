"""Tables and lines in a terminal of 80 columns: cells wrap between words, names and numbers are never cut."""

import pytest
from fflabels_cli import net_output, output


@pytest.fixture
def terminal(monkeypatch, capsys):
    """Standard output as a terminal of 80 columns."""
    monkeypatch.setattr(output, "_is_terminal", lambda _: True)
    monkeypatch.setenv("COLUMNS", "80")
    return capsys


def lines(terminal):
    found = [line.rstrip() for line in terminal.readouterr().out.splitlines()]
    assert max(map(len, found)) <= 80
    return found


def test_text_wraps_between_words(terminal):
    about = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    output.print_table("presets", ("name", "what"), [["a-name-that-is-long", about]], words=2)
    found = lines(terminal)
    assert found[2].startswith("a-name-that-is-long  one two")
    assert " ".join(" ".join(found[2:]).split()[1:]) == about


def test_names_and_numbers_are_never_cut(terminal):
    name = "x" * 50
    output.print_table("accuracy", ("settings", "n", "goodness"), [[f"{name} yyy {name}", "3", "99.44 ± 0.12"]])
    shown = terminal.readouterr().out
    assert shown.count(name) == 2
    assert "99.44 ± 0.12" in shown


def test_lines_wrap_between_words_below_their_first_word(terminal):
    output.print_line("labels  " + "learned codes over channels " * 5)
    first, second, *_ = lines(terminal)
    assert first.startswith("labels  learned codes")
    assert second.startswith("        over channels")
    output.print_line("a line of prose that is so long that it has to be broken somewhere, which is between two words")
    assert lines(terminal)[1].startswith("  ")


def test_a_confusion_matrix_with_long_names_has_numbered_columns(terminal):
    names = ["basophil", "blast", "eosinophil", "lymphocyte", "monocyte", "neutrophil", "plasma cell"]
    net_output.print_confusion([[1] * 7] * 7, names, ["14.3"] * 7)
    found = lines(terminal)
    assert found[1].split() == [*map(str, range(7)), "%"]
    assert found[-1].startswith("6 plasma cell")


def test_a_confusion_matrix_with_short_names_has_them(terminal):
    net_output.print_confusion([[3, 0], [1, 2]], ["cat", "dog"], ["100.0", "66.7"])
    assert lines(terminal)[1].split() == ["cat", "dog", "%"]
