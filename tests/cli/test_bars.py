"""Progress bars: the time that is left, and what a terminal shows of it."""

import io

import pytest
from fflabels_cli import output


@pytest.fixture
def bars(monkeypatch):
    """Bars on a terminal, whose clock the test sets."""
    monkeypatch.setattr(output, "_is_terminal", lambda _: True)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    now = [100.0]
    monkeypatch.setattr(output, "monotonic", lambda: now[0])
    with output.Bars() as shown:
        shown.now = now
        yield shown


def left(bars):
    (task,) = bars._bars.tasks
    return output.time_left(task.fields["ends"])


def test_the_time_left_is_the_mean_pace_so_far(bars):
    bars("work", 0, 10)
    assert left(bars) == "– left"
    bars.now[0] += 30
    bars("work", 2, 10)
    assert left(bars) == "2:00 left"
    bars.now[0] += 20  # between two steps it counts down
    assert left(bars) == "1:40 left"
    bars.now[0] += 1000
    assert left(bars) == "0:00 left"


def test_work_that_was_done_before_does_not_count(bars):
    bars("work", 6, 10)
    bars.now[0] += 10
    bars("work", 7, 10)
    assert left(bars) == "0:30 left"


def test_a_bar_goes_when_its_work_is_done(bars):
    bars("work", 10, 10)
    assert bars._bars.tasks == []


def test_hours():
    assert output.duration(3 * 3600 + 61) == "3:01:01"
    assert output.duration(None) == "–"
