"""What each edge serves: requests by cache state, hit ratio, bandwidth, objects, origins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.draw import format as fmt
from perftui.draw.chart import Line, Threshold
from perftui.draw.palette import state_span
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.table import Cell, Column
from perftui.draw.text import line, wrap
from perftui.model.cdn import CdnReport, EdgeView, Origin
from perftui.model.frame import Frame
from perftui.model.series import SeriesKey
from perftui.screens.cdn.base import CONNECT, VENDORS, CdnTab
from perftui.widgets.chart import ChartPanel
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

STATES = ("hit", "miss", "pass", "stale")
WINDOW = 900.0


def origins_cell(origins: tuple[Origin, ...]) -> Cell:
    """The worst origin of an edge."""
    sick = [o for o in origins if o.healthy is False]
    if sick:
        return f"■ {sick[0].name} sick", "crit"
    return (f"● {len(origins)} well", "ok") if origins else ("–", "muted")


def columns() -> list[Column]:
    """Columns of the table of edges."""

    def fact(name: str) -> Any:
        return lambda view: getattr(view.facts, name)

    return [
        Column("source", "Edge", width=10, grow=True),
        Column("product", "Product", value=fact("product"), width=15, priority=4),
        Column("requests", "Req/s", fmt.number, value=fact("requests_per_s"), width=7, align="right"),
        Column("hit", "Hit", fmt.ratio, value=fact("hit_ratio"), width=7, align="right"),
        Column(
            "bytes", "Out", lambda v: fmt.rate(v, "bytes"), value=fact("bytes_per_s"), width=11, align="right"
        ),
        Column("objects", "Objects", fmt.count, value=fact("objects"), width=8, align="right", priority=2),
        Column(
            "stored", "Stored", fmt.bytes_, value=fact("stored_bytes"), width=9, align="right", priority=3
        ),
        Column("errors", "Err/s", fmt.number, value=fact("errors_per_s"), width=7, align="right", priority=2),
        Column("origins", "Origins", origins_cell, value=fact("origins"), width=12),
    ]


class TrafficTab(CdnTab):
    """Edges as a table, the selected one as charts."""

    DEFAULT_CSS = """
    TrafficTab { layout: grid; grid-size: 2; grid-columns: 1fr 1fr; grid-rows: 5 1fr 1fr; grid-gutter: 0 1; }
    TrafficTab #edges { column-span: 2; }
    TrafficTab.narrow { grid-size: 1; grid-columns: 1fr; grid-rows: 4 1fr 6; }
    TrafficTab.narrow #edges { column-span: 1; }
    """
    id_: ClassVar[str] = "cdn.traffic"
    title: ClassVar[str] = "Traffic"
    topics: ClassVar[tuple[str, ...]] = ("cdn", "cdn.look")
    empty: ClassVar[str] = f"would show requests by cache state, hit ratio, bandwidth and origins\n{CONNECT}"

    def compose(self) -> Iterable[Widget]:
        """The table of edges takes the keys."""
        yield LiveTable(columns(), key=lambda view: view.source, title="Edges", id="edges")
        yield ChartPanel("Requests/s by state", unit="1/s", low=0, id="states")
        yield ChartPanel("Hit ratio", unit="ratio", low=0, high=1, id="hits")
        yield ChartPanel("Bandwidth", unit="bytes/s", low=0, id="bytes")
        yield Panel("Origins", id="origins")

    def arrange_for(self, layout: int) -> None:
        """Below 120 columns: table, one chart, origins."""
        self.set_class(layout < 120, "narrow")
        for name in ("#hits", "#bytes"):
            self.query_one(name).display = layout >= 120

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Show the newest report."""
        frame = frames["cdn"]
        report = frame.report
        if not isinstance(report, CdnReport):
            return
        self.query_one("#edges", LiveTable).set_items(report.edges)
        chosen = self._chosen(report)
        if chosen is not None:
            self._charts(frame, chosen.source)
            said = self.look_line()
            self.query_one("#origins", Panel).set_rows(
                lambda size, look: origin_rows(chosen, said, size, look)
            )

    def _charts(self, frame: Frame, source: str) -> None:
        def one(name: str, title: str) -> Line:
            return Line.of(frame.window(SeriesKey(source, name), WINDOW), name=title)

        states = [one(f"{state}_per_s", state) for state in STATES]
        self.query_one("#states", ChartPanel).set_lines([s for s in states if len(s.at)], frame.at)
        limits = (Threshold(0.9, "warn"),)
        self.query_one("#hits", ChartPanel).set_lines([one("hit_ratio", "hit")], frame.at, thresholds=limits)
        self.query_one("#bytes", ChartPanel).set_lines([one("bytes_per_s", "out")], frame.at)

    def _chosen(self, report: CdnReport) -> EdgeView | None:
        key = self.query_one("#edges", LiveTable).cursor_key
        return next((e for e in report.edges if e.source == key), None) or next(iter(report.edges), None)

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The edge under the cursor."""
        report = self.frames["cdn"].report if self.frames else None
        chosen = self._chosen(report) if isinstance(report, CdnReport) else None
        return {"source": chosen.source, "product": chosen.facts.product} if chosen else None

    def on_live_table_cursor_moved(self, _moved: LiveTable.CursorMoved) -> None:
        """Another edge: show its charts."""
        self.redraw()


def origin_rows(view: EdgeView, said: str, size: Size, look: Look) -> Rows:
    """Each origin's health with its evidence, then what this edge cannot do, then the last look."""
    rows: list[Row] = []
    for origin in view.facts.origins:
        state = {True: "ok", False: "crit", None: "waiting"}[origin.healthy]
        spans = (state_span(state, look), Span(f" {origin.name}  "), Span(origin.detail, "muted"))
        rows.append(line(size.width, *spans))
    if view.facts.limits:
        rows.append(line(size.width, Span(f"{view.facts.product}: {', '.join(view.facts.limits)}", "muted")))
    if said:
        rows.append(line(size.width, Span(said)))
    rows += wrap(VENDORS, size.width, "faint")
    return rows
