"""The keys of tables and charts on a heat map and a chart that have the focus."""

from __future__ import annotations

from perftui.draw.heatmap import Heat
from perftui.widgets.chart import ChartPanel
from perftui.widgets.heatmap import HeatmapPanel
from tests.widgets.harness import Bench

HEAT = Heat(
    times=(0.0, 5.0, 10.0, 15.0), edges=(0.0, 1.0, 2.0, 4.0), counts=((1, 2, 3), (4, 5, 6), (7, 8, 9))
)


async def test_rows_and_columns_by_the_keys_of_all_tables() -> None:
    panel = HeatmapPanel("Latency")
    app = Bench(panel)
    async with app.run_test(size=(60, 12)):
        panel.set_heat(HEAT)
        panel.cursor_move(1)  # the first move puts it on the newest column
        assert panel.cursor == (2, 1)
        panel.cursor_move(1)
        assert panel.cursor == (2, 0)
        panel.cursor_move(-2)
        assert panel.cursor == (2, 2)
        panel.column_move(-1)
        assert panel.cursor == (1, 2)
        panel.column_move(9)
        assert panel.cursor == (2, 2)


async def test_a_chart_has_columns_only() -> None:
    chart = ChartPanel("CPU")
    app = Bench(chart)
    async with app.run_test(size=(60, 12)):
        chart.column_move(-1)
        at = chart.cursor
        assert at is not None
        chart.column_move(-3)
        assert chart.cursor is not None
        assert chart.cursor < at
