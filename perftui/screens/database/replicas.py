"""Who follows the primary, how far behind, and what holds the log back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.draw import format as fmt
from perftui.draw.chart import Line, Threshold
from perftui.draw.palette import glyph
from perftui.draw.rows import Look, Rows, Size, Span
from perftui.draw.text import fill, line
from perftui.model.database import ReplicaState, ServerReport
from perftui.model.frame import Frame
from perftui.model.series import SeriesKey
from perftui.screens.database.columns import LAG_TARGET_S, replica_columns, slot_columns
from perftui.screens.database.server import shown_server
from perftui.screens.tab import Tab
from perftui.widgets.chart import ChartPanel
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

WINDOW_S = 900.0


class ReplicasTab(Tab):
    """Servers, replicas as their primary sees them, lag over time, slots."""

    DEFAULT_CSS = """
    ReplicasTab { layout: grid; grid-size: 2; grid-columns: 1fr 1fr; grid-rows: 5 1fr 1fr; grid-gutter: 0 1; }
    ReplicasTab #servers { column-span: 2; }
    ReplicasTab #replicas { column-span: 2; }
    ReplicasTab.narrow { grid-size: 1; grid-columns: 1fr; grid-rows: 4 1fr 1fr 4; }
    ReplicasTab.narrow #servers, ReplicasTab.narrow #replicas { column-span: 1; }
    """
    id_: ClassVar[str] = "database.replicas"
    title: ClassVar[str] = "Replicas"
    topics: ClassVar[tuple[str, ...]] = ("database",)
    empty: ClassVar[str] = (
        "would show every replica with its state, lag in bytes and seconds, and the slots\n"
        'connect the primary: [env.NAME.backends.db] kind = "postgres", dsn = "postgresql://user@host/database"'
    )

    def compose(self) -> Iterable[Widget]:
        """The table of replicas takes the keys."""
        yield Panel("Servers", id="servers")
        yield LiveTable(
            replica_columns(),
            key=lambda r: (r.name, r.pid),
            title="Replicas",
            empty="no replica is connected to this server",
            id="replicas",
        )
        yield ChartPanel("Lag", unit="s", low=0, id="lag")
        yield LiveTable(slot_columns(), key=lambda s: s.name, title="Slots", empty="no slots", id="slots")

    def arrange_for(self, layout: int) -> None:
        """One column below 120."""
        self.set_class(layout < 120, "narrow")

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Show the newest report."""
        frame = frames["database"]
        server = shown_server(frame)
        if server is None:
            return
        servers = frame.report.servers
        self.query_one("#servers", Panel).set_rows(lambda size, look: _servers(frame, servers, size, look))
        table = self.query_one("#replicas", LiveTable)
        table.title = f"Replicas of {server.source}"
        table.set_items([*server.reading.replicas, *_gone(server)])
        self.query_one("#slots", LiveTable).set_items(server.reading.slots)
        self._lag(frame, server)

    def _lag(self, frame: Frame, server: ServerReport) -> None:
        names = [r.name for r in server.reading.replicas] + [name for name, _ in server.lost_replicas]
        keys = [SeriesKey(server.source, "lag_s", (("replica", name),)) for name in dict.fromkeys(names)]
        lines = [Line.of(frame.window(key, WINDOW_S), dict(key.labels)["replica"]) for key in keys]
        target = Threshold(LAG_TARGET_S, "warn", "target")
        self.query_one("#lag", ChartPanel).set_lines(lines, frame.at, thresholds=(target,))

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The replica under the cursor."""
        server = shown_server(self.frames["database"]) if self.frames else None
        item = self.query_one("#replicas", LiveTable).current if server else None
        if server is None or item is None:
            return None
        return {"source": server.source, "replica": item.name, "lag_s": item.lag_s}


def _gone(server: ServerReport) -> list[ReplicaState]:
    """Replicas that no longer stream, as rows."""
    return [
        ReplicaState(name, "", "gone", "", None, None, None, None, None) for name, _ in server.lost_replicas
    ]


def _servers(frame: Frame, servers: tuple[ServerReport, ...], size: Size, look: Look) -> Rows:
    """A row a connected server: role, version, and what a standby says of itself."""
    rows: Rows = []
    for server in servers:
        health = frame.health.get(server.source)
        link = health.link.value if health else "live"
        sign = Span(f"{glyph('ok' if link == 'live' else link, look)} ", "ok" if link == "live" else "crit")
        facts = server.reading.server
        words = f"{server.source:<18} {'standby' if facts.standby else 'primary'}  {facts.version_text}"
        rows.append(line(size.width, sign, words, "  ", _own_view(server, frame.at)))
    return fill(rows, size)


def _own_view(server: ServerReport, now: float) -> Span:
    receiver = server.reading.receiver
    if receiver is None:
        rate = server.reading.totals.wal_bytes_per_s
        return Span(
            f"log {fmt.bytes_(rate)}/s, up {fmt.age(max(0.0, now - server.reading.server.started))}", "muted"
        )
    if receiver.paused:
        return Span(f"replay paused, {fmt.bytes_(receiver.behind_bytes)} received and not replayed", "warn")
    state = receiver.status or "not streaming"
    text = f"{state} from {receiver.sender or '–'}, {fmt.bytes_(receiver.behind_bytes)} to replay"
    return Span(f"{text}, {fmt.duration(receiver.lag_s)} behind", "muted" if receiver.status else "crit")
