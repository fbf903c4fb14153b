"""A table of what changes: rows diffed by key, a cursor that stays put, only changed lines redrawn."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.table import Column, body_row, fit_columns, header_row
from perftui.draw.text import message, pad, restyle
from perftui.widgets.panel import Panel
from perftui.widgets.tableview import TableView

MOST_FILTER = 200
"""Characters a filter may have."""


class LiveTable(Panel):
    """Items in rows. `key` names an item for as long as it lives; all else is in `TableView`."""

    EXACT = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "cursor_move(-1)", "Row up", show=False, id="table.up"),
        Binding("down", "cursor_move(1)", "Row down", show=False, id="table.down"),
        Binding("pageup", "cursor_page(-1)", "Page up", show=False, id="table.pageup"),
        Binding("pagedown", "cursor_page(1)", "Page down", show=False, id="table.pagedown"),
        Binding("home", "cursor_home", "First row", show=False, id="table.home"),
        Binding("end", "cursor_end", "Last row", show=False, id="table.end"),
        Binding("left", "column_move(-1)", "Column left", show=False, id="table.left"),
        Binding("right", "column_move(1)", "Column right", show=False, id="table.right"),
        Binding("enter", "open", "Open", show=False, id="table.open"),
    ]

    class CursorMoved(Message):
        """The cursor stands on another row."""

        def __init__(self, table: LiveTable, key: Hashable, item: Any) -> None:
            super().__init__()
            self.table, self.key, self.item = table, key, item

        @property
        def control(self) -> LiveTable:
            """The table, for `on` selectors."""
            return self.table

    class Opened(CursorMoved):
        """Enter on a row."""

    class MarksChanged(Message):
        """Other rows are marked than before."""

        def __init__(self, table: LiveTable) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> LiveTable:
            """The table, for `on` selectors."""
            return self.table

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        key: Callable[[Any], Hashable],
        title: str = "",
        note: str = "",
        sort: str | None = None,
        reverse: bool = False,
        empty: str = "nothing here yet",
        hint: str = "",
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(title, note=note, id=id, classes=classes, focusable=True)
        self.view = TableView(columns, key, sort, reverse)
        self.empty = empty
        self.hint = hint
        self.beyond = ""  # said below "nothing matches": what the rows given leave out
        self._top = 0
        self._page = 1
        self._active = columns[0].key
        self._editing: str | None = None  # the filter before editing began

    # what it shows

    def set_items(self, items: Iterable[Any]) -> None:
        """Show these items: diffed by key, the cursor stays on its row."""
        self.view.set_items(items)
        self.redraw()

    @property
    def cursor_key(self) -> Hashable | None:
        """Key of the row under the cursor."""
        return self.view.cursor_key

    @property
    def current(self) -> Any:
        """The item under the cursor, or None."""
        return self.view.current

    @property
    def marked(self) -> tuple[Any, ...]:
        """Marked items."""
        return self.view.marked()

    @property
    def targets(self) -> tuple[Any, ...]:
        """What an action works on: the marked items, else the one under the cursor."""
        current = self.current
        return self.marked or ((current,) if current is not None else ())

    def selection(self) -> dict[str, Any]:
        """True values of the row under the cursor, by column key."""
        current = self.current
        return self.view.values(current) if current is not None else {}

    # drawing

    def body(self, size: Size, look: Look) -> Rows:
        """Titles and the visible rows."""
        width = size.width - 1  # the first cell of a row shows cursor and marks
        if not self.view.order:
            text = f"nothing matches /{self.view.filter_text}" if self.view.filter_text else self.empty
            return message(size, text, self.beyond if self.view.filter_text else self.hint)
        fitted = fit_columns(self.view.shown_columns, width)
        active = self._active if self.has_focus else ""
        head = header_row(fitted, width, look, self.view.sort, self.view.reverse, active)
        self._page = max(1, size.height - 1)
        self._scroll()
        keys = self.view.order[self._top : self._top + self._page]
        rows: Rows = [pad((Span(" "), *head), size.width)]
        for key in keys:
            row = body_row(fitted, self.view.items[key], width)
            rows.append(self._dressed(row, key, size.width, look))
        blank = pad((), size.width)
        return [*rows[: size.height], *[blank] * (size.height - len(rows))]

    def _dressed(self, row: Row, key: Hashable, width: int, look: Look) -> Row:
        here, marked = key == self.view.cursor_key, key in self.view.marks
        arrow, dot = (">", "*") if look.ascii_ else ("▸", "•")
        sign = dot if marked else arrow if here else " "
        full = pad((Span(sign, "accent bold" if sign != " " else ""), *row), width)
        if here:
            return restyle(full, "cursor" if self.has_focus else "select")
        return full

    def visible_rows(self) -> list[tuple[int, Hashable]]:
        """Line (from the widget's top) and key of every row in sight."""
        first = 2 if self._title else 1
        keys = self.view.order[self._top : self._top + self._page]
        return [(first + y, key) for y, key in enumerate(keys)]

    def _scroll(self) -> None:
        """Keep the cursor in sight and no blank space below the last row."""
        index, page = self.view.index, self._page
        if index < self._top:
            self._top = index
        elif index >= self._top + page:
            self._top = index - page + 1
        self._top = max(0, min(self._top, len(self.view.order) - page))

    def note_text(self) -> str:
        """The note, the filter in force, and where the cursor is."""
        parts = [self._note] if self._note else []
        if self.editing or self.view.filter_text:
            parts.append(f"/{self.view.filter_text}" + ("_" if self.editing else ""))
        if self.view.order:
            parts.append(f"{self.view.index + 1}/{len(self.view.order)}")
        return " · ".join(parts)

    # cursor

    def cursor_move(self, by: int) -> None:
        """Move the cursor by rows."""
        self._go(self.view.index + by)

    def cursor_page(self, by: int) -> None:
        """Move the cursor by pages."""
        self._go(self.view.index + by * self._page)

    def cursor_home(self) -> None:
        """First row."""
        self._go(0)

    def cursor_end(self) -> None:
        """Last row."""
        self._go(len(self.view.order) - 1)

    def cursor_to(self, key: Hashable) -> bool:
        """Put the cursor on a key; False when it is not shown."""
        if key not in self.view.order:
            return False
        self._go(self.view.order.index(key))
        return True

    def _go(self, index: int) -> None:
        if self.view.move_to(index):
            self.redraw()
            self.post_message(self.CursorMoved(self, self.view.cursor_key, self.current))

    def find_next(self, by: int = 1) -> None:
        """The next row (n) or the one before (N) while a filter is on, round the end."""
        if self.view.order:
            self._go((self.view.index + by) % len(self.view.order))

    def column_move(self, by: int) -> None:
        """Choose the column that copying a cell and sorting mean."""
        keys = [c.key for c in self.view.shown_columns]
        place = keys.index(self._active) if self._active in keys else 0
        self._active = keys[min(max(0, place + by), len(keys) - 1)]
        self.redraw()

    # order, filter, columns, marks

    def set_sort(self, column: str | None, reverse: bool = False) -> None:
        """Sort by a column key."""
        self.view.set_sort(column, reverse)
        self.redraw()

    def sort_next(self) -> None:
        """Sort by the next column."""
        self.set_sort(self.view.next_sort(), self.view.reverse)

    def sort_reverse(self) -> None:
        """Turn the order round."""
        self.set_sort(self.view.sort, not self.view.reverse)

    def set_filter(self, text: str) -> None:
        """Show only what matches (words, `field:value`, `field>n`, `>n` on the sorted column)."""
        self.view.set_filter(text)
        self.redraw()

    @property
    def filter_text(self) -> str:
        """The filter in force."""
        return self.view.filter_text

    @property
    def editing(self) -> bool:
        """Whether keys go into the filter."""
        return self._editing is not None

    def edit_filter(self) -> None:
        """Type a filter in the title row: enter keeps it, escape restores the one before."""
        self._editing = self.view.filter_text
        self.focus()
        self.redraw()

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """While a filter is typed, characters belong to it."""
        return self._editing is not None and (character or "").isprintable() and bool(character or key)

    def on_key(self, event: events.Key) -> None:
        """Keys of the filter line."""
        if self._editing is None:
            return
        text = self.view.filter_text
        if event.key == "enter":
            self._editing = None
        elif event.key == "escape":
            text, self._editing = self._editing, None
        elif event.key == "backspace":
            text = text[:-1]
        elif event.is_printable and event.character:
            text += event.character
        else:
            return
        event.stop()
        event.prevent_default()
        if len(text) <= MOST_FILTER:  # a paste that arrives as keys must not cost more with each of them
            self.set_filter(text)

    def on_paste(self, event: events.Paste) -> None:
        """Pasted text goes into an open filter line, its first 200 characters, as one line."""
        if self._editing is not None:
            event.stop()
            text = self.view.filter_text + " ".join(event.text[:MOST_FILTER].split())
            self.set_filter(text[:MOST_FILTER])

    def on_blur(self, event: events.Blur) -> None:
        """A filter line that loses the focus is kept as it is."""
        self._editing = None
        super().on_blur(event)

    def choose_columns(self) -> None:
        """Open the list of columns."""
        from perftui.widgets.columnchooser import ColumnChooser

        self.app.push_screen(ColumnChooser(self.view.columns, self.view.hidden), self._chosen)

    def _chosen(self, hidden: set[str] | None) -> None:
        if hidden is not None:
            self.set_hidden(hidden)

    def set_hidden(self, hidden: set[str]) -> None:
        """Hide the columns with these keys."""
        self.view.hidden = set(hidden)
        self.redraw()

    def toggle_mark(self) -> None:
        """Mark or unmark the row and go one down."""
        self.view.toggle_mark()
        self.view.move_to(self.view.index + 1)
        self.redraw()
        self.post_message(self.MarksChanged(self))

    def clear_marks(self) -> None:
        """Unmark everything."""
        self.view.marks.clear()
        self.redraw()
        self.post_message(self.MarksChanged(self))

    # taking along

    def copy_cell(self) -> str:
        """The true value of the active column in the current row, as text."""
        column = self.view.column(self._active)
        current = self.current
        value = column.of(current) if column is not None and current is not None else None
        return "" if value is None else str(value)

    def copy_row(self) -> dict[str, Any]:
        """True values of the current row by column key."""
        return self.selection()

    def csv(self) -> str:
        """The view as CSV: shown columns and rows, true values."""
        return self.view.csv()

    # keys and mouse

    def action_cursor_move(self, by: int) -> None:
        """Up and down."""
        self.cursor_move(by)

    def action_cursor_page(self, by: int) -> None:
        """Page up and down."""
        self.cursor_page(by)

    def action_cursor_home(self) -> None:
        """First row."""
        self.cursor_home()

    def action_cursor_end(self) -> None:
        """Last row."""
        self.cursor_end()

    def action_column_move(self, by: int) -> None:
        """Left and right."""
        self.column_move(by)

    def action_open(self) -> None:
        """Enter."""
        if self.current is not None:
            self.post_message(self.Opened(self, self.view.cursor_key, self.current))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel moves the cursor."""
        event.stop()
        self.cursor_move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel moves the cursor."""
        event.stop()
        self.cursor_move(-3)

    def on_click(self, event: events.Click) -> None:
        """A click puts the cursor on a row, a second one opens it."""
        row = event.y - (2 if self._title else 1)
        if 0 <= row < self._page and self._top + row < len(self.view.order):
            self._go(self._top + row)
            if event.chain == 2:
                self.action_open()
