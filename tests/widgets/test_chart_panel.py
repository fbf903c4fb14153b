"""The chart's keys, and the small panels around it."""

from __future__ import annotations

import pytest

from perftui.draw.chart import Line
from perftui.draw.rows import plain
from perftui.model.series import Series, SeriesKey
from perftui.widgets.chart import ChartPanel, span_text
from perftui.widgets.gauge import GaugePanel
from perftui.widgets.sparkline import SparklinePanel
from tests.widgets.harness import Bench

NOW = 1_795_615_330.0


def line() -> Line:
    return Line("ops", [NOW - 900 + i for i in range(901)], [float(i) for i in range(901)])


async def test_cursor_and_window() -> None:
    panel = ChartPanel("ops/s", unit="1/s", seconds=900, low=0)
    async with Bench(panel).run_test(size=(80, 15)) as pilot:
        panel.set_lines([line()], NOW)
        assert "900/s" in plain(panel.drawn)[0]
        assert "15 m" in plain(panel.drawn)[0]
        panel.focus()
        await pilot.press("left")
        assert panel.cursor == NOW
        await pilot.press("left", "left")
        assert panel.cursor is not None
        assert NOW - 40 < panel.cursor < NOW
        assert "11-25 14:0" in plain(panel.drawn)[1]
        await pilot.press("escape")
        assert panel.cursor is None
        panel.zoom(1)
        assert panel.seconds == 300
        panel.zoom(-1)
        panel.zoom(-1)
        assert panel.seconds == 3600
        for _ in range(20):
            panel.zoom(-1)
        assert panel.seconds == 30 * 86400


async def test_before_the_first_reading_there_is_no_axis() -> None:
    panel = ChartPanel("ops/s", unit="1/s", low=0)
    async with Bench(panel).run_test(size=(80, 15)):
        said = "\n".join(plain(panel.drawn))
        assert "nothing read yet" in said
        assert "┤" not in said


@pytest.mark.parametrize(("seconds", "text"), [(60, "1 m"), (900, "15 m"), (86400, "24 h"), (604800, "7 d")])
def test_window_names(seconds: float, text: str) -> None:
    assert span_text(seconds) == text


async def test_gauge_and_sparkline_panels() -> None:
    meter = GaugePanel("cpu", warn=0.8, crit=0.9)
    curve = SparklinePanel("ops", unit="1/s")
    series = Series(SeriesKey("a", "ops"), "1/s")
    for i in range(100):
        series.append(NOW - 100 + i, float(i))
    async with Bench(meter, curve).run_test(size=(60, 8)):
        meter.set_value(0.95)
        curve.set_series(series, NOW)
        assert "■ crit" in plain(meter.drawn)[0]
        assert plain(curve.drawn)[0].startswith("ops      99/s ")
        assert "█" in plain(curve.drawn)[0]
