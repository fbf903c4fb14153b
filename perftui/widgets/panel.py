"""A titled drawing: one title row with a note at its end, and rows below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from textual import events

from perftui.draw import format as fmt
from perftui.draw.clean import cell_width, cut, inert
from perftui.draw.palette import state_span
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.text import fill
from perftui.model.health import Health, Link
from perftui.widgets.lines import LineWidget

Drawing = Callable[[Size, Look], Rows]
_ALARMS = (Link.LATE, Link.LOST, Link.REFUSED)


def title_row(
    title: str, note: str, width: int, look: Look, *, focused: bool = False, alarm: Span | None = None
) -> Row:
    """`── Title ──────── note ──`: heavy and lit when focused; `alarm` is a link state before the note."""
    dash = ("=" if focused else "-") if look.ascii_ else ("━" if focused else "─")
    rule = "accent" if focused else "grid"
    tail: list[Span] = []
    room = max(0, width - 6)
    if note or alarm:
        sign = f"{alarm.text} " if alarm else ""
        text = cut(inert(note), max(0, room - min(cell_width(title), 16) - cell_width(sign) - 3))
        tail = [Span(" "), *((Span(sign, alarm.style),) if alarm else ()), Span(text, "muted"), Span(" ")]
        tail.append(Span(dash * 2, rule))
    used = sum(cell_width(span.text) for span in tail)
    name = cut(inert(title), max(0, width - used - 5))
    head = [Span(dash * 2, rule), Span(f" {name} ", "accent bold" if focused else "title")]
    middle = width - used - cell_width(name) - 4
    return fill([(*head, Span(dash * max(0, middle), rule), *tail)], Size(width, 1))[0]


class Panel(LineWidget):
    """A title row and a body drawn by a function of size and look.

    Without a title there is no title row. `note` stands at the right end of the title row; a link
    that is not LIVE takes its place with state, age and error, and the body turns muted.
    """

    EXACT: ClassVar[bool] = False
    """Whether `body` always has the size asked for, so that nothing need be measured again."""

    def __init__(
        self,
        title: str = "",
        *,
        note: str = "",
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
        focusable: bool = False,
    ) -> None:
        super().__init__(id=id, classes=classes, focusable=focusable)
        self._title = title
        self._note = note
        self._muted = False
        self._health: Health | None = None
        self._now = 0.0
        self._drawing: Drawing | None = None

    def set_rows(self, drawing: Drawing) -> None:
        """Draw the body with this function from now on; call again when the data changed."""
        self._drawing = drawing
        self.redraw()

    def set_health(self, health: Health | None, now: float) -> None:
        """How the link behind this panel stands at `now` (epoch seconds)."""
        muted = self.muted
        self._health, self._now = health, now
        if muted == self.muted:
            self.redraw_title()
        else:
            self.redraw()

    @property
    def title(self) -> str:
        """Text of the title row."""
        return self._title

    @title.setter
    def title(self, text: str) -> None:
        if text != self._title:
            shown = bool(self._title) == bool(text)
            self._title = text
            if shown:
                self.redraw_title()
            else:
                self.redraw()

    @property
    def note(self) -> str:
        """Text at the right end of the title row."""
        return self._note

    @note.setter
    def note(self, text: str) -> None:
        if text != self._note:
            self._note = text
            self.redraw_title()

    @property
    def muted(self) -> bool:
        """Whether the body is the last good picture of something that no longer answers."""
        return self._muted or (self._health is not None and self._health.link in (Link.LOST, Link.REFUSED))

    @muted.setter
    def muted(self, value: bool) -> None:
        if value != self._muted:
            self._muted = value
            self.redraw()

    def redraw_title(self) -> None:
        """Draw the title row again and leave the body as it is."""
        if not (self._title and self.is_current and len(self.drawn) > 1):
            return
        self.replace_row(0, self._title_row(self.size.width, self.look))

    def body(self, size: Size, look: Look) -> Rows:
        """Rows below the title; overridden by panels that draw their own data."""
        return self._drawing(size, look) if self._drawing else []

    def rows(self, size: Size, look: Look) -> Rows:
        """Title row and body."""
        muted = self.muted
        top: Rows = [self._title_row(size.width, look)] if self._title and size.height > 1 else []
        self._muted_from = len(top) if muted else 1 << 30
        inside = Size(size.width, size.height - len(top))
        body = self.body(inside, replace(look, muted=True) if muted else look)
        return [*top, *(body if self.EXACT else fill(body, inside))]

    def note_text(self) -> str:
        """What the note says; tables and charts add their own."""
        return self._note

    def _title_row(self, width: int, look: Look) -> Row:
        alarm, note = None, self.note_text()
        if self._health is not None and self._health.link in _ALARMS:
            alarm = state_span(self._health.link.value, look)
            note = health_note(self._health, self._now)
        return title_row(self._title, note, width, look, focused=self.has_focus, alarm=alarm)

    def on_focus(self, event: events.Focus) -> None:
        """Show the focus in the title row."""
        self.redraw()

    def on_blur(self, event: events.Blur) -> None:
        """Take it back."""
        self.redraw()


def health_note(health: Health, now: float) -> str:
    """Age of the picture, the error and what happens next: `14 s old · refused by … · retry in 7 s`."""
    parts: list[str] = []
    old = health.age(now)
    if old is not None:
        parts.append(f"{fmt.age(old)} old")
    if health.error:
        parts.append(health.error)
    if health.link is Link.REFUSED:
        parts.append("ctrl+r retries")
    elif health.retry_at is not None and health.retry_at > now:
        parts.append(f"retry in {fmt.age(health.retry_at - now)}")
    return " · ".join(parts)
