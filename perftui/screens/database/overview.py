"""A database server at a glance: how much it does, how fast, what it waits for, and who costs most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.analysis.buckets import Window
from perftui.draw import format as fmt
from perftui.draw.chart import Line, Threshold
from perftui.draw.rows import Look, Rows, Size, Span
from perftui.draw.sparkline import spark
from perftui.draw.stackedarea import Layer, stackedarea
from perftui.draw.text import fill, line, message
from perftui.model.database import WAIT_CLASSES, ServerReport
from perftui.model.frame import Frame
from perftui.model.series import SeriesKey
from perftui.screens.database.cards import WINDOW_S, cards_of, draw_cards
from perftui.screens.database.columns import TARGET_S, statement_columns, statement_key
from perftui.screens.database.explain import explain_statement
from perftui.screens.database.server import nothing_ran, shown_server
from perftui.screens.tab import Tab
from perftui.widgets.chart import ChartPanel
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel


class OverviewTab(Tab):
    """Cards, calls and times of the last 15 minutes, waits, and the five heaviest statements."""

    DEFAULT_CSS = """
    OverviewTab { layout: grid; grid-size: 2; grid-columns: 1fr 1fr; grid-rows: 5 2fr 2fr 7; }
    OverviewTab { grid-gutter: 0 1; }
    OverviewTab #cards { column-span: 2; }
    OverviewTab #top { column-span: 2; }
    OverviewTab #waits { column-span: 2; }
    OverviewTab.wide { grid-rows: 5 1fr 1fr; }
    OverviewTab.wide #top { column-span: 1; }
    OverviewTab.wide #waits { column-span: 1; }
    OverviewTab.narrow { grid-size: 1; grid-columns: 1fr; grid-rows: 3 3 6 1fr; }
    OverviewTab.narrow #cards, OverviewTab.narrow #top, OverviewTab.narrow #waits { column-span: 1; }
    """
    id_: ClassVar[str] = "database.overview"
    title: ClassVar[str] = "Overview"
    topics: ClassVar[tuple[str, ...]] = ("database",)
    empty: ClassVar[str] = (
        "would show transactions, query times, cache hits, connections and replicas of PostgreSQL\n"
        'connect one: [env.NAME.backends.db] kind = "postgres", dsn = "postgresql://user@host/database"'
    )

    def compose(self) -> Iterable[Widget]:
        """The table takes the keys; charts come before it on screen."""
        yield Panel("Server", id="cards")
        yield Panel("Last 15 minutes", id="sparks")
        yield ChartPanel("Calls/s", unit="1/s", low=0, id="calls")
        yield ChartPanel("Time a call", unit="s", low=0, id="times")
        yield Panel("Active sessions by what they wait for", id="waits")
        yield LiveTable(
            statement_columns(short=True),
            key=statement_key,
            title="Heaviest statements",
            empty="no statement finished in the last minute",
            id="top",
        )

    def arrange_for(self, layout: int) -> None:
        """One column below 120; waits and statements side by side from 160 on."""
        self.set_class(layout < 120, "narrow")
        self.set_class(layout >= 160, "wide")
        for name, wide in (("sparks", False), ("calls", True), ("times", True)):
            self.query_one(f"#{name}").display = (layout >= 120) == wide

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Show the newest report."""
        frame = frames["database"]
        server = shown_server(frame)
        if server is None:
            return
        cards = self.query_one("#cards", Panel)
        cards.title = f"{server.source} · PostgreSQL {server.reading.server.version_text}"
        cards.note = _note(frame, server)
        cards.muted = self.look_for(frame).muted
        cards.set_rows(lambda size, look: draw_cards(cards_of(server), frame, size, look))
        self._charts(frame, server)
        self.query_one("#waits", Panel).set_rows(lambda size, look: _waits(frame, server, size, look))
        self._top(server)

    def _charts(self, frame: Frame, server: ServerReport) -> None:
        def curve(name: str, title: str) -> Line:
            return Line.of(frame.window(SeriesKey(server.source, name), WINDOW_S), title)

        self.query_one("#sparks", Panel).set_rows(lambda size, look: _sparks(frame, server, size, look))
        self.query_one("#calls", ChartPanel).set_lines([curve("calls_per_s", "calls")], frame.at)
        times = [curve("mean_s", "mean"), curve("p95_estimate_s", "≈p95 (estimate)")]
        target = Threshold(TARGET_S, "warn", "target")
        self.query_one("#times", ChartPanel).set_lines(times, frame.at, thresholds=(target,))

    def _top(self, server: ServerReport) -> None:
        table = self.query_one("#top", LiveTable)
        work = server.reading.workload
        table.empty, table.hint = nothing_ran(server)
        table.note = f"last {fmt.age(work.seconds)}" if work else ""
        table.set_items(work.statements[:30] if work else ())

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The statement under the cursor."""
        server = shown_server(self.frames["database"]) if self.frames else None
        if server is None:
            return None
        item = self.query_one("#top", LiveTable).current
        if item is None:
            return {"source": server.source}
        return {"source": server.source, "query_id": item.query_id, "statement": item.text}

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`w` and enter explain the statement."""
        if id not in {"database.explain", "open"}:
            return False
        return explain_statement(self, self.query_one("#top", LiveTable).current)


def _note(frame: Frame, server: ServerReport) -> str:
    facts = server.reading.server
    role = "standby" if facts.standby else "primary"
    others = len(frame.report.servers) - 1
    more = f" · {others} more under Replicas" if others else ""
    return f"{role} · {facts.database} · up {fmt.age(max(0.0, server.at - facts.started))}{more}"


def _sparks(frame: Frame, server: ServerReport, size: Size, look: Look) -> Rows:
    """Calls and times as one row each, where there is no room for charts."""
    rows: Rows = []
    for name, label, unit in (("calls_per_s", "calls/s", "1/s"), ("mean_s", "mean", "s")):
        series = frame.window(SeriesKey(server.source, name), WINDOW_S)
        newest = series.last.value if series.last else None
        head = f"{label:<8}{fmt.value(newest, unit, 9)}  "
        curve = spark(series, Window.last(WINDOW_S, frame.at), max(0, size.width - len(head)), look)
        rows.append(line(size.width, Span(head, "muted"), *curve))
    return fill(rows, size)


def _waits(frame: Frame, server: ServerReport, size: Size, look: Look) -> Rows:
    keys = [(wait, SeriesKey(server.source, "active_sessions", (("wait", wait),))) for wait in WAIT_CLASSES]
    layers = [Layer(name, frame.window(key, WINDOW_S), f"s{n % 8 + 1}") for n, (name, key) in enumerate(keys)]
    seen = [layer for layer in layers if any(sample.value for sample in layer.series)]
    if not seen:
        return message(size, "nothing ran or waited at the moments looked at")
    return stackedarea(seen, size, Window.last(WINDOW_S, frame.at), look)
