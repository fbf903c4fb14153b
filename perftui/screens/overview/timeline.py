"""What happened, when, to what and by whom: every kind of event on one axis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.analysis.buckets import Window
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.lanes import lanes
from perftui.model.event import Event, Events
from perftui.model.frame import Frame
from perftui.screens.overview import happenings
from perftui.screens.tab import Files, Tab
from perftui.widgets.chart import ChartPanel, span_text
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

DAY = 86400
SPANS = (300, 900, 3600, 10800, 21600, DAY, 3 * DAY, 7 * DAY, 30 * DAY)
"""5 m … 30 d, in seconds."""
LONGEST_NOTE = 500


class TimelineTab(Tab):
    """Lanes above a list; below 120 columns the list alone, with the axis as its first column."""

    DEFAULT_CSS = """
    TimelineTab #lanes { height: 8; }
    TimelineTab #events { height: 1fr; }
    """
    id_: ClassVar[str] = "overview.timeline"
    title: ClassVar[str] = "Timeline"
    topics: ClassVar[tuple[str, ...]] = ("events",)
    empty: ClassVar[str] = "would show what happened: links, scaling, actions, settings, findings and notes"
    verbs: ClassVar[Mapping[str, str]] = {"note": "TEXT  put a note on the timeline"}

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 3600
        self._shown: tuple[Event, ...] = ()

    def compose(self) -> Iterable[Widget]:
        """The list takes the keys."""
        yield Panel("Lanes", id="lanes")
        yield LiveTable(
            happenings.columns(lambda: self.look),
            key=lambda event: event.identity,
            title="Events",
            id="events",
            sort="at",
            reverse=True,
        )

    def arrange_for(self, layout: int) -> None:
        """Lanes where there is room for them, the drawn axis where there is not."""
        wide = layout >= 120
        self.query_one("#lanes").display = wide
        self._table.set_hidden({"axis"} if wide else {"at"})

    @property
    def _table(self) -> LiveTable:
        return self.query_one("#events", LiveTable)

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Events of the span shown, those that match the filter in the lanes too."""
        frame = frames["events"]
        if not isinstance(frame.report, Events):
            return
        table, window = self._table, Window.last(self.seconds, frame.at)
        self._shown = happenings.within(happenings.lasting(frame.report.events), window)
        table.empty = f"nothing happened in {span_text(self.seconds)}; z shows more, m adds a note"
        table.set_items(self._shown)
        table.note = span_text(self.seconds)
        self._draw_lanes(window)

    def _draw_lanes(self, window: Window) -> None:
        table = self._table
        kept = [table.view.items[key] for key in table.view.order]
        cursor = table.current.at if isinstance(table.current, Event) else None
        rows = happenings.lanes_of(kept)
        panel = self.query_one("#lanes", Panel)
        panel.note = self._cursor_text(window)
        panel.styles.height = len(rows) + 2
        panel.set_rows(lambda size, look: lanes(rows, size, window, look, cursor=cursor))

    def _cursor_text(self, window: Window) -> str:
        """The span, and the event that the mark in the lanes stands for."""
        span, event = span_text(self.seconds), self._table.current
        if not isinstance(event, Event):
            return span
        at = fmt.clock(event.at, self.look.tz) if window.span <= DAY else fmt.stamp(event.at, self.look.tz)
        return f"{span} · {at} {inert(f'{event.source}: {event.title}', 60)}"

    def export_files(self) -> Files:
        """The events in the lanes as a table for a document."""
        from perftui.export.postmortem import events

        shown = [self._table.view.items[key] for key in self._table.view.order]
        rows = tuple(sorted(shown, key=lambda event: event.at))
        return {"md": (f"{len(rows)} events as a Markdown table", lambda: "\n".join(events(rows)) + "\n")}

    def on_live_table_cursor_moved(self, message: LiveTable.CursorMoved) -> None:
        """The cursor goes through the lanes as well, and marks its instant on the charts of every screen."""
        if message.table.has_focus and isinstance(message.item, Event):
            ChartPanel.instant = message.item.at
        self.redraw()

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The event under the cursor."""
        event = self._table.current
        return happenings.fields(event) if isinstance(event, Event) else None

    def zoom(self, by: int, *, around: bool = False) -> None:
        """A longer (+1) or shorter (-1) span; `around` begins again behind the longest."""
        place = SPANS.index(self.seconds) + by
        self.seconds = SPANS[place % len(SPANS) if around else min(max(0, place), len(SPANS) - 1)]
        self.redraw()

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`z` `+` `-` zoom, `m` adds a note, `enter` tells an event whole, `f` goes to its instant."""
        event = self._table.current
        if id == "overview.window":
            self.zoom(1, around=True)
        elif id in {"overview.shorter", "overview.longer"}:
            self.zoom(1 if id == "overview.longer" else -1)
        elif id == "overview.note":
            self.ask("Note", "what happened, or why", self._note)
        elif id == "open" and isinstance(event, Event):
            self.toast(happenings.whole(event, self.look.tz))
        elif id == "overview.follow" and isinstance(event, Event):
            self.live.console_app.travel.reach(event.at)
        elif id == "close" and ChartPanel.instant is not None:
            ChartPanel.instant = None
            self.toast("no instant is marked on the charts any more")
        else:
            return False
        return True

    def on_live_table_opened(self, message: LiveTable.Opened) -> None:
        """Enter tells the event whole."""
        self.toast(happenings.whole(message.item, self.look.tz))

    def on_verb(self, verb: str, words: tuple[str, ...]) -> bool:
        """`:note TEXT`."""
        if verb == "note":
            self._note(" ".join(words))
        return verb == "note"

    def _note(self, text: str) -> None:
        said = " ".join(text.split())[:LONGEST_NOTE]
        if said:
            self.session.note(said)
