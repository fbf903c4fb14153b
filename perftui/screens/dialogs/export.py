"""What leaves the console: format, range of time and file, chosen in one box."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from textual.widgets import Input

from perftui.draw.clean import inert
from perftui.draw.format import stamp
from perftui.draw.rows import Row, Span
from perftui.draw.text import line
from perftui.model.moment import TimeState
from perftui.screens.copying import picture_name
from perftui.screens.dialogs.base import Dialog, line_input
from perftui.screens.leaving import PAST, RANGES, Choice, has_past, remember, remembered

if TYPE_CHECKING:
    from perftui.screens.live import LiveScreen

TABLES = {"csv": "CSV", "json": "JSON, one object a row", "ndjson": "JSON, one object a line"}
SPANS = [seconds for _, seconds in RANGES]


class ExportDialog(Dialog[tuple[str, str, float]]):
    """Answers with ending, name and seconds. Formats are chosen with the cursor, the range sideways."""

    AUTO_FOCUS = ""
    title_text = "Export"

    def __init__(self, forms: Sequence[tuple[str, str]], last: Choice, stem: str) -> None:
        super().__init__()
        self.forms = list(forms)
        endings = [form for form, _ in self.forms]
        self.at = endings.index(last.form) if last.form in endings else 0
        self.span = min(range(len(SPANS)), key=lambda n: abs(SPANS[n] - last.seconds))
        self.stem = stem

    @property
    def form(self) -> str:
        """Ending of the chosen format."""
        return self.forms[self.at][0]

    def body(self, width: int) -> Sequence[Row]:
        """Formats with the cursor, the range where one is taken, and how to go on."""
        mark = ">" if self.look.ascii_ else "▸"
        rows: list[Row] = []
        for place, (_, label) in enumerate(self.forms):
            here = place == self.at
            text = f"{mark if here else ' '} {inert(label, 200)}"
            rows.append(line(width, Span(text, "cursor" if here else "text")))
        arrows = "<- ->" if self.look.ascii_ else "← →"
        span = f"{self._range}   {arrows} changes it" if self.form in PAST else "as shown now"
        rows.append(line(width, Span("range  ", "muted"), span))
        rows.append(line(width, Span("enter writes, tab edits the name; without folder it", "faint")))
        rows.append(line(width, Span("goes into the export folder", "faint")))
        return rows

    @property
    def _range(self) -> str:
        moment = self.console_app.session.clock.now()
        long = RANGES[self.span][0]
        return (
            f"last {long}"
            if moment.state is TimeState.LIVE
            else f"{long} to {stamp(moment.at, self.look.tz)}"
        )

    def field(self) -> Input:
        """The file's name."""
        return line_input(f"{self.stem}.{self.form}")

    def pressed(self, key: str) -> bool:
        """Move, change the range, edit the name, write."""
        if key == "tab":
            typing = self.query_one(Input)
            self.set_focus(None if self.focused is typing else typing)
            return True
        if self._typing:
            return False
        if key == "enter":
            self._write(self.query_one(Input).value)
            return True
        step = {"j": 1, "down": 1, "k": -1, "up": -1}.get(key)
        side = {"l": 1, "right": 1, "h": -1, "left": -1}.get(key)
        if step is not None:
            self._move(min(max(0, self.at + step), len(self.forms) - 1))
        elif side is not None:
            self.span = min(max(0, self.span + side), len(SPANS) - 1)
        else:
            return False
        self.fit()
        return True

    def _move(self, to: int) -> None:
        """Choose a format; a name that was not touched follows."""
        typing, old = self.query_one(Input), f"{self.stem}.{self.form}"
        self.at = to
        if typing.value == old:
            typing.value = f"{self.stem}.{self.form}"

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the name writes too."""
        event.stop()
        self._write(event.value)

    def _write(self, name: str) -> None:
        if name.strip():
            self.dismiss((self.form, name.strip(), SPANS[self.span]))


def open_export(screen: LiveScreen) -> None:
    """Ask what to write and where, then write."""
    app = screen.console_app
    forms = offered(screen)
    if not forms:
        app.toast("nothing here can be exported; E writes a picture", "warn")
        return
    kept = has_past(app.session)
    last = app.takeaway.last_choice or (remembered() if kept else Choice())

    def answered(chosen: tuple[str, str, float] | None) -> None:
        if chosen is None:
            return
        form, name, seconds = chosen
        app.takeaway.last_choice = Choice(form, seconds)
        if kept:
            remember(app.takeaway.last_choice)
        app.takeaway.export(form, name, seconds)

    stem = picture_name(app.session.env.name, screen.tab_name, datetime.now(UTC))
    app.push_screen(ExportDialog(forms, last, stem), answered)


def offered(screen: LiveScreen) -> list[tuple[str, str]]:
    """Ending and words of every format there is for the tab in front."""
    tab = screen.tab
    if tab is None:
        return []
    files = [(form, what) for form, (what, _) in tab.export_files().items()]
    table = tab.export_rows()
    tables = [] if table is None else [(f, f"{len(table[1])} rows as {w}") for f, w in TABLES.items()]
    past = list(PAST.items()) if has_past(screen.session) else []
    if table is not None and not table[1] and (files or past):
        tables = []  # a table that is hidden or empty is no offer
    return [*files, *tables, *past]
