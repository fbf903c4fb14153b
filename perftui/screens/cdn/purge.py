"""What was purged, by whom, and what the GETs after it saw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.draw import format as fmt
from perftui.draw.table import Cell, Column
from perftui.model.event import Event
from perftui.model.frame import Frame
from perftui.screens.cdn.base import CONNECT, CdnTab
from perftui.widgets.livetable import LiveTable

GOOD = ("done",)
TITLE = "Purge a URL or tag"


def outcome_cell(outcome: str) -> Cell:
    """Glyph and word of an outcome."""
    if outcome in GOOD:
        return f"● {outcome}", "ok"
    return (
        (f"▲ {outcome}", "warn")
        if outcome in ("partly", "cancelled", "declined")
        else (f"■ {outcome}", "crit")
    )


def columns() -> list[Column]:
    """Columns of the list of purges."""
    return [
        Column("at", "Time", fmt.clock, width=8),
        Column("source", "Edge", width=10, priority=2),
        Column("outcome", "Outcome", outcome_cell, value=lambda e: e.title.rpartition(": ")[2], width=11),
        Column("took", "Took", fmt.duration, value=_took, width=9, align="right"),
        Column("actor", "By", width=10, priority=3),
        Column("detail", "What was seen", width=30, grow=True),
    ]


def _took(event: Event) -> float | None:
    return None if event.until is None else max(0.0, event.until - event.at)


class PurgeTab(CdnTab):
    """The purges of this session with their proof."""

    id_: ClassVar[str] = "cdn.purge"
    title: ClassVar[str] = "Purge"
    topics: ClassVar[tuple[str, ...]] = ("cdn", "events", "cdn.look")
    empty: ClassVar[str] = f"would show purges and the MISS that proves each\n{CONNECT}"

    def compose(self) -> Iterable[Widget]:
        """One table."""
        table = LiveTable(
            columns(), key=lambda e: (e.at, e.ref), title="Purges", id="purges", sort="at", reverse=True
        )
        table.empty = "no purge in this session: p purges a URL, P a tag"
        yield table

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Show the purges among the newest events."""
        events = getattr(frames["events"].report, "events", ())
        table = self.query_one("#purges", LiveTable)
        table.set_items(e for e in events if e.kind == "action" and e.title.startswith(TITLE))
        table.note = self.look_line()

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The purge under the cursor."""
        event = self.query_one("#purges", LiveTable).current if self.frames else None
        if event is None:
            return None
        return {"source": event.source, "at": event.at, "outcome": event.title, "detail": event.detail}
