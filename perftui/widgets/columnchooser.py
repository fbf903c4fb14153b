"""The list of a table's columns, to switch them on and off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from perftui.draw.rows import Look, Rows, Size, Span
from perftui.draw.table import Column
from perftui.draw.text import line, restyle
from perftui.widgets.panel import Panel


class ColumnChooser(ModalScreen[set[str] | None]):
    """Space switches a column, enter takes the choice, escape leaves things as they were.

    Its result is the set of hidden column keys.
    """

    DEFAULT_CSS = """
    ColumnChooser { align: center middle; background: transparent; }
    ColumnChooser > Panel { width: 60; max-width: 90%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="columns.up"),
        Binding("down,j", "move(1)", "Down", show=False, id="columns.down"),
        Binding("space", "switch", "On or off", id="columns.toggle"),
        Binding("enter", "take", "Take", id="columns.take"),
        Binding("escape", "leave", "Leave", id="columns.leave"),
    ]

    def __init__(self, columns: Sequence[Column], hidden: Iterable[str]) -> None:
        super().__init__()
        self._columns = tuple(columns)
        self._hidden = set(hidden)
        self._at = 0

    def compose(self) -> ComposeResult:
        """One panel with a row a column."""
        panel = Panel("Columns", note="space on/off · enter take · esc leave", focusable=True)
        panel.styles.height = len(self._columns) + 1
        panel.styles.max_height = "90%"
        yield panel

    def on_mount(self) -> None:
        """Draw the list."""
        panel = self.query_one(Panel)
        panel.focus()
        panel.set_rows(self._list)

    def _list(self, size: Size, look: Look) -> Rows:
        start = max(0, self._at - size.height + 1)
        rows: Rows = []
        for index, column in enumerate(self._columns[start : start + size.height], start):
            box = "[ ]" if column.key in self._hidden else "[x]"
            row = line(
                size.width, f" {box} ", Span(f"{column.title:<14} ", "title"), Span(column.help, "muted")
            )
            rows.append(restyle(row, "cursor") if index == self._at else row)
        return rows

    def action_move(self, by: int) -> None:
        """Up and down."""
        self._at = min(max(0, self._at + by), len(self._columns) - 1)
        self.query_one(Panel).redraw()

    def action_switch(self) -> None:
        """Switch the column under the cursor."""
        self._hidden ^= {self._columns[self._at].key}
        self.query_one(Panel).redraw()

    def action_take(self) -> None:
        """Done."""
        self._end(self._hidden)

    def action_leave(self) -> None:
        """Never mind."""
        self._end(None)

    def _end(self, hidden: set[str] | None) -> None:
        if self in self.app.screen_stack:  # keys still come that were pressed before it left
            self.dismiss(hidden)
