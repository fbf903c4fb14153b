"""What the server ran in the last minute, heaviest first, from its own counters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.draw import format as fmt
from perftui.draw.rows import Look, Rows, Size
from perftui.draw.text import fill, wrap
from perftui.model.database import Statement
from perftui.model.frame import Frame
from perftui.screens.database.columns import sql, statement_columns, statement_key
from perftui.screens.database.explain import explain_statement
from perftui.screens.database.server import nothing_ran, shown_server
from perftui.screens.tab import Tab
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel


class QueriesTab(Tab):
    """The table of statements and the whole text of the one under the cursor."""

    DEFAULT_CSS = """
    QueriesTab #statements { height: 1fr; }
    QueriesTab #text { height: 6; }
    """
    id_: ClassVar[str] = "database.queries"
    title: ClassVar[str] = "Queries"
    topics: ClassVar[tuple[str, ...]] = ("database",)
    empty: ClassVar[str] = (
        "would show the statements that cost most: share of time, calls/s, mean, rows, hits\n"
        'connect one: [env.NAME.backends.db] kind = "postgres", dsn = "postgresql://user@host/database"'
    )

    def compose(self) -> Iterable[Widget]:
        """Table and text."""
        yield LiveTable(
            statement_columns(),
            key=statement_key,
            title="Statements",
            sort="share",
            reverse=True,
            empty="no statement finished in the last minute",
            id="statements",
        )
        yield Panel("Statement", id="text")

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Show the newest report."""
        frame = frames["database"]
        server = shown_server(frame)
        if server is None:
            return
        table = self.query_one("#statements", LiveTable)
        work = server.reading.workload
        table.muted = self.look_for(frame).muted
        table.title = f"Statements of {server.source}"
        table.empty, table.hint = nothing_ran(server)
        table.note = f"{fmt.number(work.calls_per_s)} calls/s over {fmt.age(work.seconds)}" if work else ""
        table.set_items(work.statements if work else ())
        self._text(table.current)

    def _text(self, item: Statement | None) -> None:
        panel = self.query_one("#text", Panel)
        panel.title = f"Statement {item.query_id}" if item else "Statement"
        panel.note = f"{item.user}@{item.database} · w explains" if item else ""
        panel.set_rows(lambda size, look: text_rows(item.text if item else "", size, look))

    def on_live_table_cursor_moved(self, moved: LiveTable.CursorMoved) -> None:
        """Show the text of the row."""
        self._text(moved.item)

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The statement under the cursor."""
        server = shown_server(self.frames["database"]) if self.frames else None
        item = self.query_one("#statements", LiveTable).current if server else None
        if server is None or item is None:
            return None
        return {
            "source": server.source,
            "query_id": item.query_id,
            "user": item.user,
            "database": item.database,
            "statement": item.text,
        }

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`w` and enter explain the statement."""
        if id not in {"database.explain", "open"}:
            return False
        return explain_statement(self, self.query_one("#statements", LiveTable).current)


def text_rows(text: str, size: Size, look: Look) -> Rows:
    """A statement's text broken into rows."""
    return fill(wrap(sql(text) if text else "", size.width), size)
