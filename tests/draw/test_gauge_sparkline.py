"""Small drawings: exact size, the state in words, gaps and spikes kept."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.buckets import Window
from perftui.draw.gauge import gauge, judge
from perftui.draw.rows import Look, Size, plain
from perftui.draw.sparkline import spark, sparkline
from perftui.draw.text import row_width
from perftui.model.series import Series, SeriesKey

looks = st.sampled_from([Look(), Look(ascii_=True)])


@given(st.none() | st.floats(), st.integers(1, 60), st.integers(1, 4), looks, st.booleans())
def test_gauge_is_exactly_its_size(
    value: float | None, width: int, height: int, look: Look, down: bool
) -> None:
    rows = gauge("cpu", value, Size(width, height), look, warn=0.8, crit=0.9, down=down)
    assert [row_width(r) for r in rows] == [width] * height


def test_gauge_says_its_state() -> None:
    assert plain(gauge("cpu", 0.95, Size(40, 3), Look(), warn=0.8, crit=0.9))[0].endswith("95.0%  ■ crit")
    assert plain(gauge("cpu", 0.42, Size(20, 1), Look(), warn=0.8))[0] == "cpu       42.0% ● ok"
    assert plain(gauge("hit", 0.85, Size(40, 2), Look(), warn=0.9, crit=0.5, down=True))[0].endswith("▲ warn")
    assert judge(None, 1, 2) == "waiting"
    assert judge(5, None, None) == ""


def test_gauge_does_not_judge_the_last_value_of_what_is_lost() -> None:
    gone = Look(muted=True)
    assert plain(gauge("cpu", 0.42, Size(40, 3), gone, warn=0.8))[0].endswith("42.0%  ◌ lost")
    assert plain(gauge("cpu", 0.42, Size(40, 3), gone))[0].endswith("42.0%")


def test_gauge_has_ticks() -> None:
    bar = plain(gauge("cpu", 0.5, Size(40, 2), Look(), warn=0.8, crit=0.9))[1]
    assert bar.count("│") == 2
    assert bar.startswith("█" * 20 + "·")


@given(st.lists(st.none() | st.floats(), max_size=50), st.integers(0, 40), looks)
def test_sparkline_is_exactly_its_width(values: list[float | None], width: int, look: Look) -> None:
    assert row_width(sparkline(values, width, look)) == width


def test_sparkline_keeps_gaps_and_scale() -> None:
    assert plain([sparkline([0, 7, None, math.nan, 3.5], 5, Look())]) == ["▁█  ▅"]
    assert plain([sparkline([1, 1], 4, Look(ascii_=True), high=1)]) == ["  ##"]


def test_spark_of_a_series_keeps_spikes() -> None:
    series = Series(SeriesKey("a", "b"))
    for i in range(900):
        series.append(1000.0 + i, 100.0 if i == 450 else 1.0)
    text = plain([spark(series, Window(1000, 1900), 20, Look())])[0]
    assert text.count("█") == 1
    assert len(text) == 20
