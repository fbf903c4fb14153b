"""What the business counts, against last week, band and target, and what an incident costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.draw.clean import inert
from perftui.model.business import TOPIC, BusinessReport, MetricView, series_key
from perftui.model.frame import Frame
from perftui.screens.overview import figures
from perftui.screens.tab import Tab
from perftui.widgets.chart import ChartPanel
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

DECLARE = '[business.orders] kind = "counter", source = "shop", read = "orders_total"'


class BusinessTab(Tab):
    """A row a figure; the one under the cursor is drawn below, over last week's ghost and in its band."""

    DEFAULT_CSS = """
    BusinessTab { layout: grid; grid-size: 2; grid-columns: 2fr 1fr; grid-rows: 1fr 1fr; grid-gutter: 0 1; }
    BusinessTab #figures { column-span: 2; }
    BusinessTab.narrow { grid-size: 1; grid-columns: 1fr; }
    BusinessTab.narrow #figures { column-span: 1; }
    """
    id_: ClassVar[str] = "overview.business"
    title: ClassVar[str] = "Business"
    topics: ClassVar[tuple[str, ...]] = (TOPIC,)
    empty: ClassVar[str] = (
        "would show sign-ups, revenue, sessions … a minute, against last week, band and target\n"
        f"declare one: {DECLARE}"
    )

    def compose(self) -> Iterable[Widget]:
        """The figures take the keys."""
        yield LiveTable(
            figures.columns(self._spark_of, lambda: self.look),
            key=lambda view: view.metric.name,
            title="Figures",
            id="figures",
            empty="nothing read yet",
        )
        yield ChartPanel("", low=0, id="course")
        yield Panel("", id="about")

    def arrange_for(self, layout: int) -> None:
        """Below 120 columns the figure's words give way to its chart."""
        self.set_class(layout < 120, "narrow")
        self.query_one("#about").display = layout >= 120

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """The newest figures, and the picture of the chosen one."""
        frame = frames[TOPIC]
        if not isinstance(frame.report, BusinessReport):
            return
        table = self.query_one("#figures", LiveTable)
        table.empty, table.hint = "no figure declared", DECLARE
        table.set_items(frame.report.metrics)
        view = self.current
        if view is None:
            return
        course = self.query_one("#course", ChartPanel)
        course.title = inert(view.metric.title, 60)
        lines, band, goal = figures.course(
            view, frame.history or self.session.history, frame.at, course.seconds
        )
        course.set_lines(lines, frame.at, thresholds=goal, band=band)
        about = self.query_one("#about", Panel)
        about.title = course.title
        about.set_rows(lambda size, look: figures.about(view, size, look))

    @property
    def current(self) -> MetricView | None:
        """The figure under the cursor."""
        row = self.query_one("#figures", LiveTable).current
        return row if isinstance(row, MetricView) else None

    def _spark_of(self, view: MetricView) -> Any:
        frame = self.frames[TOPIC]
        return frame.window(series_key(view.metric.name), figures.WINDOW), frame.at

    def on_live_table_cursor_moved(self, _message: LiveTable.CursorMoved) -> None:
        """The picture follows the cursor."""
        self.redraw()

    def on_chart_panel_zoomed(self, _zoomed: ChartPanel.Zoomed) -> None:
        """Another window: hand over that much history."""
        self.redraw()

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The figure under the cursor."""
        view = self.current
        if view is None:
            return None
        return {
            "source": view.metric.source,
            "metric": view.metric.name,
            "value": view.value,
            "week": view.week,
        }

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`w` says where the figure comes from."""
        view = self.current
        if id != "overview.figure-source" or view is None:
            return False
        self.toast(inert(figures.evidence(view), 600))
        return True
