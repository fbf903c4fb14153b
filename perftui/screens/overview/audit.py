"""Who did what with which outcome, and whether the record of it is whole."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.palette import state_span
from perftui.draw.rows import Look, Rows, Size, Span
from perftui.draw.table import Cell, Column
from perftui.draw.text import line, wrap
from perftui.model.action import Outcome
from perftui.model.auditlog import AuditEntry, AuditReport
from perftui.model.frame import Frame
from perftui.screens.tab import Tab
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

TOPIC = "overview.audit"
STYLES = {
    Outcome.DONE: "ok",
    Outcome.PARTLY: "warn",
    Outcome.FAILED: "crit",
    Outcome.STARTED: "muted",
}


class AuditTab(Tab):
    """The newest lines; enter shows one whole, beside the table from 120 columns."""

    DEFAULT_CSS = """
    AuditTab #chain { height: 1; }
    AuditTab #body { height: 1fr; layout: horizontal; }
    AuditTab #lines { width: 3fr; }
    AuditTab #entry { width: 2fr; display: none; margin-left: 1; }
    AuditTab.open #entry { display: block; }
    AuditTab.narrow.open #lines { display: none; }
    AuditTab.narrow #entry { margin-left: 0; }
    """
    id_: ClassVar[str] = "overview.audit"
    title: ClassVar[str] = "Audit"
    topics: ClassVar[tuple[str, ...]] = (TOPIC,)
    empty: ClassVar[str] = "would show every action with who did it and how it ended"

    def __init__(self) -> None:
        super().__init__()
        self.opened = False

    def compose(self) -> Iterable[Widget]:
        """The table takes the keys."""
        yield Panel(id="chain")
        with Widget(id="body"):
            yield LiveTable(
                columns(self.look.tz),
                key=lambda entry: entry.seq,
                title="Audit",
                id="lines",
                sort="at",
                reverse=True,
                empty="reading the audit",
            )
            yield Panel("Entry", id="entry", focusable=True)

    def arrange_for(self, layout: int) -> None:
        """Below 120 columns an opened line takes the table's place."""
        self.set_class(layout < 120, "narrow")

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """The lines and the state of the chain."""
        frame = frames[TOPIC]
        report, error = frame.report, frame.error
        chain, table = self.query_one("#chain", Panel), self.query_one("#lines", LiveTable)
        if not isinstance(report, AuditReport):
            chain.set_rows(lambda size, look: [line(size.width, Span(inert(error), "crit"))])
            return
        chain.set_rows(lambda size, look: [chain_row(report, error, size.width, look)])
        table.empty = "nothing was done yet: every action leaves a line here"
        table.set_items(report.entries)
        entry = self.current
        if self.opened and entry is not None:
            panel = self.query_one("#entry", Panel)
            panel.title = f"Line {entry.seq}"
            panel.set_rows(lambda size, look: entry_rows(entry, size, look))

    @property
    def current(self) -> AuditEntry | None:
        """The line under the cursor."""
        entry = self.query_one("#lines", LiveTable).current
        return entry if isinstance(entry, AuditEntry) else None

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The line under the cursor."""
        entry = self.current
        return fields(entry) if entry is not None else None

    def set_open(self, opened: bool) -> None:
        """Show or hide the line under the cursor as a whole."""
        self.opened = opened and self.current is not None
        self.set_class(self.opened, "open")
        if self.opened and self.has_class("narrow"):
            self.query_one("#entry").focus()
        else:
            self.query_one("#lines").focus()
        self.redraw()

    def on_live_table_opened(self, _message: LiveTable.Opened) -> None:
        """Enter."""
        self.set_open(True)

    def on_live_table_cursor_moved(self, _message: LiveTable.CursorMoved) -> None:
        """The opened line follows the cursor."""
        if self.opened:
            self.redraw()

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`enter` opens, `esc` closes."""
        if id == "open" and self.current is not None:
            self.set_open(True)
        elif id == "close" and self.opened:
            self.set_open(False)
        else:
            return False
        return True


def columns(tz: str) -> list[Column]:
    """80 columns keep time, user, action, target and outcome."""

    def words(limit: int) -> Any:
        return lambda text: inert(text, limit)

    return [
        Column("at", "Time", lambda at: fmt.stamp(at, tz), width=19),
        Column("user", "User", words(60), width=10),
        Column("origin", "From", words(60), width=13, priority=6, help="the SSH client's address"),
        Column("env", "Env", words(40), width=8, priority=5),
        Column("action", "Action", words(60), width=15),
        Column("target", "Target", words(200), width=12, grow=True),
        Column("plan", "Plan", words(300), width=26, priority=7, grow=True),
        Column("outcome", "Outcome", _outcome, width=9),
        Column("duration", "Took", _took, width=8, align="right", priority=4),
    ]


def _outcome(outcome: Outcome) -> Cell:
    return outcome.value, STYLES.get(outcome, "warn")


def _took(seconds: float) -> str:
    return fmt.duration(seconds) if seconds else ""


def chain_row(report: AuditReport, error: str, width: int, look: Look) -> Any:
    """Whether the record holds, and where it is."""
    word = "crit" if report.intact is False else "ok" if report.intact else "waiting"
    said = inert(error or report.chain or "walking the chain", 300)
    return line(
        width, state_span(word, look), Span(f"  {said}"), Span(f"  {inert(report.path, 300)}", "muted")
    )


def fields(entry: AuditEntry) -> dict[str, Any]:
    """True values for copying."""
    found = dataclasses.asdict(entry)
    return {**found, "outcome": entry.outcome.value}


def entry_rows(entry: AuditEntry, size: Size, look: Look) -> Rows:
    """Every field of a line, wrapped."""
    rows: Rows = []
    for name, value in fields(entry).items():
        text = fmt.stamp(value, look.tz) if name == "at" else _text(value)
        first, *more = wrap(inert(text, 4000), max(8, size.width - 11)) or [()]
        rows.append((Span(f"{name:<10} ", "muted"), *first))
        rows += [(Span(" " * 11), *row) for row in more]
    return rows[: size.height]


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, default=str)
    return f"{value:g}" if isinstance(value, float) else str(value)
