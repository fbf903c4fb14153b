"""Rows of spans shown as they are: the widget behind header, footer, toasts and dialogs."""

from __future__ import annotations

from collections.abc import Sequence

from perftui.draw.rows import Look, Row, Rows, Size
from perftui.draw.text import fill
from perftui.widgets.lines import LineWidget


class RowBox(LineWidget):
    """Shows the rows it was given, cut and filled to its size; scrolls by rows when they are more."""

    DEFAULT_CSS = "RowBox { width: 1fr; height: 1; }"

    def __init__(self, rows: Sequence[Row] = (), id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.content: tuple[Row, ...] = tuple(rows)
        self.top = 0

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows from now on."""
        rows = tuple(rows)
        if rows == self.content:
            return
        self.content = rows
        self.top = max(0, min(self.top, len(rows) - 1))
        self.redraw()

    def scroll_rows(self, by: int) -> None:
        """Move the view by rows, within what there is."""
        top = max(0, min(self.top + by, len(self.content) - self.size.height))
        if top != self.top:
            self.top = top
            self.redraw()

    def rows(self, size: Size, look: Look) -> Rows:
        """The rows in view."""
        return fill(self.content[self.top : self.top + size.height], size)
