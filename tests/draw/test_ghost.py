"""Lines of another time, moved to now: from the right range, asked for seldom, and only of series."""

from __future__ import annotations

from perftui.analysis.buckets import Window
from perftui.draw.chart import Line, chart
from perftui.draw.ghost import AHEAD, MOST, WEEK, Ghost
from perftui.draw.rows import Look, Size, plain
from perftui.model.series import Series, SeriesKey

NOW = 1_795_615_200.0
KEY = SeriesKey("db", "calls_per_s")


def series(key=KEY, start=NOW - 900, end=NOW, value=5.0):
    made = Series(key, "1/s", capacity=1 << 20)
    at = start
    while at <= end:
        made.append(at, value)
        at += 10
    return made


class Past:
    """A memory of one series that counts how often it is asked."""

    def __init__(self, whole):
        self.whole, self.asked = whole, []

    def __call__(self, key, start, end):
        self.asked.append((key, start, end))
        made = Series(key, capacity=1 << 20)
        for at, value in zip(*self.whole.between(start, end), strict=True):
            made.append(at, value)
        return made


def test_last_week_lies_where_now_is():
    past = Past(series(start=NOW - WEEK - 900, end=NOW - WEEK + 300, value=9.0))
    (line,) = Ghost(WEEK, past).behind([Line.of(series(), "calls")], Window.last(900, NOW))
    assert line.name == "calls 1w ago"
    assert (line.at[0], line.style, set(line.value)) == (NOW - 900, "muted", {9.0})
    assert past.asked == [(KEY, NOW - 900 - WEEK, NOW + AHEAD - WEEK)]
    rows = plain(chart([Line.of(series(), "calls"), line], Size(70, 12), Window.last(900, NOW), Look()))
    assert "calls 1w ago" in rows[0]


def test_a_chart_that_moves_asks_once_a_minute():
    past = Past(series(start=NOW - WEEK - 900, end=NOW - WEEK + 900))
    ghost, lines = Ghost(WEEK, past), [Line.of(series(), "calls")]
    for second in range(60):
        ghost.behind(lines, Window.last(840, NOW + second))
    assert len(past.asked) == 1
    ghost.behind(lines, Window.last(840, NOW + 61))
    ghost.behind(lines, Window.last(3600, NOW + 61))  # longer than what is kept
    assert len(past.asked) == 3


def test_what_is_not_there_is_no_line():
    window = Window.last(900, NOW)
    none = Ghost(86400.0, Past(series()))
    assert none.behind([Line.of(series(), "calls")], window) == []
    assert none.words == "1d ago"
    past = Past(series())
    assert Ghost(WEEK, past).behind([Line("drawn", [NOW], [1.0])], window) == []  # no series: not asked
    assert past.asked == []
    ahead = Past(series(start=NOW - WEEK + 5, end=NOW - WEEK + 50))  # history begins where the chart ends
    assert Ghost(WEEK, ahead).behind([Line.of(series(), "calls")], window) == []


def test_what_is_kept_is_bounded():
    ghost = Ghost(WEEK, Past(series()))
    for n in range(MOST + 20):
        key = SeriesKey("db", f"s{n}")
        ghost.behind([Line.of(Series(key), "x")], Window.last(900, NOW))
    assert len(ghost._kept) == MOST
