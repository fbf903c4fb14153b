"""The application's endpoints: how often each is asked, how fast it answers, how often it fails."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.analysis.endpoints import EndpointRow, merged, thrown
from perftui.analysis.queues import Key, Paces, key, lying, newest, opened
from perftui.analysis.queues import merged as with_rows
from perftui.draw.chart import Mark
from perftui.draw.clean import inert
from perftui.draw.heatmap import Heat
from perftui.model.endpoint import EndpointPast
from perftui.model.frame import Frame
from perftui.model.health import Link
from perftui.model.queues import QueueView
from perftui.model.resources import ResourcesReport
from perftui.screens.overview import endpoints, queues
from perftui.screens.tab import Tab
from perftui.widgets.chart import ChartPanel
from perftui.widgets.heatmap import HeatmapPanel
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

TOPIC = "overview.endpoint"
QUEUES = "overview.queues"
EVERY = 5.0
"""Seconds between two looks at the past of the opened endpoint, which grows by one stretch in ten."""


class ApiTab(Tab):
    """A table; enter opens the endpoint under the cursor below it, in its place where there is no room."""

    DEFAULT_CSS = """
    ApiTab #endpoints { height: 1fr; }
    ApiTab #queues { height: 7; display: none; }
    ApiTab #pools { height: 4; display: none; }
    ApiTab.narrow #queues { height: 5; }
    ApiTab.narrow.open #queues, ApiTab.narrow #pools { display: none; }
    ApiTab.work #endpoints { height: 5; }
    ApiTab.work #queues { height: 1fr; }
    ApiTab #detail { height: 2fr; layout: grid; grid-size: 2; grid-gutter: 0 1; display: none; }
    ApiTab.open #detail { display: block; layout: grid; }
    ApiTab.narrow #detail { height: 1fr; grid-size: 1; }
    ApiTab.narrow.open #endpoints { height: 4; }
    ApiTab #traces { display: none; column-span: 2; }
    ApiTab.traced #detail { grid-rows: 1fr 1fr 6; }
    ApiTab.traced #traces { display: block; }
    ApiTab.traced.narrow #traces { column-span: 1; }
    ApiTab.traced.narrow #detail { grid-rows: 1fr 1fr 4; }
    """
    id_: ClassVar[str] = "overview.api"
    title: ClassVar[str] = "API"
    topics: ClassVar[tuple[str, ...]] = ("resources", TOPIC, QUEUES, "cache", "database", "events")
    empty: ClassVar[str] = (
        "would show each endpoint's rate, quantiles, errors and Apdex\n"
        "and queues with depth, age and pace: backends of kind valkey, kafka and rabbitmq\n"
        'no endpoint source connected: [env.NAME.backends.shop] kind = "scrape", url = "http://…/metrics"'
    )

    def __init__(self) -> None:
        super().__init__()
        self.opened = False
        self._paces = Paces()
        self._parted: set[Key] = set()  # queues whose partitions are shown
        self._queues_asked = 0.0
        self._asked: tuple[tuple[str, str, str], float] | None = None

    def compose(self) -> Iterable[Widget]:
        """The table takes the keys."""
        yield LiveTable(
            endpoints.columns(self._spark_of, lambda: self.look),
            key=lambda row: row.key,
            title="Endpoints",
            id="endpoints",
            sort="rate",
            reverse=True,
            empty="no endpoint source connected",
            hint='add a backend: kind = "scrape" with a url of metrics, or "accesslog" with a log\'s path',
        )
        yield LiveTable(
            queues.columns(), key=lambda v: key(v.depth), title="Queues", id="queues", empty="no queue"
        )
        yield Panel("Pools", id="pools", focusable=False)
        with Widget(id="detail"):
            yield ChartPanel("p50 p95 p99", unit="s", low=0, id="quantiles")
            yield HeatmapPanel("Latency", id="heat")
            yield ChartPanel("requests/s", unit="1/s", low=0, id="rate")
            yield ChartPanel("errors/s by status", unit="1/s", low=0, id="errors")
            yield Panel("Slowest requests with a trace", id="traces", focusable=False)

    def arrange_for(self, layout: int) -> None:
        """Below 120 columns the opened endpoint has room for two pictures."""
        self.set_class(layout < 120, "narrow")
        for name in ("#rate", "#errors"):
            self.query_one(name).display = layout >= 120

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """The newest figures, and the pictures of what is opened."""
        frame = frames["resources"]
        report = frame.report if isinstance(frame.report, ResourcesReport) else ResourcesReport()
        rows = merged(report.apis)
        table = self.query_one("#endpoints", LiveTable)
        table.set_items(rows)
        windows = {f"{row.window:.0f} s" for row in rows}
        table.note = f"over {' and '.join(sorted(windows))}" if windows else ""
        self._work(frames, report)
        row = self.current
        if self.opened and row is not None:
            self._detail(frame, frames[TOPIC], row, endpoints.deploys(frames["events"].report))

    def _work(self, frames: Mapping[str, Frame], report: ResourcesReport) -> None:
        """Queues where a server has some, and pools where anybody tells of theirs."""
        now = max(frames[topic].at for topic in ("resources", "cache"))
        if now - self._queues_asked >= EVERY:
            self._queues_asked = now
            for source in self.session.sources("QueueReader"):
                look = self.session.looks.get(source)  # none of them is there in a recording
                if look is not None and look.health.link in (Link.LIVE, Link.LATE):
                    self._ask_queues(source)
        depths = frames[QUEUES].report
        told = (*report.queues, *lying(frames["cache"].report))
        views = newest(self._paces.views(depths if isinstance(depths, tuple) else ()), told)
        table = self.query_one("#queues", LiveTable)
        table.display = bool(views) and not (self.has_class("narrow") and self.opened)
        table.set_items(opened(views, self._parted))
        self.set_class(bool(views) and not report.apis, "work")
        rows = queues.pools(frames["database"].report, report.apis)
        pools = self.query_one("#pools", Panel)
        pools.display = bool(rows) and not self.has_class("narrow")
        pools.set_rows(lambda size, look: queues.pool_rows(rows, size, look))

    def _ask_queues(self, source: str) -> None:
        async def asked(power: Any) -> Any:
            fresh = await power.queues()
            return with_rows(self.session.frame(QUEUES).report, source, fresh)

        self.probe(QUEUES, source, "QueueReader", asked)

    @property
    def current(self) -> EndpointRow | None:
        """The endpoint under the cursor."""
        row = self.query_one("#endpoints", LiveTable).current
        return row if isinstance(row, EndpointRow) else None

    def _spark_of(self, row: EndpointRow) -> Any:
        frame = self.frames["resources"]
        return endpoints.summed(frame, row, "requests_per_s", endpoints.WINDOW), frame.at

    def _detail(self, frame: Frame, past_frame: Frame, row: EndpointRow, marks: tuple[Mark, ...]) -> None:
        self._ask(row, frame.at)
        name = inert(" ".join(row.key[1:]), 60)
        quantiles = self.query_one("#quantiles", ChartPanel)
        several = len(row.sources) > 1
        quantiles.title = f"p95 of {name}, each backend" if several else f"p50 p95 p99 of {name}"
        quantiles.set_lines(
            endpoints.lines(frame, row, ("p50_s", "p95_s", "p99_s"), quantiles.seconds),
            frame.at,
            marks=marks,
        )
        rate = self.query_one("#rate", ChartPanel)
        rate.set_lines(endpoints.lines(frame, row, ("requests_per_s",), rate.seconds), frame.at, marks=marks)
        rate.title = "requests/s, each backend" if several else "requests/s"
        told = self._telling(row)
        at = f" at {inert(told, 40)}" if several and told else ""
        failed, classes = (
            self.query_one("#errors", ChartPanel),
            endpoints.classes_of(self._thrown(frame, row)),
        )
        failed.title = f"errors/s by status{at}" + (f": {classes}" if classes else "")
        self.query_one("#heat", HeatmapPanel).title = f"Latency{at}"
        past = past_frame.report
        if not isinstance(past, EndpointPast) or (past.method, past.route) != row.key[1:]:
            past = EndpointPast(row.key[2], row.key[1], (), ())
        failed.set_lines(endpoints.errors(past), frame.at, marks=marks)
        self._traces(frame, row)
        self.query_one("#heat", HeatmapPanel).set_heat(endpoints.heat(past) or Heat((), (), ()))

    @staticmethod
    def _thrown(frame: Frame, row: EndpointRow) -> tuple[tuple[str, float], ...]:
        report = frame.report
        return thrown(report.apis, row) if isinstance(report, ResourcesReport) else ()

    def _traces(self, frame: Frame, row: EndpointRow) -> None:
        """Requests that can be looked up by their trace, where the service names some."""
        assert isinstance(frame.report, ResourcesReport)
        api = next((view.reading for view in frame.report.apis if view.source == row.sources[0]), None)
        self.set_class(bool(endpoints.exemplars(api, row)), "traced")
        panel = self.query_one("#traces", Panel)
        panel.set_rows(lambda size, look: endpoints.traces(api, row, size, look))

    def _ask(self, row: EndpointRow, at: float) -> None:
        """Look at the endpoint's past again when another is opened, and now and then."""
        source = self._telling(row)
        if source and (self._asked is None or self._asked[0] != row.key or at - self._asked[1] >= EVERY):
            self._asked = (row.key, at)
            _, method, route = row.key
            self.probe(TOPIC, source, "EndpointSource", lambda power: power.endpoint_past(route, method))

    def _telling(self, row: EndpointRow) -> str:
        """The first backend that keeps what became of an endpoint; "" where all stand in lists."""
        able = self.session.sources("EndpointSource")
        return next((source for source in row.sources if source in able), "")

    def set_open(self, opened: bool) -> None:
        """Show or hide the pictures of the endpoint under the cursor."""
        self.opened = opened and self.current is not None
        self.set_class(self.opened, "open")
        self.redraw()

    def on_live_table_opened(self, message: LiveTable.Opened) -> None:
        """Enter: the pictures of an endpoint, the partitions of a queue."""
        if isinstance(message.item, QueueView):
            self._parted ^= {key(message.item.depth)}
            self.redraw()
        else:
            self.set_open(True)

    def on_live_table_cursor_moved(self, _message: LiveTable.CursorMoved) -> None:
        """The pictures follow the cursor."""
        if self.opened:
            self.redraw()

    def on_chart_panel_zoomed(self, _zoomed: ChartPanel.Zoomed) -> None:
        """Another window: hand over that much history."""
        self.redraw()

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The endpoint under the cursor."""
        row = self.current
        if row is None:
            return None
        return {"source": row.sources[0], **endpoints.figures(row)}

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`enter` opens, `esc` closes, `w` names the sources."""
        row = self.current
        if id == "open" and row is not None:
            self.set_open(True)
        elif id == "close" and self.opened:
            self.set_open(False)
        elif id == "overview.sources" and row is not None:
            told = endpoints.evidence(row, self._thrown(self.frames["resources"], row))
            self.toast(inert(told, 600))
        else:
            return False
        return True
